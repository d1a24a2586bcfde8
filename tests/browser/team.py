"""Two people of one project, each with a browser of their own: Mira owns it, Anna draws."""

import json
from typing import Any

from tests.browser.conftest import Product
from tests.browser.desk import Desk

PASSWORD = "a long pass phrase"
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

def person(name, first, last):
    count = User.objects.count()
    made = User.objects.create_user(f"{name}-{count}", password="a long pass phrase")
    made.first_name, made.last_name = first, last
    made.save()
    session = SessionStore()
    session[auth.SESSION_KEY] = str(made.pk)
    session[auth.BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[auth.HASH_SESSION_KEY] = made.get_session_auth_hash()
    session.create()
    return made, session.session_key

mira, miras = person("mira", "Mira", "Kern")
anna, annas = person("anna", "Anna", "Lund")
project = Project.objects.create(name="Parts", created_by=mira)
project.admit(mira, "owner")
project.admit(anna, "annotator")
labels = [project.add_label(name).pk for name in ("board", "chip")]
images = []
for number in range(10):
    file = io.BytesIO()
    Pillow.new("RGB", (800, 600), (20 * number, 90, 120)).save(file, "jpeg")
    image = Image.objects.create(
        project=project, name=f"part_{number}.jpg", sha256=f"{number:x}" * 64, format="jpeg",
        bytes=file.tell(), width=800, height=600,
    )
    for path in (image.original_path, image.preview_path, image.thumbnail_path):
        default_storage.save(path, ContentFile(file.getvalue()))
    images.append(image.pk)
made = {"project": project.pk, "labels": labels, "images": images}
print(json.dumps({**made, "mira": miras, "anna": annas}))
"""


class Team:
    """Opens browser windows of Mira and of Anna, on one fresh project of ten images."""

    def __init__(self, chromium: Any, product: Product) -> None:
        self.chromium, self.product = chromium, product
        self.made = json.loads(product.shell(MAKE).splitlines()[-1])
        self.opened: list[Desk] = []

    def __call__(self, name: str) -> Desk:
        context = self.chromium.new_context(viewport={"width": 1440, "height": 900})
        url, made = self.product.url, self.made
        context.add_cookies([{"name": "boxloop_session", "value": made[name], "url": url}])
        desk = Desk(context, url, made["project"], made["labels"], made["images"])
        self.opened.append(desk)
        return desk

    def close(self) -> None:
        for desk in self.opened:
            desk.context.close()
        errors = [words for desk in self.opened for words in desk.errors]
        assert not errors, f"the editor's code failed: {errors}"


def history(desk: Desk, image: int) -> list[str]:
    """What the server tells of an image's history, latest first: "Anna Lund drew 1 box"."""
    answer = desk.context.request.get(f"{desk.url}/api/images/{desk.images[image]}/history")
    return [f"{row['who']['name']} {row['words']}" for row in answer.json()["entries"]]
