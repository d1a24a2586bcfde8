"""What is drawn while the network, the tab or the login is gone arrives, once."""

import os
import time
from typing import Any

from tests.browser.desk import EDITOR, PASSWORD, drag, saved, until
from tests.browser.team import Team, history

# 120 makes the outage as long as its two minutes; it is over as soon as all is drawn otherwise.
OUTAGE_SECONDS = float(os.environ.get("BOXLOOP_TEST_OUTAGE", "0"))
KIND = "document.getElementById('badge').dataset.kind"


def test_40_edits_on_10_images_survive_an_outage_and_a_killed_tab(team: Team) -> None:
    desk = team("anna")
    page = desk.open(0)
    for image in desk.images[1:]:
        page.keyboard.press("d")
        until(page, f"{EDITOR}.store.document.id === {image}")
    desk.context.set_offline(True)
    start = time.monotonic()
    for place, image in reversed(list(enumerate(desk.images))):
        until(page, f"{EDITOR}.store.document.id === {image}")
        for row in range(4):
            x, y = 40 + 60 * place, 40 + 130 * row
            drag(page, (x, y), (x + 50, y + 100))
        page.keyboard.press("a")
    page.keyboard.press("Space")
    until(page, f"{KIND} === 'offline'")
    assert "41 edits kept" in page.inner_text("#badge")
    asked: list[str] = []

    def stay(dialog: Any) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    page.close(run_before_unload=True)
    page.wait_for_timeout(300)
    assert asked == ["beforeunload"], "closing the tab with unsaved work warns"
    page.wait_for_timeout(1000 * max(0.0, OUTAGE_SECONDS - (time.monotonic() - start)))
    page.close(run_before_unload=False)
    desk.context.set_offline(False)
    assert desk.boxes(0) == []
    page = desk.open(4)
    saved(page)
    board = desk.labels[0]
    for place in range(10):
        x = 40 + 60 * place
        drawn = [(board, x, y, x + 50, y + 100) for y in (40, 170, 300, 430)]
        assert sorted(desk.boxes(place)) == drawn, f"image {place}"
        done = ["Anna Lund drew 4 boxes and marked the image done"]
        drew = done if place == 0 else ["Anna Lund drew 4 boxes"]
        assert history(desk, place) == drew, "once"
    assert desk.on_server(0)["state"] == "done"
    assert page.evaluate(f"{EDITOR}.store.boxes.length") == 4


def test_an_expired_login_is_renewed_in_place(team: Team) -> None:
    desk = team("anna")
    page = desk.open(0)
    page.wait_for_load_state("networkidle")
    cookies = [one for one in desk.context.cookies() if one["name"] != "boxloop_session"]
    desk.context.clear_cookies()
    desk.context.add_cookies(cookies)
    drag(page, (100, 100), (300, 250))
    dialog = page.locator("#login-dialog")
    dialog.wait_for()
    dialog.get_by_label("Password").fill("not this one")
    dialog.get_by_role("button", name="Log in").click()
    dialog.locator(".err").wait_for()
    assert "password" in dialog.locator(".err").inner_text()
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_role("button", name="Log in").click()
    dialog.wait_for(state="hidden")
    saved(page)
    assert page.evaluate(f"{EDITOR}.store.boxes.length") == 1, "the page is still the same"
    assert desk.boxes(0) == [(desk.labels[0], 100, 100, 300, 250)]


def test_nothing_is_saved_under_another_persons_name(team: Team) -> None:
    desk = team("anna")
    page = desk.open(0)
    # In another tab of the browser Mira logs in.
    session = {"name": "boxloop_session", "value": team.made["mira"], "url": desk.url}
    desk.context.add_cookies([session])
    drag(page, (100, 100), (300, 250))
    until(page, f"{KIND} === 'login'")
    assert desk.boxes(0) == []
    page.close(run_before_unload=False)
