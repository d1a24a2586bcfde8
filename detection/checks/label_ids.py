"""Lists of labels (label_map.pbtxt, classes.txt, data.yaml) against each other and the boxes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from detection.checks.finding import Check, Finding, counted
from detection.checks.survey import ListedLabel, Survey
from detection.names import visible


def find(survey: Survey) -> list[Finding]:
    found = [
        Finding(CHECK.key, "error", problem.file, problem.message, line=problem.line)
        for problem in survey.problems
    ]
    if not survey.labels:
        return found
    return found + _zero(survey) + _two_meanings(survey) + _unknown(survey)


def _zero(survey: Survey) -> list[Finding]:
    """0 is the background's id where ids begin at 1."""
    return [
        Finding(
            CHECK.key,
            "error",
            label.file,
            f"{visible(label.name, 60)!r} has id {label.id}; ids start at {label.first_id}"
            + (", as 0 is the background." if label.id == 0 else "."),
            line=label.line,
        )
        for label in survey.labels
        if label.id < label.first_id
    ]


def _two_meanings(survey: Survey) -> list[Finding]:
    """Two lists that give one id two names, or one name two ids."""
    found = []
    first_of: dict[tuple[str, int | str], ListedLabel] = {}
    for label in survey.labels:
        # Lists that count from 0 and from 1 agree where their order does.
        position = label.id - label.first_id
        for key, mine in ((("id", position), "name"), (("name", label.name), "id")):
            other = first_of.setdefault(key, label)
            same = other.name == label.name if mine == "name" else (
                other.id - other.first_id == position)  # fmt: skip
            if not same:
                found.append(_mismatch(label, other, mine))
    return found


def _mismatch(label: ListedLabel, other: ListedLabel, differs: str) -> Finding:
    if differs == "name":
        words = f"Id {label.id} is {visible(label.name, 60)!r} here and "
        words += f"{visible(other.name, 60)!r}"
    else:
        words = f"{visible(label.name, 60)!r} has id {label.id} here and {other.id}"
    where = "before" if other.file == label.file else f"in {other.file}"
    if other.line is not None:
        where += f" (line {other.line})"
    return Finding(CHECK.key, "error", label.file, f"{words} {where}.", line=label.line)


def _unknown(survey: Survey) -> list[Finding]:
    """Labels of boxes that no list has."""
    listed = {label.name for label in survey.labels}
    counts = Counter(box.label for image in survey.images for box in image.boxes)
    found = []
    for label, number in sorted(counts.items()):
        if label not in listed:
            image = next(i for i in survey.images if any(b.label == label for b in i.boxes))
            box = next(box for box in image.boxes if box.label == label)
            words = f"{visible(label, 60)!r} ({counted(number, 'box', 'boxes')}) is not in "
            words += f"{survey.labels[0].file}."
            found.append(
                Finding(CHECK.key, "warning", image.file, words, image.name, box.line, box.number)
            )
    return found


def _title(findings: Sequence[Finding]) -> str:
    return f"{counted(len(findings), 'label does', 'labels do')} not fit the list of labels"


CHECK = Check(
    "label-ids",
    find,
    _title,
    "Ids and names of labels agree",
    "Where an id means two things, a model is right about the thing and wrong about its name.",
)
