"""Boxes of one large annotation file, put on disk by image.

A COCO file names its images in one list and their boxes, in any order, in another. To give them
image by image in flat memory they go through a private SQLite file, which is gone when closed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from detection.formats.drawn import Drawn
from detection.private_database import open_private_database
from detection.types import Box, Problem

_SCHEMA = """
CREATE TABLE images (key TEXT PRIMARY KEY, name TEXT, file TEXT, width REAL, height REAL,
                     split TEXT, relative INTEGER, extra TEXT) WITHOUT ROWID;
CREATE TABLE boxes (key TEXT, label TEXT, xmin REAL, ymin REAL, xmax REAL, ymax REAL,
                    flags INTEGER, pose TEXT, number INTEGER, line INTEGER);
CREATE TABLE problems (key TEXT, file TEXT, message TEXT, severity TEXT, line INTEGER);
"""
_INDEXES = """
CREATE INDEX images_by_name ON images (name);
CREATE INDEX boxes_by_key ON boxes (key);
CREATE INDEX problems_by_key ON problems (key);
"""
_CACHE_KIB = 2000
_BATCH = 1000


class Spool:
    """Fill it, call ``index`` once, then read it. ``key`` tells images apart: any text.

    Several keys of one name are one image. Not for use by two threads at once.
    """

    def __init__(self) -> None:
        self._db = open_private_database(_SCHEMA, _CACHE_KIB)
        self._boxes: list[tuple[object, ...]] = []
        self.num_boxes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    def add_image(
        self,
        key: str,
        name: str,
        file: str,
        width: float | None = None,
        height: float | None = None,
        *,
        split: str = "",
        relative: bool = False,
        extra: str | None = None,
    ) -> bool:
        """Register an image; False where the key was there."""
        row = (key, name, file, width, height, split, relative, extra)
        done = self._db.execute("INSERT OR IGNORE INTO images VALUES (?,?,?,?,?,?,?,?)", row)
        return done.rowcount > 0

    def add_box(self, key: str, box: Box, number: int, line: int | None = None) -> None:
        """Add a box; its image may come later."""
        flags = box.difficult + 2 * box.truncated + 4 * box.crowd
        self._boxes.append((key, box.label, *box.xyxy, flags, box.pose, number, line))
        self.num_boxes += 1
        if len(self._boxes) >= _BATCH:
            self._flush()

    def add_problem(self, key: str, problem: Problem) -> None:
        """A problem of one image's, said when that image is read."""
        row = (key, problem.file, problem.message, problem.severity, problem.line)
        self._db.execute("INSERT INTO problems VALUES (?,?,?,?,?)", row)

    def index(self) -> None:
        """All is in: from here on it is read."""
        self._flush()
        self._db.executescript(_INDEXES)

    def names(self) -> Iterator[str]:
        """The images' names, each once, in order."""
        for (name,) in self._db.execute("SELECT DISTINCT name FROM images ORDER BY name"):
            yield name

    def shared_names(self) -> set[str]:
        """Names that images of several files have."""
        return {name for (name,) in self._db.execute(
            "SELECT name FROM images GROUP BY name HAVING count(DISTINCT file) > 1"
        )}  # fmt: skip

    def images(self) -> Iterator[tuple[str, str, str]]:
        """``(name, file, split)`` of each image, ordered by name."""
        yield from self._db.execute("SELECT name, file, split FROM images ORDER BY name")

    def homeless(self) -> Iterator[tuple[str, int]]:
        """Keys that boxes have and no image has, with the number of boxes."""
        yield from self._db.execute(
            "SELECT key, count(*) FROM boxes WHERE key NOT IN (SELECT key FROM images) "
            "GROUP BY key ORDER BY key"
        )

    def label_counts(self) -> dict[str, int]:
        """How many boxes each label has."""
        return dict(self._db.execute("SELECT label, count(*) FROM boxes GROUP BY label"))

    def extra(self, name: str) -> str | None:
        """What ``add_image`` was given as ``extra``: whatever a format keeps with an image."""
        row = self._db.execute("SELECT extra FROM images WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def drawn(self, name: str, file: str = "", label_of: Callable[[str], str] = str) -> Drawn:
        """What was said of the image of that name, in one file or (without) in all.

        ``label_of`` turns stored labels into names. Raises KeyError where there is no such image.
        """
        rows = list(self._db.execute(
            "SELECT key, file, width, height, relative FROM images "
            "WHERE name = ? AND ? IN (file, '') ORDER BY key",
            (name, file),
        ))  # fmt: skip
        if not rows:
            raise KeyError(name)
        boxes: list[Box] = []
        places: list[tuple[int, int | None]] = []
        problems: list[Problem] = []
        for key, *_ in rows:
            for label, xmin, ymin, xmax, ymax, flags, pose, number, line in self._db.execute(
                "SELECT label, xmin, ymin, xmax, ymax, flags, pose, number, line FROM boxes "
                "WHERE key = ? ORDER BY rowid",
                (key,),
            ):
                boxes.append(Box(label_of(label), xmin, ymin, xmax, ymax, bool(flags & 1),
                                 bool(flags & 2), bool(flags & 4), pose))  # fmt: skip
                places.append((number, line))
            problems += [Problem(*row) for row in self._db.execute(
                "SELECT file, message, severity, line FROM problems WHERE key = ? ORDER BY rowid",
                (key,),
            )]  # fmt: skip
        _, file, width, height, relative = rows[0]
        return Drawn(
            file,
            tuple(boxes),
            width,
            height,
            bool(relative),
            numbers=[number for number, _ in places],
            lines=[line for _, line in places],
            problems=tuple(problems),
        )

    def _flush(self) -> None:
        self._db.executemany("INSERT INTO boxes VALUES (?,?,?,?,?,?,?,?,?,?)", self._boxes)
        self._boxes.clear()
