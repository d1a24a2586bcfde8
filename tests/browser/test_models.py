"""A model's pages: what a phone shows of it, and how near an error is to the next training."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.conftest import Product
from tests.browser.desk import EDITOR, until
from tests.browser.rooms import Rooms, make_rooms

SIDEWAYS = (
    "document.querySelector('.page').scrollWidth - document.querySelector('.page').clientWidth"
)


@pytest.fixture(scope="module")
def rooms(web: Product) -> Rooms:
    return make_rooms(web)


@pytest.fixture
def look(chromium: Any, web: Product, rooms: Rooms) -> Iterator[Any]:
    """Opens a page that is so wide; the test fails on any error that its console shows."""
    contexts, errors = [], []

    def open_page(width: int) -> Any:
        context = chromium.new_context(base_url=web.url, viewport={"width": width, "height": 844})
        contexts.append(context)
        context.add_cookies([{"name": "boxloop_session", "value": rooms.session, "url": web.url}])
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not errors, f"the console shows {errors}"


@pytest.mark.parametrize("room", ["train", "run", "failed run", "models", "model", "two models",
                                  "detect", "detections"])  # fmt: skip
def test_a_phone_scrolls_no_page_sideways(look: Any, rooms: Rooms, room: str) -> None:
    page = look(390)
    page.goto(rooms.paths[room])
    page.locator("h1").first.wait_for()
    assert page.evaluate(SIDEWAYS) <= 0


def test_a_phone_shows_all_that_matters_of_an_export(look: Any, rooms: Rooms) -> None:
    page = look(390)
    page.goto(rooms.paths["model"])
    row = page.locator(".forms tr", has=page.get_by_text("SavedModel", exact=True))
    words = " ".join(row.inner_text().split())
    for part in ("12.6 MB", "Boxes that agree 100 % of 4", "AP 60.0 %", "AP50 90.0 %", "(0.90)"):
        assert part in words
    download = row.get_by_role("link", name="Download SavedModel")
    for place in (download.bounding_box(), row.locator(".size").bounding_box()):
        assert place["x"] >= 0
        assert place["x"] + place["width"] <= 390
    assert page.get_by_text("3 of 4 boxes agree: too few.").is_visible()
    assert page.get_by_text("Calibrating").is_visible()
    assert page.get_by_role("button", name="Try again: ONNX").is_visible()


def test_a_missed_box_is_two_clicks_from_the_next_training(look: Any, rooms: Rooms) -> None:
    page = look(1440)
    page.goto(rooms.paths["model"])
    page.locator("[data-errors] a[data-kind=missed]").click()
    page.wait_for_selector("#pixels img")
    until(page, f"{EDITOR}.store.selected.length === 1", 60)
    corners = page.evaluate(f"(b => [b.xmin, b.ymin, b.xmax, b.ymax])({EDITOR}.store.selected[0])")
    assert corners == [200, 150, 500, 400]
    page.get_by_role("button", name="Done, train again").click()
    page.get_by_role("heading", name="Run 4").wait_for()
    assert page.get_by_text("Waiting", exact=True).first.is_visible()


def test_what_is_suggested_is_taken_before_it_trains_again(look: Any, rooms: Rooms) -> None:
    page = look(1440)
    suggested = rooms.images[7]
    page.goto(f"{rooms.paths['editor']}?again={rooms.run}")
    page.get_by_role("button", name="Accept 2, train again").click()
    page.wait_for_url("**/runs/*/")
    image = page.request.get(f"/api/images/{suggested}").json()
    assert image["state"] == "done"
    assert {box["status"] for box in image["annotations"]} == {"active"}
