"""The annotation editor in a real browser before the real server: hand, keyboard, and saving."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.browser.conftest import Product

EDITOR = "document.getElementById('editor').editor"

MAKE = """
import io, json
from django.contrib import auth
from django.contrib.sessions.backends.db import SessionStore
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image as Pillow
from webapp.datasets.models import Image
from webapp.projects.models import Project

User = auth.get_user_model()
user = User.objects.create_user("editor-%d" % User.objects.count(), password="a long pass phrase")
project = Project.objects.create(name="Parts", created_by=user)
project.admit(user, "owner")
labels = [project.add_label(name).pk for name in ("board", "chip")]
images = []
for number in range(3):
    file = io.BytesIO()
    Pillow.new("RGB", (800, 600), (40 * number, 90, 120)).save(file, "jpeg")
    image = Image.objects.create(
        project=project, name=f"part_{number}.jpg", sha256=f"{number:x}" * 64, format="jpeg",
        bytes=file.tell(), width=800, height=600,
    )
    for path in (image.original_path, image.preview_path, image.thumbnail_path):
        default_storage.save(path, ContentFile(file.getvalue()))
    images.append(image.pk)
session = SessionStore()
session[auth.SESSION_KEY] = str(user.pk)
session[auth.BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
session[auth.HASH_SESSION_KEY] = user.get_session_auth_hash()
session.create()
made = {"project": project.pk, "labels": labels, "images": images}
print(json.dumps({**made, "session": session.session_key}))
"""


@dataclass
class Desk:
    """A person's browser, logged in, and the project that was made for the test."""

    context: Any
    url: str
    project: int
    labels: list[int]
    images: list[int]

    def open(self, image: int) -> Any:
        page = self.context.new_page()
        page.set_default_timeout(15_000)
        page.goto(f"{self.url}/projects/{self.project}/label/{self.images[image]}/")
        page.wait_for_selector("#pixels img")
        until(page, f"{EDITOR}.store.document !== null")
        return page

    def on_server(self, image: int) -> dict[str, Any]:
        answer = self.context.request.get(f"{self.url}/api/images/{self.images[image]}")
        assert answer.ok
        return dict(answer.json())

    def boxes(self, image: int) -> list[tuple[Any, ...]]:
        names = ("label_id", "xmin", "ymin", "xmax", "ymax")
        return [tuple(row[name] for name in names) for row in self.on_server(image)["annotations"]]


@pytest.fixture
def desks(chromium: Any, product: Product) -> Iterator[Callable[[], Desk]]:
    """Makes browser windows of one person on one fresh project."""
    made = json.loads(product.shell(MAKE).splitlines()[-1])
    contexts = []

    def make() -> Desk:
        context = chromium.new_context(viewport={"width": 1440, "height": 900})
        context.add_cookies(
            [{"name": "boxloop_session", "value": made["session"], "url": product.url}]
        )
        contexts.append(context)
        return Desk(context, product.url, made["project"], made["labels"], made["images"])

    yield make
    for context in contexts:
        context.close()


def until(page: Any, condition: str, seconds: float = 15) -> None:
    """Wait for a JavaScript condition (the pages' policy forbids Playwright's own way)."""
    for _ in range(int(seconds * 20)):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"not within {seconds} s: {condition}")


def saved(page: Any) -> None:
    until(page, "document.getElementById('badge').dataset.kind === 'saved'")


def at(page: Any, x: float, y: float) -> tuple[float, float]:
    """The screen's place of an image pixel."""
    sx, sy = page.evaluate(
        f"(() => {{ const e = {EDITOR}; const [x, y] = e.view.toScreen({x}, {y});"
        " return [x + e.stageRect.left, y + e.stageRect.top]; })()"
    )
    return sx, sy


def drag(page: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*at(page, *start))
    page.mouse.down()
    page.mouse.move(*at(page, *end), steps=6)
    page.mouse.up()


def test_draw_label_move_and_go_on(desks: Callable[[], Desk]) -> None:
    desk = desks()
    page = desk.open(0)
    drag(page, (100, 100), (300, 250))
    drag(page, (150, 150), (900, 700))  # over the first, and out of the picture
    page.keyboard.press("2")
    drag(page, (800, 600), (700, 500))  # by its corner, no new box
    page.mouse.click(*at(page, 120, 120))
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Space")
    until(page, f"{EDITOR}.store.document.id === {desk.images[1]}")
    assert page.url.endswith(f"/{desk.images[1]}/")
    saved(page)
    board, chip = desk.labels
    assert desk.boxes(0) == [(board, 110, 100, 310, 250), (chip, 150, 150, 700, 500)]
    assert desk.on_server(0)["state"] == "done"
    page.keyboard.press("v")
    until(page, f"{EDITOR}.store.boxes.length === 2")
    page.keyboard.press("Control+z")
    saved(page)
    assert desk.boxes(1) == []


def test_a_box_by_the_keyboard_alone(desks: Callable[[], Desk]) -> None:
    desk = desks()
    page = desk.open(0)
    page.keyboard.press("Shift+N")
    page.keyboard.press("2")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Alt+Shift+ArrowDown")
    saved(page)
    assert desk.boxes(0) == [(desk.labels[1], 299, 225, 499, 385)]
    name = page.locator("#boxes .name").get_attribute("aria-label")
    assert name == "1 of 1, chip, 200 × 160 at 299, 225"


def test_an_outage_and_a_closed_tab_lose_nothing(desks: Callable[[], Desk]) -> None:
    desk = desks()
    page = desk.open(0)
    page.wait_for_load_state("networkidle")
    desk.context.set_offline(True)
    for x in range(20, 720, 100):
        drag(page, (x, 300), (x + 60, 400))
    page.keyboard.press("Space")
    until(page, f"{EDITOR}.store.document.id === {desk.images[1]}")
    drag(page, (50, 50), (200, 200))
    until(page, "document.getElementById('badge').dataset.kind === 'offline'")
    assert "9 edits kept" in page.inner_text("#badge")
    page.close(run_before_unload=False)
    desk.context.set_offline(False)
    assert desk.boxes(0) == []
    saved(desk.open(2))
    for _ in range(100):
        if desk.boxes(1):
            break
        desk.context.pages[0].wait_for_timeout(50)
    assert len(desk.boxes(0)) == 7
    assert len(desk.boxes(1)) == 1
    assert desk.on_server(0)["state"] == "done"


def test_two_people_on_one_image(desks: Callable[[], Desk]) -> None:
    one, other = desks(), desks()
    first = one.open(0)
    drag(first, (100, 100), (300, 250))
    saved(first)
    second = other.open(0)
    drag(first, (400, 100), (500, 200))
    saved(first)
    drag(second, (400, 400), (500, 500))
    saved(second)
    assert len(one.boxes(0)) == 3
    until(second, f"{EDITOR}.store.boxes.length === 3")

    # Both change the same box: a person is asked, and sees both.
    for page, key in ((first, "ArrowUp"), (second, "ArrowDown")):
        page.mouse.click(*at(page, 200, 180))
        page.keyboard.press(f"Shift+{key}")
        until(page, "document.getElementById('badge').dataset.kind !== 'saving'")
    assert second.locator(".ed-notice.conflict").is_visible()
    assert (one.labels[0], 100, 90, 300, 240) in one.boxes(0)
    second.click("text=Keep mine")
    saved(second)
    assert (one.labels[0], 100, 110, 300, 260) in one.boxes(0)
    assert len(one.boxes(0)) == 3
