"""A folder of images and annotations, surveyed, in any format that is read.

Pascal VOC and YOLO, with an annotation file for each image, are read line by line and can be mended
where they lie.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from detection.checks import voc_annotations, yolo_labels
from detection.checks.label_lists import read_label_lists
from detection.checks.pictures import read_pictures
from detection.checks.read_formats import ReadSet, read_set, yolo_splits
from detection.checks.split_lists import SplitLists, read_split_lists
from detection.checks.survey import PictureFacts, Survey, SurveyedImage
from detection.formats.dataset import DatasetError
from detection.formats.drawn import AnnotationError
from detection.formats.files import FileRefused
from detection.formats.voc_xml import MAX_XML_BYTES, VocError, parse_voc
from detection.images import ImageRefused
from detection.names import base_name, has_image_suffix, is_clutter, layout_key, stem_of, suffix_of
from detection.pairing import pair_annotations
from detection.types import Problem

_NOT_LABELS = frozenset({
    "classes.txt", "readme.txt", "readme.roboflow.txt", "readme.dataset.txt", "license.txt",
    "requirements.txt", "notes.txt",
})  # fmt: skip


@dataclass(frozen=True)
class Folder:
    """A surveyed folder: what mending needs to know to write it again."""

    root: Path
    survey: Survey
    splits: SplitLists
    classes: Mapping[int, str]


def survey_folder(root: Path, on_progress: Callable[[int, int], None] | None = None) -> Folder:
    """Read every annotation and every picture below ``root``. Links out of it are not followed.

    Args:
        on_progress: called with the number of pictures read and of all.

    Raises:
        DatasetError: there is no such folder, or no images or annotations in it.
    """
    if not root.is_dir():
        raise DatasetError(f"{root}: there is no such folder.")
    names = list(_files_below(root))
    image_names = [name for name in names if has_image_suffix(name)]
    if not image_names:
        raise DatasetError(f"{root}: there are no images in it or below.")
    labels, problems = read_label_lists(root, names)
    pictures = _pictures(root, image_names, on_progress)
    listed = {label.id: label.name for label in labels if label.first_id == 0}
    other = _other_format(root, pictures)
    splits = read_split_lists(root, names, image_names)
    if other is not None:
        images, orphans, key = list(other.images), list(other.orphans), other.key
        labels += other.labels
        splits = SplitLists({}, other.splits or splits.split_of)
    else:
        images, orphans, key = _one_file_each(root, names, image_names, pictures, listed)
        said = yolo_splits(root) if key == "yolo" else {}
        if said and said != splits.split_of:
            splits = SplitLists({}, said)
    survey = Survey(
        tuple(replace(image, split=splits.split_of.get(image.name, "")) for image in images),
        tuple(orphans),
        tuple(labels),
        (*problems, *splits.problems),
        key,
    )
    return Folder(root, survey, splits, listed)


def _other_format(
    root: Path, pictures: Mapping[str, PictureFacts | ImageRefused]
) -> ReadSet | None:
    try:
        return read_set(root, pictures)
    except AnnotationError as error:
        raise DatasetError(str(error)) from None
    except FileRefused as error:
        raise DatasetError(f"{root}: {error}") from None


def _one_file_each(
    root: Path,
    names: list[str],
    image_names: list[str],
    pictures: Mapping[str, PictureFacts | ImageRefused],
    classes: Mapping[int, str],
) -> tuple[list[SurveyedImage], list[Problem], str]:
    xml_names = [name for name in names if suffix_of(name) == ".xml"]
    if xml_names:
        images, orphans = _voc(root, image_names, xml_names, pictures)
        return images, orphans, "voc"
    images, orphans = _yolo(root, names, image_names, pictures, classes)
    if not any(image.annotation for image in images):
        raise DatasetError(f"{root}: there are no annotations in it that Boxloop reads.")
    return images, orphans, "yolo"


def _pictures(
    root: Path, names: list[str], on_progress: Callable[[int, int], None] | None
) -> dict[str, PictureFacts | ImageRefused]:
    found: dict[str, PictureFacts | ImageRefused] = {}
    facts = read_pictures([root / name for name in names], os.cpu_count() or 2)
    for name, picture in zip(names, facts, strict=True):
        found[name] = picture
        if on_progress:
            on_progress(len(found), len(names))
    return found


def _image(name: str, picture: PictureFacts | ImageRefused) -> SurveyedImage:
    if isinstance(picture, ImageRefused):
        return SurveyedImage(name, refused=str(picture))
    return SurveyedImage(name, picture=picture)


def _voc(
    root: Path,
    image_names: list[str],
    xml_names: list[str],
    pictures: Mapping[str, PictureFacts | ImageRefused],
) -> tuple[list[SurveyedImage], list[Problem]]:
    def filename_in(name: str) -> str | None:
        try:
            return parse_voc(_read(root / name, MAX_XML_BYTES), name).filename
        except (VocError, OSError):
            return None

    pairing = pair_annotations(image_names, xml_names, filename_in)
    xml_of = {image: xml for xml, image in pairing.pairs}
    images = []
    for name in image_names:
        image = _image(name, pictures[name])
        if name in xml_of:
            image = _with_voc(image, root, xml_of[name])
        images.append(image)
    return images, list(pairing.problems)


def _with_voc(image: SurveyedImage, root: Path, xml_name: str) -> SurveyedImage:
    image = replace(image, annotation=xml_name, gives_size=True)
    try:
        voc = parse_voc(_read(root / xml_name, MAX_XML_BYTES), xml_name)
    except VocError as error:
        return replace(image, problems=(error.problem,))
    except OSError as error:
        words = f"It cannot be read ({error.strerror})."
        return replace(image, problems=(Problem(xml_name, words, "refused"),))
    size = (voc.width, voc.height) if voc.width is not None and voc.height is not None else None
    return replace(image, declared=size, boxes=voc_annotations.boxes_of(voc), problems=voc.problems)


def _yolo(
    root: Path,
    names: list[str],
    image_names: list[str],
    pictures: Mapping[str, PictureFacts | ImageRefused],
    classes: Mapping[int, str],
) -> tuple[list[SurveyedImage], list[Problem]]:
    text_names = [
        name
        for name in names
        if suffix_of(name) == ".txt" and base_name(name).lower() not in _NOT_LABELS
    ]
    stems = {layout_key(stem_of(name)) for name in image_names}
    labelled = [
        name
        for name in text_names
        if layout_key(stem_of(name)) in stems or "/labels/" in f"/{name}"
    ]
    pairing = pair_annotations(image_names, labelled, lambda name: None)
    text_of = {image: text for text, image in pairing.pairs}
    images = []
    for name in image_names:
        image = _image(name, pictures[name])
        if name in text_of:
            text = text_of[name]
            data = _read(root / text, yolo_labels.MAX_BYTES)
            boxes, problems = yolo_labels.read_labels(data, text, classes, image.picture)
            image = replace(image, annotation=text, relative=True, boxes=boxes, problems=problems)
        images.append(image)
    return images, list(pairing.problems)


def _read(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        return file.read(limit + 1)


def _files_below(root: Path) -> Iterator[str]:
    """Relative names of the files below ``root``, sorted; hidden folders are passed over."""
    for folder, subfolders, files in os.walk(root, followlinks=False):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        relative = Path(folder).relative_to(root).as_posix()
        prefix = "" if relative == "." else f"{relative}/"
        for file in sorted(files):
            path = Path(folder) / file
            inside = not path.is_symlink() or path.resolve().is_relative_to(root.resolve())
            if not is_clutter(prefix + file) and inside:
                yield prefix + file
