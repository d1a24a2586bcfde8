"""How long the server takes for the pages of a large project, on the embedded default (SQLite).

    python benchmarks/project.py [--images 10000] [--boxes 20] [--var FOLDER] [--bar 300]

Makes a project in a state folder of its own (or in FOLDER, which is kept and used again): small
photos in the storage, boxes, a history, reviews, comments and a health check. Then asks for each
page as a browser would, within one process, and prints the median and the slowest of some times,
the queries and the size of the answer, beside the bar in milliseconds.
"""

import argparse
import io
import os
import random
import shutil
import sys
import tempfile
import time
import uuid
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
WIDTH, HEIGHT = 320, 240
LABELS = ("cat", "dog", "bird", "horse", "sheep")
TIMES = 5
BATCH = 500


def make_project(num_images: int, num_boxes: int) -> None:
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    from webapp.projects.models import Project

    call_command("migrate", verbosity=0)
    people = [get_user_model().objects.create(username=name) for name in ("olga", "anna")]
    project = Project.objects.create(name="Large", created_by=people[0])
    for person, role in zip(people, ("owner", "annotator"), strict=True):
        project.admit(person, role)
    labels = [project.add_label(name).pk for name in LABELS]
    chance = random.Random(1)
    for start in range(0, num_images, BATCH):
        numbers = range(start, min(start + BATCH, num_images))
        add_images(project, people[1], labels, numbers, num_boxes, chance)
    check(project, people[0])


def add_images(
    project: Any, user: Any, labels: list[int], numbers: range, num_boxes: int, chance: Any
) -> None:
    """One image a number, with their files and all that hangs on them."""
    from webapp.datasets.health_models import PhotoFacts
    from webapp.datasets.models import Image
    from webapp.labeling.models import Annotation, Comment, ImageReview, Operation

    images = []
    for n in numbers:
        done = n % 5 < 2
        image = Image(
            project=project, name=f"shelf/{n:05d}.jpg", format="jpeg", width=WIDTH,
            height=HEIGHT, state="done" if done else ("in_progress", "new")[n % 2],
            split=("", "train", "train", "val", "test")[n % 5], created_by=user, revision=1,
            box_count=num_boxes, suggestion_count=int(n % 20 == 0), group=f"{n // 10}",
        )  # fmt: skip
        store_photo(image, n, chance)
        images.append(image)
    Image.objects.bulk_create(images)
    boxes = [_box(image, user, labels, chance) for image in images for _ in range(num_boxes)]
    boxes += [
        _box(image, user, labels, chance, status="suggested", source="model", score=0.5)
        for image in images
        if image.suggestion_count
    ]
    Annotation.objects.bulk_create(boxes, batch_size=5000)
    Operation.objects.bulk_create(
        Operation(image=image, user=user, revision=1, summary={"drawn": num_boxes})
        for image in images
    )
    PhotoFacts.objects.bulk_create(
        PhotoFacts(image=image, perceptual_hash=f"{chance.getrandbits(256):064x}")
        for image in images
    )
    verdicts = ("accepted", "sent_back", "flagged")
    ImageReview.objects.bulk_create(
        ImageReview(image=image, verdict=verdicts[image.pk % 3], by=user) for image in images[::7]
    )
    Comment.objects.bulk_create(
        Comment(image=image, text="Is this one?", created_by=user) for image in images[::50]
    )


def store_photo(image: Any, number: int, chance: Any) -> None:
    """Original, preview and thumbnail: the same small JPEG, each photo's bytes its own."""
    from django.core.files.storage import default_storage
    from PIL import Image as Picture

    from detection.images import sha256_of

    noise = Picture.frombytes("RGB", (16, 12), chance.randbytes(16 * 12 * 3))
    file = io.BytesIO()
    noise.resize((WIDTH, HEIGHT)).save(file, "JPEG", comment=str(number))
    image.sha256, image.bytes = sha256_of(file.getvalue()), len(file.getvalue())
    original = Path(default_storage.path(image.original_path))
    original.parent.mkdir(parents=True, exist_ok=True)
    original.write_bytes(file.getvalue())
    for path in (image.preview_path, image.thumbnail_path):
        os.link(original, default_storage.path(path))


def _box(image: Any, user: Any, labels: list[int], chance: Any, **fields: Any) -> Any:
    from webapp.labeling.models import Annotation

    x, y = chance.uniform(0, WIDTH - 40), chance.uniform(0, HEIGHT - 40)
    return Annotation(
        id=uuid.UUID(int=chance.getrandbits(128)), image=image, label_id=chance.choice(labels),
        xmin=x, ymin=y, xmax=x + chance.uniform(8, 40), ymax=y + chance.uniform(8, 40),
        created_by=user, changed_by=user, **fields,
    )  # fmt: skip


def check(project: Any, user: Any) -> None:
    from webapp.datasets.health import check_again

    start = time.perf_counter()
    check_again(project, user)
    print(f"All health checks, without reading files: {time.perf_counter() - start:.1f} s")


def pages_of(project: Any) -> list[tuple[str, str]]:
    """(what it is, address) of each page that is measured."""
    count, middle = project.images.count(), project.images.count() // 2
    image = project.images.order_by("pk")[middle].pk
    label = project.labels.first().pk
    here, api = f"/projects/{project.pk}", f"/api/projects/{project.pk}"
    return [
        ("projects", "/"),
        ("images", f"{here}/images/"),
        ("images: in the middle", f"{here}/images/?chunk={middle // 60}&upto=999999999"),
        ("images: by name", f"{here}/images/?sort=name"),
        ("images: most boxes, middle", f"{here}/images/?sort=boxes&chunk={middle // 60}"),
        ("images: text", f"{here}/images/?q=99"),
        ("images: done", f"{here}/images/?state=done"),
        ("images: a label", f"{here}/images/?label={label}"),
        ("images: to review", f"{here}/images/?review=waiting"),
        ("images: open comments", f"{here}/images/?review=comments"),
        ("thumbnail", f"{here}/images/{image}/thumbnail"),
        ("editor's page", f"{here}/label/{image}/"),
        ("editor: image", f"/api/images/{image}"),
        ("editor: film at an image", f"{api}/filmstrip?around={image}"),
        ("editor: film, 200 at the end", f"{api}/filmstrip?offset={count - 200}&limit=200"),
        ("editor: review", f"/api/images/{image}/review"),
        ("editor: history", f"/api/images/{image}/history"),
        ("editor: revision before", f"/api/images/{image}/history/0"),
        ("editor: who drew", f"/api/images/{image}/authors"),
        ("next to label", f"{api}/next?after={image}"),
        ("next to review", f"{api}/next?after={image}&to=review"),
        ("own numbers", f"{here}/numbers/"),
        ("label map", f"{here}/labels/"),
        ("dataset, statistics", f"{here}/dataset/"),
        ("splits", f"{here}/dataset/splits/"),
        ("export", f"{here}/dataset/export/"),
        ("health", f"{here}/health/"),
        ("health: one check", f"{here}/health/?check=tiny"),
        ("train", f"{here}/train/"),
        ("settings", f"{here}/settings/"),
        ("trash", f"{here}/settings/trash/"),
    ]


def measure(client: Any, address: str) -> tuple[float, float, int, int]:
    """Median and slowest in milliseconds, queries, bytes. The first one loads the page's code."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        answer = client.get(address)
    if answer.status_code != 200:
        raise SystemExit(f"{address} answered {answer.status_code}.")
    size = len(b"".join(answer) if answer.streaming else answer.content)
    queries, waits = len(captured), []
    for _ in range(TIMES):
        start = time.perf_counter()
        client.get(address).close()
        waits.append(1000 * (time.perf_counter() - start))
    return median(waits), max(waits), queries, size


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--boxes", type=int, default=20, help="boxes on each image")
    parser.add_argument("--var", type=Path, help="a state folder to make the project in, and keep")
    parser.add_argument("--bar", type=float, default=300, help="milliseconds")
    options = parser.parse_args()
    var = options.var or Path(tempfile.mkdtemp(prefix="boxloop-project-"))
    os.environ |= {"BOXLOOP_VAR": str(var.resolve()), "DJANGO_SETTINGS_MODULE": "webapp.settings"}
    for name in ("DATABASE_URL", "REDIS_URL", "STORAGE_URL", "BOXLOOP_DEBUG"):
        os.environ.pop(name, None)
    sys.path.insert(0, str(ROOT))
    try:
        return print_table(var, options)
    finally:
        if options.var is None:
            shutil.rmtree(var, ignore_errors=True)


def print_table(var: Path, options: argparse.Namespace) -> int:
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
    print(f"{project.images.count():,} images, {options.boxes} boxes each\n")
    print(f"{'':<30}{'median ms':>10}{'slowest':>10}{'queries':>10}{'kB':>8}")
    late = 0
    for name, address in pages_of(project):
        middle, slowest, queries, size = measure(client, address)
        late += middle > options.bar
        mark = "  over the bar" if middle > options.bar else ""
        print(f"{name:<30}{middle:>10.0f}{slowest:>10.0f}{queries:>10}{size / 1000:>8.0f}{mark}")
    print(f"\n{late} over {options.bar:.0f} ms." if late else "\nAll keep the bar.")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
