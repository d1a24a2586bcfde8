"""From an empty Boxloop to a trained detector and back to the editor, as a newcomer does it."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.browser.conftest import Product
from tests.browser.photos import draw_shapes, new_photo, training_zip

TRAINING_MINUTES = 8


def until(condition: Callable[[], Any], seconds: float, what: str) -> None:
    """Wait for a condition that Playwright has no words for (the CSP forbids evaluated ones)."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{seconds:.0f} s went by without {what}"
        time.sleep(0.5)


def make_account(page: Any, product: Product) -> None:
    link = product.manage("setup_link").strip().splitlines()[-1]
    page.goto(link[link.index("/setup/") :])
    page.get_by_label("User name").fill("mira")
    page.get_by_label("Your name").fill("Mira Kern")
    page.get_by_label("Password", exact=True).fill("three brown monkeys")
    page.get_by_role("button", name="Make the account").click()
    page.get_by_role("heading", name="Try detection now").wait_for()


def upload(page: Any, path: Path) -> None:
    page.get_by_role("link", name="New project").first.click()
    page.get_by_label("Name").first.fill("Boards")
    page.get_by_role("button", name="Make the project").click()
    page.locator("#drop-area").wait_for()
    choose_files(page, "#pick-files", path)
    page.get_by_text(re.compile(r"\d+ of \d+ images imported|\d+ images imported")).wait_for(
        timeout=90_000
    )
    # With its first images the page becomes another one.
    page.locator(".cell").first.wait_for()


def choose_files(page: Any, field: str, path: Path) -> None:
    """Once the page's scripts have run: before, nobody listens to its field."""
    page.locator(field).wait_for(state="attached")
    page.wait_for_load_state("load")
    page.locator(field).set_input_files(path)


def draw_a_box(page: Any, tmp_path: Path) -> int:
    """Upload one more photo, without annotations, and draw a box on it by mouse; its id."""
    data, _ = draw_shapes(77)
    photo = tmp_path / "unlabelled.jpg"
    photo.write_bytes(data)
    choose_files(page, "#pick-files", photo)
    page.get_by_text("1 image imported").first.wait_for(timeout=30_000)
    page.goto(page.url.split("?")[0].replace("/images/", "/label/"))
    page.locator("#image-name", has_text="unlabelled.jpg").wait_for()
    page.locator("#pixels img").first.wait_for()
    shown = "document.getElementById('editor').editor.store.document?.name === 'unlabelled.jpg'"
    until(lambda: page.evaluate(shown), 15, "the photo in the editor")
    page.keyboard.press("1")
    stage = page.locator("#stage").bounding_box()
    x, y = stage["x"] + stage["width"] * 0.4, stage["y"] + stage["height"] * 0.4
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 120, y + 90, steps=8)
    page.mouse.up()
    page.locator("#box-count", has_text="1").wait_for()
    page.locator("#badge", has_text="Saved").wait_for()
    image_id = int(page.url.rstrip("/").rsplit("/", 1)[-1])
    boxes = page.request.get(f"/api/images/{image_id}").json()["annotations"]
    assert len(boxes) == 1, "Saved means that the server has it"
    page.keyboard.press("Space")
    until(lambda: page.request.get(f"/api/images/{image_id}").json()["state"] == "done", 10, "done")
    return image_id


def freeze(page: Any) -> None:
    page.goto(re.sub(r"/label/.*", "/dataset/", page.url))
    page.get_by_role("button", name=re.compile("^Freeze")).first.click()
    page.get_by_text(re.compile(r"\br1\b")).first.wait_for()


def train(page: Any) -> None:
    page.get_by_role("link", name="Train").first.click()
    page.get_by_label("Data").select_option(index=1)
    page.get_by_text("Epochs", exact=True).first.click()
    page.get_by_label("Epochs").last.fill("4")
    page.get_by_role("button", name="Start training").click()
    page.get_by_role("heading", name="Run 1").wait_for()
    progress = page.locator("[data-run]").get_attribute("data-progress")

    def state() -> str:
        status = str(page.request.get(progress).json()["status"])
        assert status not in {"failed", "cancelled"}, page.request.get(progress).json()
        return status

    def curve() -> str:
        return str(page.locator("[data-chart=loss]").inner_html())

    # The curve moves while the run goes on.
    until(lambda: state() and "<circle" in curve(), 240, "a first point on the curve")
    first = curve()
    until(lambda: state() and curve() != first, 120, "a second point on the curve")
    until(lambda: state() == "finished", TRAINING_MINUTES * 60, "the run's end")


def look_at_the_model(page: Any) -> None:
    page.get_by_role("link", name="Models").first.click()
    page.get_by_role("link", name=re.compile("Model 1")).first.click()
    page.get_by_role("heading", name="Model 1").wait_for()
    assert re.search(r"\d+(\.\d)? %", page.locator("main").inner_text())
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").first.click()
    assert download.value.path().stat().st_size > 1_000_000


def detect(page: Any, photo: Path) -> None:
    page.get_by_role("link", name="Detect").first.click()
    choose_files(page, "input[type=file][name=photos]", photo)
    page.locator("[data-table] tbody tr").first.wait_for(timeout=60_000)
    slider = page.locator("#threshold")
    slider.evaluate("s => { s.value = 5; s.dispatchEvent(new Event('input', {bubbles: true})) }")
    page.locator("[data-stage] .tag").first.wait_for()
    assert re.search(r"\w+ \d+ %", page.locator("[data-stage] .tag").first.inner_text())
    shown = page.locator("[data-stage] .tag").count()
    slider.evaluate("s => { s.value = 100; s.dispatchEvent(new Event('input', {bubbles: true})) }")
    assert page.locator("[data-stage] .tag").count() < shown, "the slider acts at once"
    slider.evaluate("s => { s.value = 5; s.dispatchEvent(new Event('input', {bubbles: true})) }")


def correct(page: Any) -> None:
    page.get_by_role("button", name="Correct").last.click()
    page.locator("#suggestions-section").wait_for()
    page.locator("#threshold").evaluate(
        "s => { s.value = 0; s.dispatchEvent(new Event('input', {bubbles: true})) }"
    )
    page.locator("#accept-all").click()
    page.locator("#badge", has_text="Saved").wait_for()
    image_id = int(page.url.split("?")[0].rstrip("/").rsplit("/", 1)[-1])
    boxes = page.request.get(f"/api/images/{image_id}").json()["annotations"]
    assert any(box["status"] == "active" and box["source"] == "model" for box in boxes)


def test_from_upload_to_correction(product: Product, page: Any, tmp_path: Path) -> None:
    make_account(page, product)
    upload(page, training_zip(tmp_path / "boards.zip"))
    draw_a_box(page, tmp_path)
    freeze(page)
    train(page)
    look_at_the_model(page)
    photo = tmp_path / "mine.jpg"
    photo.write_bytes(new_photo())
    detect(page, photo)
    correct(page)
