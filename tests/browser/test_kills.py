"""kill -9 at the worst moment: what was acknowledged is there, and what ran goes on."""

import json
import os
import signal
import textwrap
from pathlib import Path
from typing import Any

from tests.browser.conftest import Product, answers
from tests.browser.photos import draw_shapes

MAKE_PROJECT = """
import json, sys
from pathlib import Path
from webapp.accounts.models import User
from webapp.projects.models import Membership, Project
from webapp.datasets.intake import take_image
from webapp.labeling.models import Annotation
user, _ = User.objects.get_or_create(username="killer", defaults={{"is_staff": True}})
project = Project.objects.create(name="Kills", created_by=user)
Membership.objects.create(project=project, user=user, role="owner")
for item in json.loads(Path({photos!r}).read_text()):
    image, _ = take_image(project, item["name"], Path(item["path"]).read_bytes(), user)
    for label, box in item["boxes"]:
        Annotation.objects.create(
            image=image, label=project.add_label(label),
            **dict(zip(("xmin", "ymin", "xmax", "ymax"), box)),
        )
    image.count_boxes()
    image.set_state("done")
print(project.pk)
"""


def make_project(product: Product, folder: Path, count: int) -> int:
    photos = []
    for seed in range(1000, 1000 + count):
        data, boxes = draw_shapes(seed)
        path = folder / f"{seed}.jpg"
        path.write_bytes(data)
        photos.append({"name": path.name, "path": str(path), "boxes": boxes})
    listing = folder / "photos.json"
    listing.write_text(json.dumps(photos))
    return int(product.shell(MAKE_PROJECT.format(photos=str(listing))).splitlines()[-1])


def run_facts(product: Product, run_id: int) -> dict[str, Any]:
    code = f"""
        import json
        from webapp.training.models import TrainingRun
        run = TrainingRun.objects.get(pk={run_id})
        print(json.dumps([run.status, run.epoch, run.attempt, run.reason,
            run.epoch_metrics.count(), hasattr(run, "model"),
            [line.text for line in run.log_lines.all()]]))
    """
    names = ("status", "epoch", "attempt", "reason", "epochs_measured", "has_model", "log")
    answer = json.loads(product.shell(textwrap.dedent(code)).splitlines()[-1])
    return dict(zip(names, answer, strict=True))


def test_a_training_whose_worker_is_killed_goes_on_and_ends(
    product: Product, tmp_path: Path
) -> None:
    project_id = make_project(product, tmp_path, 12)
    start = f"""
        from webapp.projects.models import Project
        from webapp.training.starting import start_run
        project = Project.objects.get(pk={project_id})
        print(start_run(project, project.created_by, epochs=6).pk)
    """
    run_id = int(product.shell(textwrap.dedent(start)).splitlines()[-1])
    # The file appears by a rename: where it is, it is whole.
    checkpoint = product.var / "work" / "runs" / str(run_id) / "checkpoints" / "last.npz"
    product.wait_for(checkpoint.exists, 150, "no checkpoint came")
    workers = [
        pid
        for pid in product.processes("celery")
        if b"gpu" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    assert workers, "no gpu worker is running"
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    facts = product.wait_for(
        lambda: (found := run_facts(product, run_id))["status"] in {"finished", "failed"} and found,
        240,
        "the run did not end",
    )
    assert facts["status"] == "finished", facts
    assert facts["attempt"] == 2
    assert facts["has_model"]
    assert facts["epochs_measured"] == 6, "no epoch is measured twice or left out"
    assert any("goes on from the checkpoint" in line for line in facts["log"])


def test_a_box_is_there_after_the_server_is_killed_just_after_saved(
    product: Product, chromium: Any, tmp_path: Path
) -> None:
    project_id = make_project(product, tmp_path, 1)
    product.shell(
        "from webapp.accounts.models import User; user = User.objects.get(username='killer'); "
        "user.set_password('a long pass phrase'); user.save()"
    )
    context = chromium.new_context(base_url=product.url, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto("/login/")
    page.get_by_label("User name").fill("killer")
    page.get_by_label("Password").fill("a long pass phrase")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Try detection now").wait_for()
    page.goto(f"/projects/{project_id}/label/")
    page.locator("#box-count", has_text="2").wait_for()
    image_id = int(page.url.rstrip("/").rsplit("/", 1)[-1])
    stage = page.locator("#stage").bounding_box()
    x, y = stage["x"] + stage["width"] * 0.45, stage["y"] + stage["height"] * 0.3
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 80, y + 70, steps=5)
    page.mouse.up()
    page.locator("#box-count", has_text="3").wait_for()
    page.locator("#badge[data-kind=saved]").wait_for()
    servers = product.processes("uvicorn")
    assert servers
    for pid in servers:
        os.kill(pid, signal.SIGKILL)
    product.wait_for(lambda: answers(product.url), 30, "the server did not come back")
    boxes = context.request.get(f"/api/images/{image_id}").json()["annotations"]
    context.close()
    assert len(boxes) == 3
