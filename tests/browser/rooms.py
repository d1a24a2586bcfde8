"""A project that has something to show in every room, for tests that look at all pages."""

import json
from dataclasses import dataclass
from typing import Any

from tests.browser.conftest import Product

# Run inside the product's Django. The numbers of the run and the model are made up.
MAKE = """
import io, json
from datetime import timedelta
from django.contrib import auth
from django.contrib.sessions.backends.db import SessionStore
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone
from PIL import Image as Pillow, ImageDraw
from webapp.datasets.freezing import freeze
from webapp.datasets.health import check_again
from webapp.datasets.intake import take_image
from webapp.inference.models import Detection, DetectionPhoto, DetectionRequest
from webapp.labeling.models import Annotation
from webapp.projects.models import Project
from webapp.training.models import EpochMetrics, LogLine, TrainedModel, TrainingRun

User = auth.get_user_model()
# Each module that asks for rooms has its own.
name = f"rooms-{User.objects.count()}"
user = User.objects.create_superuser(name, password="a long pass phrase", first_name="Mira")
project = Project.objects.create(name="Boards", created_by=user)
project.admit(user, "owner")
empty = Project.objects.create(name="Nothing yet", created_by=user)
empty.admit(user, "owner")
labels = [project.add_label(name) for name in ("board", "chip")]

def photo(number):
    picture = Pillow.new("RGB", (800, 600), (50 + 20 * number, 90, 120))
    ImageDraw.Draw(picture).rectangle((200, 150, 500, 400), fill=(200, 60 + 15 * number, 90))
    file = io.BytesIO()
    picture.save(file, "jpeg")
    return file.getvalue()

images = []
for number in range(8):
    image, _ = take_image(project, f"board_{number}.jpg", photo(number), user)
    for offset, label in enumerate(labels):
        suggested = number == 7
        Annotation.objects.create(
            image=image, label=label, created_by=user, difficult=number == 1,
            xmin=200 - 90 * offset, ymin=150, xmax=500, ymax=400 + 90 * offset,
            status="suggested" if suggested else "active",
            source="model" if suggested else "human", score=0.8 if suggested else None,
        )
    image.count_boxes()
    image.set_state("in_progress" if suggested else "done")
    images.append(image.pk)
revision = freeze(project, user)
Annotation.objects.filter(image_id=images[0]).update(label=labels[0], xmin=200, ymax=400)
check_again(project, user)
project.dataset_exports.create(format="coco", about="As it stands", created_by=user)
project.dataset_exports.create(
    format="voc", about="As it stands", created_by=user, status="finished", num_found=8, bytes=9000,
    file_name="Boards Pascal VOC.zip", finished_at=timezone.now(),
)
project.works.create(kind="fix", words="Remove: 1 box was drawn twice", num_found=8, num_done=3)
now = timezone.now()
common = dict(project=project, revision=revision, base="ssdlite_mobilenet_v2_coco", created_by=user)
run = TrainingRun.objects.create(
    number=1, status="finished", phase="exporting", epochs=5, epoch=5, fraction=1,
    started_at=now - timedelta(minutes=9), finished_at=now - timedelta(minutes=4),
    images_per_second=41.6, memory_bytes=2_200_000_000, best_epoch=4, best_map_50=0.9,
    best_map_50_95=0.6, **common,
)
failed = TrainingRun.objects.create(
    number=2, status="failed", phase="training", epochs=5, epoch=1, fraction=0.2,
    reason="The training was killed from outside. Train again with a smaller batch.",
    started_at=now - timedelta(minutes=3), finished_at=now, **common,
)
for epoch in range(1, 6):
    EpochMetrics.objects.create(
        run=run, epoch=epoch, loss=3 / epoch, map_50=0.18 * epoch, map_50_95=0.12 * epoch,
        per_label={"board": 0.18 * epoch, "chip": 0.15 * epoch}, best=epoch < 5, seconds=6,
    )
    LogLine.objects.create(run=run, text=f"{epoch}/5 loss {3 / epoch:.3f}")
box = dict(label="board", xmin=200, ymin=150, xmax=500, ymax=400)
worst = [
    dict(image="board_1.jpg", image_id=images[1], kind=kind, label="board", score=0.58, iou=0.61,
         box=[200, 150, 500, 400], boxes=[box, dict(box, xmin=230, score=0.58)])
    for kind in ("missed", "wrong_label", "false", "poor_box")
]
metrics = dict(
    map_50=0.9, map_50_95=0.6, map_75=0.7, num_images=2, num_boxes=4, score_threshold=0.46,
    per_label=[
        dict(id=i, label=name, ap=0.6, ap_50=0.9, ap_50_interval=[0.7, 0.95], num_boxes=2)
        for i, name in ((1, "board"), (2, "chip"))
    ],
    precision_recall={name: [[0, 1], [0.5, 0.95], [0.9, 0.7]] for name in ("board", "chip")},
    confusion=dict(
        labels=["board", "chip", "background"], matrix=[[2, 0, 0], [1, 1, 0], [0, 1, 0]]
    ),
    worst=worst, resampled=dict(map_50=[0.88, 0.92] * 20, map_50_95=[0.58, 0.62] * 20),
    exports=[
        dict(
            artefact=name, pictures=2, boxes=4, share=1.0, lowest_iou=0.985, ap=0.6, ap_50=0.9,
            largest_score_difference=0.005, trained_ap=0.6, trained_ap_50=0.9, iou_tolerance=0.9,
            score_tolerance=0.1, share_tolerance=1.0,
        )
        for name in ("saved_model", "saved_model, own resize", "litert")
    ],
)
model = TrainedModel.objects.create(
    project=project, number=1, run=run, base=run.base, input_size=300, score_threshold=0.46,
    labels=[dict(id=i, name=name, display_name=name) for i, name in ((1, "board"), (2, "chip"))],
    map_50=0.9, map_50_95=0.6, metrics=metrics, bytes=14_000_000,
    artefacts=[
        dict(name="saved_model", path="saved_model", bytes=12_600_000),
        dict(name="litert", path="model.tflite", bytes=13_900_000),
        dict(name="checkpoint", path="checkpoint", bytes=12_900_000),
    ],
)
model.exports.create(form="onnx", status="failed", reason="3 of 4 boxes agree: too few.")
model.exports.create(form="litert_int8", status="running", phase="Calibrating", fraction=0.3)
later = TrainingRun.objects.create(
    number=3, status="finished", epochs=5, epoch=5, best_epoch=5, started_at=now, finished_at=now,
    **common,
)
TrainedModel.objects.create(
    project=project, number=2, run=later, base=run.base, input_size=300, score_threshold=0.5,
    labels=model.labels, map_50=0.92, map_50_95=0.61,
    metrics={**metrics, "resampled": dict(map_50_95=[0.57, 0.63] * 20)}, bytes=14_000_000,
)
request = DetectionRequest.objects.create(
    project=project, created_by=user, model=model, base="", score_threshold=0.46,
    status="finished", seconds=0.4,
)
shot = DetectionPhoto.objects.create(
    request=request, name="desk.jpg", bytes=1, sha256="x", done=True, width=800, height=600
)
for path in (shot.original_path, shot.preview_path):
    default_storage.save(path, ContentFile(photo(3)))
for score, name in ((0.97, "board"), (0.55, "chip"), (0.31, "chip")):
    Detection.objects.create(
        photo=shot, class_id=1 if name == "board" else 2, label=name, score=score,
        xmin=200, ymin=150, xmax=500, ymax=400,
    )
session = SessionStore()
session[auth.SESSION_KEY] = str(user.pk)
session[auth.BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
session[auth.HASH_SESSION_KEY] = user.get_session_auth_hash()
session.create()
print(json.dumps(dict(
    project=project.pk, empty=empty.pk, images=images, run=run.pk, failed=failed.pk, model=model.pk,
    revision=revision.pk, request=request.pk, session=session.session_key,
)))
"""


@dataclass
class Rooms:
    """Ids of what was made, and a session's key."""

    project: int
    empty: int
    images: list[int]
    run: int
    failed: int
    model: int
    revision: int
    request: int
    session: str

    @property
    def paths(self) -> dict[str, str]:
        """Every room's address by its name."""
        here = f"/projects/{self.project}"
        return {
            "start": "/",
            "images": f"{here}/images/",
            "images, empty": f"/projects/{self.empty}/images/",
            "imports": f"{here}/imports/",
            "label map": f"{here}/labels/",
            "editor": f"{here}/label/{self.images[7]}/",
            "dataset": f"{here}/dataset/",
            "health": f"{here}/health/",
            "splits": f"{here}/dataset/splits/",
            "compare": f"{here}/dataset/1/compare/?with=now",
            "export": f"{here}/dataset/export/",
            "kept exports": f"{here}/dataset/exports/",
            "train": f"{here}/train/",
            "run": f"{here}/runs/{self.run}/",
            "failed run": f"{here}/runs/{self.failed}/",
            "models": f"{here}/models/",
            "model": f"{here}/models/{self.model}/",
            "two models": f"{here}/models/{self.model}/compare/?with={self.model + 1}",
            "detect": f"{here}/detect/",
            "detections": f"{here}/detect/{self.request}/",
            "settings": f"{here}/settings/",
            "account": "/account/",
        }


def make_rooms(product: Product) -> Rooms:
    """A person of their own, with a project that has all of that."""
    made: dict[str, Any] = json.loads(product.shell(MAKE).splitlines()[-1])
    return Rooms(**made)
