"""How long the server takes for the pages of a large project, on the embedded default (SQLite).

    python benchmarks/project.py [--images 10000] [--boxes 20] [--var FOLDER]

Makes a project in a state folder of its own (or in FOLDER, which is kept and used again): small
photos, boxes, histories, reviews, comments and a health check. Then asks for each page, within one
process, and prints the median and the slowest of five times, the queries and the answer's size.
"""

import argparse
import io
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BAR_MS = 300
WIDTH, HEIGHT = 320, 240
BATCH = 500


def make_project(num_images: int, num_boxes: int) -> None:
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    from webapp.datasets.health import check_again
    from webapp.projects.models import Project

    call_command("migrate", verbosity=0)
    owner, annotator = (get_user_model().objects.create(username=name) for name in ("olga", "anna"))
    project = Project.objects.create(name="Large", created_by=owner)
    project.admit(owner, "owner")
    project.admit(annotator, "annotator")
    labels = [project.add_label(name).pk for name in ("cat", "dog", "bird", "horse", "sheep")]
    chance = random.Random(1)
    for start in range(0, num_images, BATCH):
        numbers = range(start, min(start + BATCH, num_images))
        add_images(project, annotator, labels, numbers, num_boxes, chance)
    start_time = time.perf_counter()
    check_again(project, owner)
    print(f"All health checks, without reading files: {time.perf_counter() - start_time:.1f} s")


def add_images(
    project: Any, user: Any, labels: list[int], numbers: range, num_boxes: int, chance: Any
) -> None:
    """An image for each number, its files, and all that hangs on it."""
    from webapp.datasets.health_models import PhotoFacts
    from webapp.datasets.models import Image
    from webapp.labeling.models import Annotation, Comment, ImageReview, Operation

    images = [
        Image(
            project=project, name=f"shelf/{n:05d}.jpg", format="jpeg", width=WIDTH, height=HEIGHT,
            state=("done", "new", "in_progress", "done", "new")[n % 5], created_by=user, revision=1,
            split=("train", "", "val", "train", "test")[n % 5], box_count=num_boxes,
            group=str(n // 10), **store_photo(project, n, chance),
        )
        for n in numbers
    ]  # fmt: skip
    Image.objects.bulk_create(images)
    boxes = []
    for image in images:
        for _ in range(num_boxes):
            x, y = chance.uniform(0, WIDTH - 40), chance.uniform(0, HEIGHT - 40)
            boxes.append(Annotation(
                image=image, label_id=chance.choice(labels), xmin=x, ymin=y,
                xmax=x + chance.uniform(8, 40), ymax=y + chance.uniform(8, 40),
                created_by=user, changed_by=user,
            ))  # fmt: skip
    Annotation.objects.bulk_create(boxes, batch_size=5000)
    for image in images:
        facts = PhotoFacts(image=image, perceptual_hash=f"{chance.getrandbits(256):064x}")
        facts.save(force_insert=True)
        Operation.objects.create(image=image, user=user, revision=1, summary={"drawn": num_boxes})
        if image.pk % 7 == 0:
            verdict = ("accepted", "sent_back", "flagged")[image.pk % 3]
            ImageReview.objects.create(image=image, verdict=verdict, by=user)
        if image.pk % 50 == 0:
            Comment.objects.create(image=image, text="Is this one?", created_by=user)


def store_photo(project: Any, number: int, chance: Any) -> dict[str, Any]:
    """Original, preview and thumbnail: one small JPEG, its bytes its own; fields of its image."""
    from django.core.files.storage import default_storage
    from PIL import Image as Picture

    from detection.images import sha256_of
    from webapp.datasets.models import Image

    file = io.BytesIO()
    noise = Picture.frombytes("RGB", (16, 12), chance.randbytes(16 * 12 * 3))
    noise.resize((WIDTH, HEIGHT)).save(file, "JPEG", comment=str(number))
    sha256 = sha256_of(file.getvalue())
    image = Image(project=project, sha256=sha256)
    for path in (image.original_path, image.preview_path, image.thumbnail_path):
        stored = Path(default_storage.path(path))
        stored.parent.mkdir(parents=True, exist_ok=True)
        stored.write_bytes(file.getvalue())
    return {"sha256": sha256, "bytes": len(file.getvalue())}


def pages_of(project: Any) -> dict[str, str]:
    """The address of each page that is measured, by what it is."""
    count, middle = project.images.count(), project.images.count() // 2
    image = project.images.order_by("pk")[middle].pk
    here, api, one = (
        f"/projects/{project.pk}",
        f"/api/projects/{project.pk}",
        f"/api/images/{image}",
    )
    grid = f"{here}/images/"
    return {
        "projects": "/",
        "images": grid,
        "images: in the middle": f"{grid}?chunk={middle // 60}",
        "images: by name": f"{grid}?sort=name",
        "images: most boxes, middle": f"{grid}?sort=boxes&chunk={middle // 60}",
        "images: text": f"{grid}?q=99",
        "images: done": f"{grid}?state=done",
        "images: a label": f"{grid}?label={project.labels.first().pk}",
        "images: to review": f"{grid}?review=waiting",
        "images: open comments": f"{grid}?review=comments",
        "thumbnail": f"{grid}{image}/thumbnail",
        "editor's page": f"{here}/label/{image}/",
        "editor: image": one,
        "editor: film at an image": f"{api}/filmstrip?around={image}",
        "editor: film, 200 at the end": f"{api}/filmstrip?offset={count - 200}&limit=200",
        "editor: review": f"{one}/review",
        "editor: history": f"{one}/history",
        "editor: revision before": f"{one}/history/0",
        "editor: who drew": f"{one}/authors",
        "next to label": f"{api}/next?after={image}",
        "next to review": f"{api}/next?after={image}&to=review",
        **{
            name: f"{here}/{place}/"
            for name, place in {
                "own numbers": "numbers", "label map": "labels", "dataset, statistics": "dataset",
                "splits": "dataset/splits", "export": "dataset/export", "health": "health",
                "train": "train", "settings": "settings", "trash": "settings/trash",
            }.items()
        },
        "health: one check": f"{here}/health/?check=tiny",
    }  # fmt: skip


def measure(client: Any, address: str) -> tuple[float, float, int, int]:
    """Median and slowest in milliseconds, queries, bytes. The first one loads the page's code."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        answer = client.get(address)
    if answer.status_code != 200:
        raise SystemExit(f"{address} answered {answer.status_code}.")
    queries = len(captured)
    size = len(b"".join(answer) if answer.streaming else answer.content)
    waits = []
    for _ in range(5):
        start = time.perf_counter()
        client.get(address).close()
        waits.append(1000 * (time.perf_counter() - start))
    return median(waits), max(waits), queries, size


def print_table(options: argparse.Namespace, var: Path) -> int:
    """Print what was measured beside the bar; 0 where all keep it."""
    import django

    django.setup()
    from django.contrib.auth import get_user_model
    from django.test import Client

    from webapp.projects.models import Project

    if not (var / "boxloop.sqlite3").exists():
        make_project(options.images, options.boxes)
    client = Client(headers={"host": "localhost"})
    client.force_login(get_user_model().objects.get(username="olga"))
    project = Project.objects.get()
    print(f"{project.images.count():,} images; the bar is {BAR_MS} ms\n")
    print(f"{'':<30}{'median ms':>10}{'slowest':>10}{'queries':>10}{'kB':>8}")
    late = 0
    for name, address in pages_of(project).items():
        middle, slowest, queries, size = measure(client, address)
        late += middle > BAR_MS
        mark = "  over the bar" if middle > BAR_MS else ""
        print(f"{name:<30}{middle:>10.0f}{slowest:>10.0f}{queries:>10}{size / 1000:>8.0f}{mark}")
    print(f"\n{late} over the bar." if late else "\nAll keep the bar.")
    return 1 if late else 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--boxes", type=int, default=20, help="boxes on each image")
    parser.add_argument("--var", type=Path, help="a state folder to make the project in, and keep")
    options = parser.parse_args()
    var = options.var or Path(tempfile.mkdtemp(prefix="boxloop-project-"))
    os.environ |= {"BOXLOOP_VAR": str(var.resolve()), "DJANGO_SETTINGS_MODULE": "webapp.settings"}
    for name in ("DATABASE_URL", "REDIS_URL", "STORAGE_URL", "BOXLOOP_DEBUG"):
        os.environ.pop(name, None)
    sys.path.insert(0, str(ROOT))
    try:
        return print_table(options, var)
    finally:
        if options.var is None:
            shutil.rmtree(var, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
