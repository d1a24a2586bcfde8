"""Pascal VOC: a folder of images and XML files, found, paired and read one by one.

What one XML says and how it is held against its picture stands in ``voc_xml``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from detection.formats.dataset import DatasetError
from detection.formats.files import files_below
from detection.formats.voc_xml import (
    MAX_XML_BYTES,
    VocError,
    VocFile,
    labelled_image,
    parse_voc,
    write_voc,
)
from detection.images import ImageRefused, probe_image
from detection.names import has_image_suffix, suffix_of
from detection.pairing import Pairing, pair_annotations
from detection.splits import match_stems
from detection.types import LabelledImage, Problem

__all__ = [
    "DatasetError",
    "VocError",
    "VocFile",
    "VocFolder",
    "labelled_image",
    "parse_voc",
    "read_voc",
    "write_voc",
]


class VocFolder:
    """The images and annotations below a folder. Links that lead out of it are not followed.

    Raises:
        DatasetError: the folder does not exist, or holds no images or no XMLs.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise DatasetError(f"{self.root}: there is no such folder.")
        names = list(files_below(self.root))
        self.image_names = [name for name in names if has_image_suffix(name)]
        self.xml_names = [name for name in names if suffix_of(name) == ".xml"]
        if not self.image_names:
            raise DatasetError(f"{self.root}: there are no images in it or below.")
        if not self.xml_names:
            raise DatasetError(f"{self.root}: there are no Pascal VOC XML files in it or below.")

    @cached_property
    def pairing(self) -> Pairing:
        """Which XML belongs to which image, and what is left."""
        return pair_annotations(self.image_names, self.xml_names, self._filename_in)

    @property
    def problems(self) -> list[Problem]:
        """XMLs without an image, and images without an XML."""
        alone = [
            Problem(name, "There is no annotation for this image. Left out.", "note")
            for name in self.pairing.images_alone
        ]
        return [*self.pairing.problems, *alone]

    @cached_property
    def labelled_names(self) -> list[str]:
        """Names of the images that have an XML, in order."""
        return sorted(image for _, image in self.pairing.pairs)

    def select(self, stems: Iterable[str]) -> list[str]:
        """Names of the labelled images that ``stems`` mean. Raises SplitError."""
        return match_stems(stems, self.labelled_names)

    def parse(self, image_name: str) -> VocFile:
        """The XML of one labelled image, not yet held against it. Raises VocError."""
        return self._parse_xml(self._xml_by_image[image_name])

    def read(self, image_name: str) -> tuple[LabelledImage, list[Problem]]:
        """One labelled image with boxes that are valid in its upright frame.

        Raises:
            VocError: the XML cannot be taken.
            ImageRefused: the picture cannot.
        """
        path = self.root / image_name
        voc = self.parse(image_name)
        try:
            facts = probe_image(path)
        except OSError as error:
            raise ImageRefused(f"It cannot be read ({error.strerror}).") from None
        image, problems = labelled_image(
            voc, image_name, facts.width, facts.height, facts.orientation
        )
        return replace(image, source=path), problems

    @cached_property
    def _xml_by_image(self) -> dict[str, str]:
        return {image: xml for xml, image in self.pairing.pairs}

    def _parse_xml(self, xml_name: str) -> VocFile:
        path = self.root / xml_name
        try:
            with path.open("rb") as file:
                return parse_voc(file.read(MAX_XML_BYTES + 1), xml_name)
        except OSError as error:
            raise VocError(xml_name, f"It cannot be read ({error.strerror}).") from None

    def _filename_in(self, xml_name: str) -> str | None:
        try:
            return self._parse_xml(xml_name).filename
        except VocError:
            return None


def read_voc(
    root: Path | str | VocFolder,
    stems: Sequence[str] | None = None,
    problems: list[Problem] | None = None,
) -> Iterator[tuple[LabelledImage, list[Problem]]]:
    """Read a folder's labelled images one by one, each with what was noticed or mended in it.

    Args:
        root: the folder, or one already looked through.
        stems: which images, as in a split file; all that have an XML where None.
        problems: what could not be read is added to it, and left out.

    Raises:
        DatasetError: the folder cannot be used.
        SplitError: a stem means no labelled image, or more than one.
    """
    folder = root if isinstance(root, VocFolder) else VocFolder(root)
    refused = problems if problems is not None else []
    names = folder.labelled_names if stems is None else folder.select(stems)
    if stems is None:
        refused += folder.problems
    for name in names:
        try:
            yield folder.read(name)
        except VocError as error:
            refused.append(error.problem)
        except ImageRefused as error:
            refused.append(Problem(name, f"{error} Left out.", "refused"))
