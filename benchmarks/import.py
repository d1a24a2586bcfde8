"""How fast a large archive is imported, with previews, and whether memory stays flat.

    python benchmarks/import.py [--images 500 10000] [--format voc|yolo|coco] [--kill] [--records]
                                [--json FILE]

The archive is made from real photos (../shared/data, or --photos DIR with Pascal VOC files): each
photo comes many times, with other bytes each time but all its pixels to decode. The import runs in
a worker process of its own, against a fresh SQLite and a fresh folder. Each size is measured by
itself; `peak` is the worker's largest resident memory (Linux), `decoder` that of the largest of
its decoding processes, or the worker's own where that was more. With --records what was imported is
frozen and written as TFRecords, too, in a process of its own. With --kill the largest archive is
imported once more by a worker that is killed (-9) at 40 % and at 80 %, and what is there in the end
is counted. The bar: 100 images/s on two cores, peak memory of the worker within 10 % of that at
500 images.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from detection.formats.voc import labelled_image, parse_voc  # noqa: E402
from detection.images import probe_image  # noqa: E402
from detection.types import LabelledImage  # noqa: E402

BAR = 100
KILLS = (0.4, 0.8)
SET_UP = """
import shutil, sys
from pathlib import Path
from django.core.files.storage import default_storage
from webapp.accounts.models import User
from webapp.datasets.models import ImageImport, ImportFile
from webapp.projects.models import Project
user, _ = User.objects.get_or_create(username="bench")
project = Project.objects.create(name="Bench", created_by=user)
row = ImageImport.objects.create(project=project, created_by=user, name="bench", status="draft")
size = Path({archive!r}).stat().st_size
file = ImportFile.objects.create(image_import=row, name="bench.zip", bytes=size)
target = Path(default_storage.path(file.path))
target.parent.mkdir(parents=True)
shutil.copyfile({archive!r}, target)
row.submit()
print(row.pk)
"""
# Linux hands the largest resident memory of a process on to what it starts; VmHWM is its own.
PEAK = """
def peak_mib():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024
"""
WORKER = f"""{PEAK}
import json, resource, time
import django
django.setup()
from workers.importing import run_import
started = time.perf_counter()
run_import({{pk}}, "bench")
seconds = time.perf_counter() - started
own = resource.getrusage(resource.RUSAGE_SELF)
children = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([seconds, peak_mib(), children.ru_maxrss / 1024,
    own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime]))
"""
FREEZE = """
from webapp.datasets.freezing import freeze
from webapp.projects.models import Project
project = Project.objects.get()
print(freeze(project, project.created_by).pk)
"""
RECORDS = f"""{PEAK}
import json, tempfile, time
from pathlib import Path
import django
django.setup()
from webapp.datasets.models import DatasetRevision
from webapp.datasets.records import write_records
revision = DatasetRevision.objects.get(pk={{pk}})
started = time.perf_counter()
with tempfile.TemporaryDirectory() as folder:
    write_records(revision, Path(folder) / "records")
    seconds = time.perf_counter() - started
print(json.dumps([seconds, peak_mib()]))
"""


def real_photos(folder: Path) -> list[tuple[bytes, LabelledImage]]:
    """JPEGs below `folder` that have a Pascal VOC file, with their boxes."""
    by_stem = {path.stem: path for path in folder.rglob("*.xml")}
    found = []
    for path in sorted(folder.rglob("*.[jJ][pP]*[gG]")):
        annotation = by_stem.get(path.stem)
        if annotation is None or "hostile" in path.parts:
            continue
        facts = probe_image(path)
        file = parse_voc(annotation.read_bytes(), annotation.name)
        labelled, _ = labelled_image(file, path.name, facts.width, facts.height)
        found.append((path.read_bytes(), labelled))
    if not found:
        sys.exit(f"{folder}: there are no photos with Pascal VOC files. Name others by --photos.")
    return found


def write_archive(
    path: Path, photos: list[tuple[bytes, LabelledImage]], count: int, to: str
) -> int:
    """A zip of `count` photos; how many boxes it holds."""
    num_boxes = 0
    coco = CocoFile()
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(count):
            data, image = photos[number % len(photos)]
            # A comment right after the start: other bytes, the same pixels.
            comment = f"photo {number}".encode()
            data = (
                data[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + data[2:]
            )
            archive.writestr(f"images/{number:06d}.jpg", data)
            num_boxes += len(image.boxes)
            if to == "voc":
                archive.writestr(f"annotations/{number:06d}.xml", voc_text(image))
            elif to == "yolo":
                archive.writestr(f"labels/{number:06d}.txt", yolo_text(image, coco.labels))
            else:
                coco.add(f"{number:06d}.jpg", image)
        if to == "yolo":
            archive.writestr("data.yaml", yolo_index(coco.labels))
        elif to == "coco":
            archive.writestr("annotations.json", json.dumps(coco.content()))
    return num_boxes


def voc_text(image: LabelledImage) -> str:
    objects = "".join(
        f"<object><name>{box.label}</name><bndbox><xmin>{box.xmin}</xmin><ymin>{box.ymin}</ymin>"
        f"<xmax>{box.xmax}</xmax><ymax>{box.ymax}</ymax></bndbox></object>"
        for box in image.boxes
    )
    size = f"<size><width>{image.width}</width><height>{image.height}</height></size>"
    return f"<annotation>{size}{objects}</annotation>"


def yolo_text(image: LabelledImage, labels: dict[str, int]) -> str:
    lines = []
    for box in image.boxes:
        index = labels.setdefault(box.label, len(labels))
        middle = ((box.xmin + box.xmax) / 2 / image.width, (box.ymin + box.ymax) / 2 / image.height)
        size = ((box.xmax - box.xmin) / image.width, (box.ymax - box.ymin) / image.height)
        lines.append(f"{index} " + " ".join(f"{value:.8f}" for value in (*middle, *size)))
    return "\n".join(lines)


def yolo_index(labels: dict[str, int]) -> str:
    names = "".join(f"  {index}: {name}\n" for name, index in labels.items())
    return f"path: .\ntrain: images\nval: images\nnames:\n{names}"


class CocoFile:
    """The content of a COCO file, put together photo by photo."""

    def __init__(self) -> None:
        self.labels: dict[str, int] = {}
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []

    def add(self, name: str, image: LabelledImage) -> None:
        number = len(self.images) + 1
        size = {"width": image.width, "height": image.height}
        self.images.append({"id": number, "file_name": name, **size})
        for box in image.boxes:
            label = self.labels.setdefault(box.label, len(self.labels))
            bbox = [box.xmin, box.ymin, box.xmax - box.xmin, box.ymax - box.ymin]
            self.annotations.append({
                "id": len(self.annotations) + 1, "image_id": number, "category_id": label + 1,
                "bbox": bbox, "area": bbox[2] * bbox[3], "iscrowd": 0,
            })  # fmt: skip

    def content(self) -> dict[str, Any]:
        names = [{"id": index + 1, "name": name} for name, index in self.labels.items()]
        return {"images": self.images, "annotations": self.annotations, "categories": names}


class Bench:
    """A fresh Boxloop with one queued import."""

    def __init__(self, folder: Path, archive: Path) -> None:
        self.var = folder
        self.environment = {**os.environ, "BOXLOOP_VAR": str(folder)}
        for name in ("DATABASE_URL", "REDIS_URL", "STORAGE_URL"):
            self.environment.pop(name, None)
        self.environment["DJANGO_SETTINGS_MODULE"] = "webapp.settings"
        self._run("manage.py", "migrate", "-v0")
        code = SET_UP.format(archive=str(archive))
        self.pk = int(self._run("manage.py", "shell", "--no-imports", "-c", code).split()[-1])

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        return done.stdout

    def work(self) -> list[float]:
        """Import in a worker process; (seconds, peak MiB, a decoder's peak MiB, CPU seconds)."""
        answer: list[float] = json.loads(
            self._run("-c", WORKER.format(pk=self.pk)).splitlines()[-1]
        )
        return answer

    def write_records(self) -> dict[str, float]:
        """Freeze what is there, and write it as TFRecords in a process of its own."""
        pk = int(self._run("manage.py", "shell", "--no-imports", "-c", FREEZE).split()[-1])
        answer = self._run("-c", RECORDS.format(pk=pk)).splitlines()[-1]
        seconds, peak = json.loads(answer)
        return {"records_seconds": seconds, "records_peak_mib": peak}

    def work_until_killed(self, fraction: float) -> None:
        """Import in a worker process that gets SIGKILL once `fraction` is done; queue it again."""
        command = [sys.executable, "-c", WORKER.format(pk=self.pk)]
        worker = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE)
        while worker.poll() is None:
            found, done = self.query("SELECT num_found, num_done FROM datasets_imageimport")[0]
            if found and done >= fraction * found:
                worker.send_signal(signal.SIGKILL)
                break
            time.sleep(0.01)
        if worker.wait() != -signal.SIGKILL:
            sys.exit("The worker ended before it could be killed. Take more images.")
        # What the sweeper does once the lease has run out.
        with sqlite3.connect(self.var / "boxloop.sqlite3", timeout=20) as database:
            database.execute(
                "UPDATE datasets_imageimport SET status = 'queued', lease_token = NULL"
            )

    def query(self, sql: str) -> list[Any]:
        with sqlite3.connect(self.var / "boxloop.sqlite3", timeout=20) as database:
            return database.execute(sql).fetchall()

    def facts(self) -> dict[str, Any]:
        """What is there in the end."""
        columns = ("status", "num_found", "num_done", "num_taken", "num_known", "num_boxes")
        row = self.query(f"SELECT {', '.join(columns)} FROM datasets_imageimport")[0]
        media = self.var / "media"
        return dict(zip(columns, row, strict=True)) | {
            "rows": self.query("SELECT COUNT(*) FROM datasets_image")[0][0],
            "boxes": self.query("SELECT COUNT(*) FROM labeling_annotation")[0][0],
            "originals": sum(1 for _ in media.rglob("*.original")),
            "thumbnails": sum(1 for _ in media.rglob("*.thumbnail.jpg")),
        }


def measure(
    photos: list[tuple[bytes, LabelledImage]], count: int, to: str, kill: bool, records: bool
) -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="boxloop-bench-") as name:
        archive = Path(name) / "bench.zip"
        boxes = write_archive(archive, photos, count, to)
        bench = Bench(Path(name) / "var", archive)
        seconds, peak, decoder, cpu = bench.work()
        row = {
            "images": count, "format": to, "megabytes": archive.stat().st_size / 1e6,
            "seconds": seconds, "images_per_second": count / seconds, "cpu_seconds": cpu,
            "peak_mib": peak, "decoder_peak_mib": decoder, "expected_boxes": boxes,
        }  # fmt: skip
        row |= bench.facts()
        yield row | (bench.write_records() if records else {})
        shutil.rmtree(bench.var)
        if kill:
            bench = Bench(Path(name) / "killed", archive)
            for fraction in KILLS:
                bench.work_until_killed(fraction)
            bench.work()
            yield {
                "images": count,
                "format": to,
                "killed": KILLS,
                "expected_boxes": boxes,
            } | bench.facts()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, nargs="+", default=[500, 10_000])
    parser.add_argument("--format", choices=("voc", "yolo", "coco"), default="voc")
    parser.add_argument("--photos", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--kill", action="store_true", help="once more, killed at 40 %% and 80 %%")
    parser.add_argument("--records", action="store_true", help="write TFRecords of it, too")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    options = parser.parse_args()
    photos = real_photos(options.photos)
    rows = []
    print(
        f"{'images':>8} {'images/s':>9} {'seconds':>8} {'CPU s':>7} {'peak MiB':>9} {'decoder':>8}"
    )
    for count in options.images:
        kill = options.kill and count == max(options.images)
        for row in measure(photos, count, options.format, kill, options.records):
            rows.append(row)
            if "killed" not in row:
                print(
                    f"{count:>8,} {row['images_per_second']:>9.1f} {row['seconds']:>8.1f} "
                    f"{row['cpu_seconds']:>7.1f} {row['peak_mib']:>9.1f} "
                    f"{row['decoder_peak_mib']:>8.1f}"
                )
            if "records_seconds" in row:
                rate = count / row["records_seconds"]
                print(
                    f"{'':>8} TFRecords: {rate:,.0f} images/s, peak {row['records_peak_mib']:.1f}"
                )
            ends_well(row)
    timed = [row for row in rows if "killed" not in row]
    growth = timed[-1]["peak_mib"] / timed[0]["peak_mib"] - 1
    print(f"Bar: {BAR} images/s; memory grew by {100 * growth:.1f} % (bar 10 %).")
    if options.records:
        growth = timed[-1]["records_peak_mib"] / timed[0]["records_peak_mib"] - 1
        print(f"TFRecords: memory grew by {100 * growth:.1f} %.")
    if options.json:
        figures = {"bar_images_per_second": BAR, "rows": rows, "memory_growth": growth}
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


def ends_well(row: dict[str, Any]) -> None:
    """Stop with the figures where anything is missing or doubled."""
    count, boxes = row["images"], row["expected_boxes"]
    same = {
        row[name]
        for name in ("num_found", "num_done", "num_taken", "rows", "originals", "thumbnails")
    }
    if (
        row["status"] != "finished"
        or same != {count}
        or {row["num_boxes"], row["boxes"]} != {boxes}
    ):
        sys.exit(f"Something is missing or doubled: {row}")
    if "killed" in row:
        print(
            f"{count:>8,} killed at 40 % and 80 %: {count:,} images, {boxes:,} boxes, none double"
        )


if __name__ == "__main__":
    sys.exit(main())
