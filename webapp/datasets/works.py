"""Changes of many images: at once where there are few, by a worker where there are many."""

from typing import Any

from webapp.datasets.comparing import compare
from webapp.datasets.dealing import deal
from webapp.datasets.freezing import NotTrainable, freeze, read_manifest, working_manifest
from webapp.datasets.health import check_again, latest_answer
from webapp.datasets.health_fixes import NothingToFix, Outcome, apply_fix, in_words, undo
from webapp.datasets.job_models import DatasetWork
from webapp.datasets.models import DatasetRevision
from webapp.datasets.recording import Tell, silent
from webapp.datasets.restoring import restore_revision
from webapp.leases import Status
from webapp.projects.models import Project

# From here on a request would take longer than a person waits without seeing how far it is.
LARGE = 2_000
Said = dict[str, Any]


def is_large(project: Project) -> bool:
    """Whether a worker makes this project's changes."""
    return project.images.kept().count() > LARGE


def active_work(project: Project) -> DatasetWork | None:
    return project.works.filter(status__in=[Status.QUEUED, Status.RUNNING]).first()


def queue_work(
    project: Project, user: Any, kind: str, arguments: dict[str, Any], words: str
) -> DatasetWork | None:
    """A change for a worker to make; None where another of the project is under way."""
    if active_work(project) is not None:
        return None
    over = [Status.FINISHED, Status.FAILED, Status.CANCELLED]
    project.works.filter(status__in=over).delete()
    return DatasetWork.objects.create(
        project=project, created_by=user, kind=kind, arguments=arguments, words=words[:200]
    )


def do(work: DatasetWork, tell: Tell = silent) -> Said:
    """Make the change that the row asks for; what came of it, in words.

    A row that was begun before goes on: what it did is known by `change` and `num_done`.
    """
    said = _DOINGS[work.kind](work, tell)
    if latest_answer(work.project) is not None:
        check_again(work.project, work.created_by)
    return said


def _fix(work: DatasetWork, tell: Tell) -> Said:
    only = work.arguments.get("only", [])
    try:
        outcome = apply_fix(
            work.project, work.created_by, work.arguments["key"], only,
            change=work.change, tell=tell,
        )  # fmt: skip
    except NothingToFix as nothing:
        return _said("" if work.change else str(nothing), [])
    done = f"Changed {in_words(outcome)}. It stands in their histories."
    return _said(done if outcome.images else "", outcome.left)


def _deal(work: DatasetWork, tell: Tell) -> Said:
    outcome = deal(
        work.project, work.created_by, tuple(work.arguments["fractions"]), work.arguments["seed"],
        keep=work.arguments["keep"], change=work.change, tell=tell,
    )  # fmt: skip
    if not outcome.images:
        return _said("Every image has the split that this would give it.", [])
    return _said(f"{in_words(outcome)} got a split.", outcome.left)


def _restore(work: DatasetWork, tell: Tell) -> Said:
    revision = work.project.revisions.get(number=work.arguments["number"])
    if "kept" not in work.arguments:
        kept = freeze_first(work.project, work.created_by, revision)
        work.arguments["kept"] = str(kept) if kept else ""
        DatasetWork.objects.filter(pk=work.pk).update(arguments=work.arguments)
    outcome = restore_revision(
        work.project, revision, work.created_by,
        trash_others=work.arguments.get("others", False), change=work.change, tell=tell,
    )  # fmt: skip
    return restored_words(revision, outcome, work.arguments["kept"])


def _undo(work: DatasetWork, tell: Tell) -> Said:
    change = work.project.dataset_changes.get(pk=work.arguments["change"])
    try:
        outcome = undo(change, work.created_by, done=work.num_done, tell=tell)
    except NothingToFix as nothing:
        return _said(str(nothing), [])
    return _said(f"Taken back: {change.words} ({in_words(outcome)}).", outcome.left)


_DOINGS = {
    DatasetWork.Kind.FIX: _fix,
    DatasetWork.Kind.DEAL: _deal,
    DatasetWork.Kind.RESTORE: _restore,
    DatasetWork.Kind.UNDO: _undo,
}


def freeze_first(project: Project, user: Any, revision: DatasetRevision) -> DatasetRevision | None:
    """The working set as a revision of its own, where it is one and is not frozen already."""
    if not compare(read_manifest(revision), working_manifest(project)).images:
        return None
    try:
        return freeze(project, user, name=f"before restoring {revision}")
    except NotTrainable:
        return None  # The histories keep its boxes all the same.


def restored_words(revision: DatasetRevision, outcome: Outcome, kept: str) -> Said:
    if not outcome.images:
        return _said(f"The working set is as {revision} already.", outcome.left)
    before = f" What was there is kept as {kept}." if kept else ""
    return _said(f"{revision} is restored: {in_words(outcome)} changed.{before}", outcome.left)


def _said(done: str, left: list[str]) -> Said:
    """Of what was left, the first sentences and how many more there are."""
    shown = left[:3]
    if len(left) > 3:
        shown.append(f"And {len(left) - 3:,} more.")
    return {"done": done, "left": shown}
