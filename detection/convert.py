"""Converts datasets between formats, streamed: one image in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from detection.formats import tfrecord_dataset, voc_dataset
from detection.formats.dataset import Dataset, DatasetError, WriteReport
from detection.formats.tfrecord import RecordError
from detection.label_map import LabelMap, LabelMapError, read_label_map
from detection.splits import SplitError
from detection.types import Problem

# A format is a reader and a writer; add one here and it converts from and to every other.
READERS: dict[str, Callable[[Path, LabelMap | None, Callable[[Problem], None]], Dataset]] = {
    "voc": voc_dataset.read_dataset,
    "tfrecord": tfrecord_dataset.read_dataset,
}
WRITERS: dict[str, Callable[[Dataset, Path, WriteReport, Callable[[int], None]], None]] = {
    "voc": voc_dataset.write_dataset,
    "tfrecord": tfrecord_dataset.write_dataset,
}


class ConversionError(ValueError):
    """A conversion that cannot be done; the message is a sentence with the way out."""


def convert(
    source_format: str,
    target_format: str,
    source: Path,
    target: Path,
    *,
    label_map: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> WriteReport:
    """Read the data at ``source`` and write it to the folder ``target``.

    Args:
        source_format, target_format: a key of ``READERS`` and one of ``WRITERS``.
        target: made where it is not there; must be empty, as files of an older conversion would
            mix with the new ones.
        label_map: what labels are called and numbered, over what the data itself says.
        on_progress: called with the number of images written and of all.

    Raises:
        ConversionError: an unknown format, or data or a folder that cannot be used, in words.
    """
    reader, writer = READERS.get(source_format), WRITERS.get(target_format)
    if reader is None:
        raise ConversionError(_words_for_unknown(source_format, "read", READERS))
    if writer is None:
        raise ConversionError(_words_for_unknown(target_format, "written", WRITERS))
    report = WriteReport()
    try:
        _refuse_used(target)
        given = read_label_map(label_map) if label_map is not None else None
        dataset = reader(source, given, report.problems.append)
        write_to(dataset, target_format, target, report, on_progress)
    except (DatasetError, SplitError, LabelMapError, RecordError) as error:
        raise ConversionError(str(error)) from error
    except FileNotFoundError as error:
        words = f"{error.filename}: there is no such file." if error.filename else str(error)
        raise ConversionError(words) from error
    except OSError as error:
        raise ConversionError(f"{error.filename or target}: {error.strerror}.") from error
    return report


def write_to(
    dataset: Dataset,
    target_format: str,
    target: Path,
    report: WriteReport,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a dataset that is already open. Raises OSError and what its reader raises."""
    total = dataset.num_images

    def tell(done: int) -> None:
        if on_progress:
            on_progress(done, total)

    WRITERS[target_format](dataset, target, report, tell)


def _refuse_used(target: Path) -> None:
    if target.exists() and not target.is_dir():
        raise DatasetError(f"{target}: it is a file. Name a folder to write to.")
    if target.is_dir() and any(target.iterdir()):
        raise DatasetError(f"{target}: it is not empty. Name a new folder to write to.")


def _words_for_unknown(name: str, verb: str, known: Collection[str]) -> str:
    return f"{name!r} is not a format that can be {verb}; there is {', '.join(sorted(known))}."
