"""Will this train? Ask a project's working set, and keep the answer until it changes."""

from typing import Any

from detection.checks import CHECKS
from detection.checks.finding import Check, Finding, Result
from detection.checks.survey import Edit
from webapp.datasets.health_models import HealthCheck
from webapp.datasets.health_survey import ProjectSurvey, state_key, survey_project
from webapp.leases import Status
from webapp.projects.models import Project

# More than anybody reads; the rest is counted, and found again after these are mended.
MAX_FINDINGS = 300
MAX_RELATED = 12
# In a project an image is known by its row, boxes stand in no file, and sizes are the pictures'.
_NOT_HERE = frozenset({"unpaired", "size"})
PROJECT_CHECKS: tuple[Check, ...] = tuple(c for c in CHECKS if c.key not in _NOT_HERE)


def check_of(key: str) -> Check | None:
    """The check called `key` among those that a project is asked."""
    return next((check for check in PROJECT_CHECKS if check.key == key), None)


def latest_check(project: Project) -> HealthCheck | None:
    return project.health_checks.first()


def latest_answer(project: Project) -> HealthCheck | None:
    """The newest check that was finished."""
    return project.health_checks.filter(status=Status.FINISHED).first()


def queue_check(project: Project, user: Any) -> tuple[HealthCheck, bool]:
    """A check to be run by a worker; (row, whether it is new). One waits or runs at a time."""
    waiting = project.health_checks.filter(status__in=[Status.QUEUED, Status.RUNNING]).first()
    if waiting is not None:
        return waiting, False
    return HealthCheck.objects.create(project=project, created_by=user), True


def answer(project: Project) -> tuple[list[dict[str, Any]], str]:
    """Run all checks on what the database knows; (results as JSON, state key)."""
    key = state_key(project)
    surveyed = survey_project(project)
    results = [Result(check, tuple(check.find(surveyed.survey))) for check in PROJECT_CHECKS]
    return [_result_json(result, surveyed) for result in results], key


def check_again(project: Project, user: Any) -> HealthCheck:
    """Answer at once, from facts that are there already: after a fix, for instance."""
    results, key = answer(project)
    row = HealthCheck.objects.create(
        project=project, created_by=user, status=Status.FINISHED, results=results, state_key=key
    )
    forget_old_checks(project)
    return row


def forget_old_checks(project: Project) -> None:
    """Keep the newest answer and what is under way."""
    newest = latest_answer(project)
    if newest is not None:
        over = [Status.FINISHED, Status.FAILED, Status.CANCELLED]
        project.health_checks.filter(status__in=over, pk__lt=newest.pk).delete()


def _result_json(result: Result, surveyed: ProjectSurvey) -> dict[str, Any]:
    check = result.check
    kinds = sorted({fix.kind for fix in result.fixes})
    return {
        "key": check.key,
        "severity": result.severity or "passed",
        "title": result.title,
        "why": check.why,
        "action": check.action,
        "count": len(result.findings),
        "num_fixes": len(result.fixes),
        # A fix of a kind of its own is a guess that a person must make.
        "sure": all(kind == check.key for kind in kinds),
        "findings": [
            _finding_json(finding, surveyed) for finding in result.findings[:MAX_FINDINGS]
        ],
    }


def _finding_json(finding: Finding, surveyed: ProjectSurvey) -> dict[str, Any]:
    image = surveyed.survey.by_name.get(finding.image)
    related = [surveyed.id_of[name] for name in finding.related if name in surveyed.id_of]
    gone, made = _preview(finding, surveyed)
    return {
        "image": surveyed.id_of.get(finding.image),
        "name": finding.image,
        "size": [image.picture.width, image.picture.height] if image and image.picture else None,
        "severity": finding.severity,
        "message": finding.message,
        "box": finding.box,
        "related": related[:MAX_RELATED],
        "num_related": len(related),
        "boxes": [list(corners) for corners in finding.boxes],
        "fix": finding.fix.words if finding.fix else "",
        "gone": gone,
        "made": made,
    }


def _preview(
    finding: Finding, surveyed: ProjectSurvey
) -> tuple[list[list[float]], list[list[float]]]:
    """Corners of the boxes of the finding's image that its fix takes away, and that it makes."""
    gone: list[list[float]] = []
    made: list[list[float]] = []
    edits: tuple[Edit, ...] = finding.fix.edits if finding.fix else ()
    boxes = surveyed.survey.by_name[finding.image].boxes if finding.image in surveyed.id_of else ()
    by_number = {box.number: box for box in boxes}
    for edit in edits:
        box = by_number.get(edit.box or 0) if edit.image == finding.image else None
        if box is None:
            continue
        if edit.action == "remove_box":
            gone.append(list(box.ordered))
        elif edit.action == "move_box":
            gone.append(list(box.ordered))
            made.append(list(edit.value))
    return gone, made
