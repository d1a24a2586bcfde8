"""The bases that a run may start from, as the Train page shows them."""

from dataclasses import dataclass

from detection.bases import BASES, Base


@dataclass(frozen=True, slots=True)
class OfferedBase:
    """One choice. `num_labels` is how many things it finds without any training."""

    name: str
    title: str
    about: str
    licence: str
    bytes: int
    present: bool
    suggested: bool
    num_labels: int


def offered_bases() -> list[OfferedBase]:
    """All bases, the suggested one first."""
    return [_offered(base, first=index == 0) for index, base in enumerate(BASES.values())]


def base_title(name: str) -> str:
    base = BASES.get(name)
    return base.title if base else name


def _offered(base: Base, *, first: bool) -> OfferedBase:
    return OfferedBase(
        name=base.name,
        title=base.title,
        about=base.about,
        licence=base.licence,
        bytes=base.download_bytes,
        present=base.is_present,
        suggested=first,
        num_labels=base.num_labels,
    )
