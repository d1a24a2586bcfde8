"""How a label that a model knows is shown: its name and colour in the project as it is now."""

from dataclasses import dataclass
from typing import Any

from webapp.projects.models import PALETTE, Project

# Text on these of the palette's colours is white, on the others ink.
LIGHT_TEXT = {7, 9, 11, 12}


@dataclass(frozen=True, slots=True)
class ShownLabel:
    """A class of a model. `palette` is 1..12: which of the palette's colours."""

    class_id: int
    name: str
    shown: str
    palette: int

    @property
    def on(self) -> str:
        """The colour of text on the label's colour."""
        return "#fff" if self.palette in LIGHT_TEXT else "var(--ink)"

    def as_json(self) -> dict[str, Any]:
        return {
            "class_id": self.class_id,
            "name": self.name,
            "shown": self.shown,
            "color": f"var(--class-{self.palette})",
            "on": self.on,
        }


def palette_index(class_id: int) -> int:
    return (class_id - 1) % len(PALETTE) + 1


def shown_labels(labels: list[dict[str, Any]], project: Project | None) -> dict[str, ShownLabel]:
    """`labels` ({"id", "name", "display_name"}) by name, as the project shows them today."""
    now = {label.class_id: label for label in project.labels.all()} if project else {}
    result = {}
    for item in labels:
        label = now.get(item["id"])
        result[item["name"]] = ShownLabel(
            class_id=item["id"],
            name=item["name"],
            shown=str(label) if label else item.get("display_name") or item["name"],
            palette=palette_index(item["id"]),
        )
    return result
