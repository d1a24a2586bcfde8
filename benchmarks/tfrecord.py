"""How fast TFRecords are written, and whether memory stays flat: 1,000 and 20,000 images of 20 kB.

    python benchmarks/tfrecord.py [--images 1000 20000] [--json FILE]

Each size runs in a process of its own, so that its peak memory is its own. Per image: read the
warm file, look whether it is upright, hash it, encode the Example with five boxes, frame it with
its checksums, write it. The bar: 10,000 images/s on one core, memory flat.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

IMAGE_BYTES = 20_000
NUM_FILES = 500  # distinct files, read again and again: the page cache stays warm
NUM_BOXES = 5
BAR = 10_000


def make_images(folder: Path) -> list[Path]:
    """Noise JPEGs of about 20 kB each."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    paths = []
    for number in range(NUM_FILES):
        noise = rng.integers(0, 256, (20, 27, 3), dtype=np.uint8)
        path = folder / f"{number:06d}.jpg"
        Image.fromarray(noise).resize((400, 300)).save(path, quality=80)
        data = path.read_bytes()
        # A comment segment brings each to the same size.
        filler = max(0, IMAGE_BYTES - len(data) - 4)
        path.write_bytes(data[:2] + b"\xff\xfe" + (filler + 2).to_bytes(2, "big")
                         + bytes(filler) + data[2:])  # fmt: skip
        paths.append(path)
    return paths


def write_records(paths: list[Path], count: int, target: Path) -> dict[str, float]:
    """Write ``count`` images and report the time, the rate, the bytes and the peak memory."""
    from detection.formats.tfrecord import RecordWriter, encode_example
    from detection.images import upright_jpeg_bytes
    from detection.label_map import LabelMap
    from detection.types import Box, LabelledImage

    label_map = LabelMap.from_names(["cat", "dog", "raccoon"])
    boxes = tuple(
        Box(label_map.names[n % 3], 10.0 * n, 20.0, 10.0 * n + 100, 200.0) for n in range(NUM_BOXES)
    )
    for path in paths:
        path.read_bytes()
    started, started_cpu = time.perf_counter(), time.process_time()
    with RecordWriter(target / "train", max(1, count // 500)) as writer:
        for number in range(count):
            data = paths[number % len(paths)].read_bytes()
            picture, picture_format = upright_jpeg_bytes(data)
            image = LabelledImage(f"{number:06d}.jpg", 400, 300, boxes)
            writer.write(encode_example(image, picture, picture_format, label_map))
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - started_cpu
    return {
        "images": count,
        "seconds": round(seconds, 3),
        "images_per_second": round(count / seconds),
        "images_per_cpu_second": round(count / cpu_seconds),
        "megabytes": round(sum(path.stat().st_size for path in writer.paths) / 1e6, 1),
        "peak_memory_mib": round(
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            / (1024**2 if sys.platform == "darwin" else 1024),
            1,
        ),
    }


def measure(images: Path, count: int, scratch: Path) -> dict[str, float]:
    """One size in a fresh process."""
    command = [sys.executable, __file__, "--child", str(count), str(images), str(scratch)]
    finished = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(finished.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[1_000, 20_000])
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        count, images, scratch = options.child
        paths = sorted(Path(images).glob("*.jpg"))
        with tempfile.TemporaryDirectory(dir=scratch) as target:
            print(json.dumps(write_records(paths, int(count), Path(target))))
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        images = Path(scratch) / "images"
        images.mkdir()
        make_images(images)
        rows = [measure(images, count, Path(scratch)) for count in options.images]
    print(f"{'images':>8} {'seconds':>8} {'images/s':>9} {'a CPU s':>8} {'MB':>8} {'peak MiB':>9}")
    for row in rows:
        print(
            f"{row['images']:>8,} {row['seconds']:>8.2f} {row['images_per_second']:>9,} "
            f"{row['images_per_cpu_second']:>8,} {row['megabytes']:>8,.1f} "
            f"{row['peak_memory_mib']:>9.1f}"
        )
    best = max(row["images_per_second"] for row in rows)
    growth = rows[-1]["peak_memory_mib"] - rows[0]["peak_memory_mib"]
    print(f"Bar: {BAR:,} images/s; best {best:,}. Memory grew by {growth:.1f} MiB.")
    if options.json:
        figures = {"bar_images_per_second": BAR, "rows": rows, "memory_growth_mib": growth}
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
