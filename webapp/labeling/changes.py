"""What an edit did, in counts and in words: "moved 2 boxes and marked the image done"."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

CORNERS = ("xmin", "ymin", "xmax", "ymax")
FLAGS = ("difficult", "truncated", "crowd")

# In the order in which they are told; the nouns as (one, many).
_BOXES = ("box", "boxes")
_SUGGESTIONS = ("suggestion", "suggestions")
_VERBS = {
    "drawn": ("drew", _BOXES),
    "copied": ("copied", _BOXES),
    "added": ("added", _BOXES),
    "imported": ("imported", _BOXES),
    "suggested": ("got", _SUGGESTIONS),
    "restored": ("brought back", _BOXES),
    "accepted": ("accepted", _SUGGESTIONS),
    "rejected": ("rejected", _SUGGESTIONS),
    "moved": ("moved", _BOXES),
    "resized": ("resized", _BOXES),
    "relabelled": ("relabelled", _BOXES),
    "marked": ("marked", _BOXES),
    "deleted": ("deleted", _BOXES),
}
_STATES = {
    "done": "marked the image done",
    "in_progress": "reopened the image",
    "new": "marked the image new",
}
_VERDICTS = {
    "accepted": "accepted the image",
    "sent_back": "sent the image back",
    "flagged": "flagged the image for review",
    "": "took the flag away",
}
# What a person's own hand made: counted in their numbers.
MADE = ("drawn", "copied", "accepted")


def summarise(
    upserts: Iterable[dict[str, Any]],
    deleted: Iterable[dict[str, Any]],
    before: dict[Any, dict[str, Any]],
    restored: Iterable[Any] = (),
    state: str | None = None,
) -> dict[str, Any]:
    """How many boxes were drawn, moved, ...; `before` holds the touched annotations by id.

    `deleted` are the annotations that went, `restored` the ids that came back from the trash.
    """
    back = set(restored)
    counts: Counter[str] = Counter()
    for row in upserts:
        old = before.get(row["id"])
        if row["id"] in back:
            counts["restored"] += 1
        elif old is None:
            counts[_how_new(row)] += 1
        else:
            counts.update(_what_changed(old, row))
    for row in deleted:
        counts["rejected" if row["status"] == "suggested" else "deleted"] += 1
    summary: dict[str, Any] = {name: counts[name] for name in _VERBS if counts[name]}
    return {**summary, "state": state} if state else summary


def _how_new(row: dict[str, Any]) -> str:
    if row["status"] == "suggested":
        return "suggested"
    return {"human": "drawn", "copied": "copied"}.get(row["source"], "added")


def _what_changed(old: dict[str, Any], new: dict[str, Any]) -> Iterable[str]:
    if old["status"] != new["status"]:
        yield {"active": "accepted", "rejected": "rejected"}.get(new["status"], "suggested")
    if old["label_id"] != new["label_id"]:
        yield "relabelled"
    if any(old[flag] != new[flag] for flag in FLAGS):
        yield "marked"
    if any(old[corner] != new[corner] for corner in CORNERS):
        sides = [[box["xmax"] - box["xmin"], box["ymax"] - box["ymin"]] for box in (old, new)]
        same_size = all(abs(a - b) < 0.01 for a, b in zip(*sides, strict=True))
        yield "moved" if same_size else "resized"


def in_words(summary: dict[str, Any]) -> str:
    """The summary as what somebody did: "drew 3 boxes, deleted 1 box and marked the image done"."""
    parts = []
    if "restores" in summary:
        parts.append(f"went back to revision {summary['restores']}")
    elif "merged" in summary:
        count = summary.get("relabelled", 0)
        parts.append(
            f"merged {summary['merged']} into {summary['into']}: {count} "
            f"{_BOXES[0] if count == 1 else _BOXES[1]}"
        )
    else:
        for name, (verb, nouns) in _VERBS.items():
            if count := summary.get(name):
                parts.append(f"{verb} {count} {nouns[0] if count == 1 else nouns[1]}")
    if "review" in summary:
        parts.append(_VERDICTS.get(summary["review"], "reviewed the image"))
    elif summary.get("state") in _STATES:
        parts.append(_STATES[summary["state"]])
    if not parts:
        return "edited the image"
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
