"""Converts datasets between formats, streamed: one image in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from detection.formats.dataset import Dataset, DatasetError, WriteReport
from detection.formats.files import ArchiveFiles, Files, FolderFiles
from detection.formats.reading import Reading, dataset_of, own_label_map
from detection.formats.registry import FORMATS, open_reading
from detection.formats.sink import FolderSink, Images
from detection.formats.tfrecord import RecordError
from detection.label_map import LabelMapError, read_label_map
from detection.names import suffix_of, visible
from detection.splits import SplitError

AUTO = "auto"


class ConversionError(ValueError):
    """A conversion that cannot be done; the message is a sentence with the way out."""


def convert(
    source_format: str,
    target_format: str,
    source: Path,
    target: Path,
    *,
    label_map: Path | None = None,
    images: Images = "copy",
    on_progress: Callable[[int, int], None] | None = None,
) -> WriteReport:
    """Read the data at ``source`` and write it to the folder ``target``.

    Args:
        source_format, target_format: keys of ``FORMATS``; the source's may be ``auto``.
        source: a folder, a zip, or one annotation file whose images lie beside or below it.
        target: made where it is not there; must be empty, as files of an older conversion would
            mix with the new ones.
        label_map: what labels are called and numbered, over what the data itself says.
        images: whether pictures are copied, linked, or not written.
        on_progress: called with the number of images written and of all.

    Raises:
        ConversionError: an unknown format, or data or a folder that cannot be used, in words.
    """
    if source_format not in (AUTO, *FORMATS):
        raise ConversionError(_words_for_unknown(source_format, "read"))
    if target_format not in FORMATS:
        raise ConversionError(_words_for_unknown(target_format, "written"))
    report = WriteReport()
    try:
        _refuse_used(target)
        given = read_label_map(label_map) if label_map is not None else None
        files = _files_at(source, report)
        key = "" if source_format == AUTO else source_format
        reading = open_reading(files, report.problems.append, format_key=key, label_map=given)
        if reading is None:
            raise DatasetError(
                f"{source}: no annotations of a known format were found in it "
                f"({', '.join(sorted(FORMATS))})."
            )
        try:
            _write(reading, files, target_format, source, target, images, report, on_progress)
        finally:
            reading.close()
    except (DatasetError, SplitError, LabelMapError, RecordError) as error:
        raise ConversionError(str(error)) from error
    except FileNotFoundError as error:
        words = f"{error.filename}: there is no such file." if error.filename else str(error)
        raise ConversionError(words) from error
    except OSError as error:
        raise ConversionError(f"{error.filename or target}: {error.strerror}.") from error
    return report


def _write(
    reading: Reading,
    files: Files,
    target_format: str,
    source: Path,
    target: Path,
    images: Images,
    report: WriteReport,
    on_progress: Callable[[int, int], None] | None,
) -> None:
    if not reading.annotation_of:
        first = f"; the first is {visible(reading.orphans[0])}" if reading.orphans else ""
        raise DatasetError(
            f"{source}: none of its annotations belongs to an image that is here{first}. "
            "Put the images beside them."
        )
    try:
        label_map = own_label_map(reading)
    except DatasetError as error:
        raise DatasetError(f"{source}: {error}") from None
    dataset = dataset_of(
        reading, files, label_map, report.problems.append, pictures=images != "none"
    )
    write_to(dataset, target_format, target, report, images=images, on_progress=on_progress)


def write_to(
    dataset: Dataset,
    target_format: str,
    target: Path,
    report: WriteReport,
    *,
    images: Images = "copy",
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a dataset that is already open. Raises OSError and what its reader raises."""
    total = dataset.num_images
    sink = FolderSink(target, images)
    told = -1
    for _ in FORMATS[target_format].write(dataset, sink, report):
        if on_progress and report.num_images != told:
            told = report.num_images
            on_progress(told, total)
    report.files += sink.files


def _files_at(source: Path, report: WriteReport) -> Files:
    """The files that ``source`` means: a folder's, a zip's, or those beside one file."""
    if source.is_dir():
        return FolderFiles(source)
    if not source.exists():
        found = sorted(source.parent.glob(f"{source.name}-?????-of-?????"))
        if found:
            return FolderFiles(source.parent, only=[path.name for path in found])
        raise DatasetError(f"{source}: there is no such folder or file.")
    if suffix_of(source.name) == ".zip":
        archive = ArchiveFiles(source)
        for problem in archive.problems:
            report.problems.append(problem)
        return archive
    return FolderFiles(source.parent, only=[source.name], with_images=True)


def _refuse_used(target: Path) -> None:
    if target.exists() and not target.is_dir():
        raise DatasetError(f"{target}: it is a file. Name a folder to write to.")
    if target.is_dir() and any(target.iterdir()):
        raise DatasetError(f"{target}: it is not empty. Name a new folder to write to.")


def _words_for_unknown(name: str, verb: str, known: Collection[str] = tuple(FORMATS)) -> str:
    return f"{name!r} is not a format that can be {verb}; there is {', '.join(sorted(known))}."
