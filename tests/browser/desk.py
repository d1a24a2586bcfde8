"""A person at the annotation editor: a fresh project, a logged-in browser, and what hands do."""

import json
import time
from dataclasses import dataclass, field
from typing import Any

from tests.browser.conftest import Product

EDITOR = "document.getElementById('editor').editor"

PASSWORD = "a long pass phrase"
# Django takes longer to start than to make a project, so many are made at a time.
AT_ONCE = 18
MAKE = """
import io, json
from django.contrib import auth
from django.contrib.auth.hashers import make_password
from django.contrib.sessions.backends.db import SessionStore
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image as Pillow
from webapp.datasets.models import Image
from webapp.projects.models import Project

User = auth.get_user_model()
PASSWORD = make_password("a long pass phrase")

def person(name, first, last):
    made = User.objects.create(
        username=f"{name}-{User.objects.count()}", password=PASSWORD,
        first_name=first, last_name=last,
    )
    session = SessionStore()
    session[auth.SESSION_KEY] = str(made.pk)
    session[auth.BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[auth.HASH_SESSION_KEY] = made.get_session_auth_hash()
    session.create()
    return made, session.session_key

def photo(number):
    file = io.BytesIO()
    Pillow.new("RGB", (800, 600), (20 * number, 90, 120)).save(file, "jpeg")
    return file.getvalue()

PHOTOS = [photo(number) for number in range(10)]

def project():
    mira, miras = person("mira", "Mira", "Kern")
    anna, annas = person("anna", "Anna", "Lund")
    made = Project.objects.create(name="Parts", created_by=mira)
    made.admit(mira, "owner")
    made.admit(anna, "annotator")
    labels = [made.add_label(name).pk for name in ("board", "chip")]
    images = []
    for number, data in enumerate(PHOTOS):
        image = Image.objects.create(
            project=made, name=f"part_{number}.jpg", sha256=f"{number:x}" * 64, format="jpeg",
            bytes=len(data), width=800, height=600,
        )
        for path in (image.original_path, image.preview_path, image.thumbnail_path):
            default_storage.save(path, ContentFile(data))
        images.append(image.pk)
    return dict(project=made.pk, labels=labels, images=images, mira=miras, anna=annas)

print(json.dumps([project() for _ in range(COUNT)]))
"""
made_ahead: dict[str, list[dict[str, Any]]] = {}


def fresh_project(product: Product) -> dict[str, Any]:
    """A project of ten images that no test has touched: its ids, and its people's sessions."""
    waiting = made_ahead.setdefault(product.url, [])
    if not waiting:
        waiting += json.loads(product.shell(f"COUNT = {AT_ONCE}{MAKE}").splitlines()[-1])
    return waiting.pop()


@dataclass
class Desk:
    """A person's browser, logged in, and the project that was made for the test."""

    context: Any
    url: str
    project: int
    labels: list[int]
    images: list[int]
    errors: list[str] = field(default_factory=list)

    def open(self, image: int) -> Any:
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
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

    def boxes_once(self, image: int, count: int, seconds: float = 15) -> list[tuple[Any, ...]]:
        """The boxes on the server, sorted, as soon as they are so many."""
        for _ in range(int(seconds * 10)):
            if len(found := sorted(self.boxes(image))) == count:
                return found
            time.sleep(0.1)
        raise AssertionError(f"not {count} boxes within {seconds} s: {found}")


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


def tab_to(page: Any, selector: str) -> None:
    """Press Tab until the focus is on what `selector` means, as somebody without a mouse does."""
    for _ in range(120):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab does not lead to {selector}")


class Desks:
    """Opens browser windows of Mira alone, of any kind, on one fresh project."""

    def __init__(self, chromium: Any, product: Product) -> None:
        self.chromium, self.product = chromium, product
        self.made = fresh_project(product)
        self.opened: list[Desk] = []

    def __call__(self, **options: Any) -> Desk:
        context = self.chromium.new_context(
            **{"viewport": {"width": 1440, "height": 900}, **options}
        )
        url, made = self.product.url, self.made
        context.add_cookies([{"name": "boxloop_session", "value": made["mira"], "url": url}])
        desk = Desk(context, url, made["project"], made["labels"], made["images"])
        self.opened.append(desk)
        return desk

    def close(self) -> None:
        for desk in self.opened:
            desk.context.close()
        errors = [words for desk in self.opened for words in desk.errors]
        assert not errors, f"the editor's code failed: {errors}"
