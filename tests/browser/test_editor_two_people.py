"""Two people, and two tabs, on one image: they see each other, and neither loses a box."""

from typing import Any

from tests.browser.desk import EDITOR, at, drag, saved, until
from tests.browser.team import Team, history


def look(page: Any) -> None:
    """Come back to the tab: it asks at once what others did, not only within five seconds."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def nudge(page: Any, x: float, y: float, *keys: str) -> None:
    """Select the box at an image pixel and press keys."""
    page.mouse.click(*at(page, x, y))
    for key in keys:
        page.keyboard.press(key)


def test_two_people_edit_one_image_and_nothing_is_lost(team: Team) -> None:
    anna, mira = team("anna"), team("mira")
    hers = anna.open(0)
    for x in (100, 300, 500):
        drag(hers, (x, 100), (x + 100, 200))
    saved(hers)
    his = mira.open(0)
    until(his, "document.getElementById('present').innerText === 'AL'", 20)
    look(hers)
    until(hers, "document.getElementById('present').innerText === 'MK'", 20)
    board, chip = anna.labels

    # Mira is cut off for a while; both go on with the same three boxes.
    mira.context.set_offline(True)
    nudge(his, 150, 150, "Shift+ArrowDown")
    nudge(his, 350, 150, "Shift+ArrowDown")
    drag(his, (100, 400), (200, 500))
    nudge(hers, 150, 150, "2")
    nudge(hers, 350, 150, "Shift+ArrowUp")
    nudge(hers, 550, 150, "Delete")
    drag(hers, (500, 400), (600, 500))
    saved(hers)
    mira.context.set_offline(False)

    conflict = his.locator(".ed-notice.conflict")
    conflict.wait_for()
    # What is no conflict is sent on by itself, a moment after the question is asked.
    both = mira.boxes_once(0, 4)
    assert (chip, 100, 110, 200, 210) in both, "one moved it, the other relabelled it: both count"
    assert (board, 300, 90, 400, 190) in both, "nothing is put over the box that both moved"
    assert len(both) == 4, "and each has the new box of the other"
    shown = his.evaluate(f"{EDITOR}.renderer.conflict")
    assert (shown["mine"]["ymin"], shown["theirs"]["ymin"]) == (110, 90), "both are shown"
    his.click("text=Take theirs")
    saved(his)
    look(hers)
    until(hers, f"{EDITOR}.store.boxes.length === 4")
    assert (board, 300, 90, 400, 190) in mira.boxes(0)
    told = history(mira, 0)
    assert any(row.startswith("Mira Kern drew 1 box") for row in told)


def test_undo_does_not_take_back_what_another_did(team: Team) -> None:
    anna = team("anna")
    first, second = anna.open(1), anna.open(1)
    drag(first, (100, 100), (200, 200))
    saved(first)
    look(second)
    until(second, f"{EDITOR}.store.boxes.length === 1")
    title = "document.querySelector('#present .ava').title"
    until(second, f"{title} === 'You have this image open in another tab, too'")
    nudge(first, 150, 150, "ArrowRight")
    saved(first)
    look(second)
    until(second, f"{EDITOR}.store.boxes[0].xmin === 101")
    nudge(second, 150, 150, "Shift+ArrowDown")
    saved(second)
    look(first)
    until(first, f"{EDITOR}.store.boxes[0].ymin === 110")
    first.keyboard.press("Control+z")
    saved(first)
    assert anna.boxes(1) == [(anna.labels[0], 101, 110, 201, 210)]
