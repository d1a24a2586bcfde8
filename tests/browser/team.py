"""Two people of one project, each with a browser of their own: Mira owns it, Anna draws."""

from typing import Any

from tests.browser.conftest import Product
from tests.browser.desk import Desk, fresh_project


class Team:
    """Opens browser windows of Mira and of Anna, on one fresh project of ten images."""

    def __init__(self, chromium: Any, product: Product) -> None:
        self.chromium, self.product = chromium, product
        self.made = fresh_project(product)
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
