"""Deleted boxes, history, comments and a review, as two people use them."""

from typing import Any

from tests.browser.desk import EDITOR, at, drag, saved, until
from tests.browser.team import Team, history


def open_panel(page: Any) -> None:
    page.locator(".etop [data-side-panel]").click()
    page.locator("#history [data-revision]").first.wait_for()


def test_a_deleted_box_and_an_earlier_state_come_back(team: Team) -> None:
    desk = team("anna")
    page = desk.open(0)
    for x in (100, 300):
        drag(page, (x, 100), (x + 100, 200))
    saved(page)
    page.mouse.click(*at(page, 150, 150))
    page.keyboard.press("Delete")
    saved(page)
    page.reload()
    until(page, f"{EDITOR}.store.boxes.length === 1")
    open_panel(page)
    page.locator("#deleted").get_by_role("button", name="Restore board").click()
    saved(page)
    page.locator("#deleted-section").wait_for(state="hidden")
    assert len(desk.boxes(0)) == 2
    assert history(desk, 0)[0] == "Anna Lund brought back 1 box"

    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    saved(page)
    first = page.locator("#history [data-revision='1']")
    first.click()
    until(page, f"{EDITOR}.store.boxes.length === 2")
    drag(page, (500, 400), (600, 500))
    assert page.evaluate(f"{EDITOR}.store.boxes.length") == 2, "the past cannot be edited"
    page.get_by_role("button", name="Restore this state").click()
    saved(page)
    assert len(desk.boxes(0)) == 2
    assert history(desk, 0)[0] == "Anna Lund went back to revision 1"
    page.keyboard.press("Control+z")
    saved(page)
    assert desk.boxes(0) == []


def test_sent_back_with_a_comment_and_accepted(team: Team) -> None:
    anna, mira = team("anna"), team("mira")
    drawing = anna.open(0)
    drag(drawing, (100, 100), (300, 250))
    drawing.keyboard.press("Space")
    until(drawing, f"{EDITOR}.store.document.id === {anna.images[1]}")
    saved(drawing)

    review = mira.context.new_page()
    review.goto(f"{mira.url}/projects/{mira.project}/label/?to=review")
    review.get_by_text("Waits for a review").wait_for()
    assert "Anna Lund" in review.locator("#authors").inner_text()
    until(review, f"{EDITOR}.store.document !== null")
    review.mouse.click(*at(review, 200, 200))
    review.get_by_label("Comment", exact=True).fill("The pins belong to it.")
    review.get_by_role("button", name="Comment on this board").click()
    review.locator("#comments li").wait_for()
    review.get_by_role("button", name="Send back").click()
    assert "Say in a few words" in review.locator("#review-error").inner_text()
    review.get_by_label("What is to be changed").fill("Wider, please.")
    review.get_by_role("button", name="Send back").click()
    review.get_by_text("Sent back", exact=True).wait_for()

    drawing.keyboard.press("a")
    until(drawing, f"{EDITOR}.store.document.state === 'in_progress'")
    assert drawing.inner_text("#image-facts").endswith("sent back")
    assert drawing.get_attribute("[data-side-panel]", "data-count") == "2"
    open_panel(drawing)
    drawing.locator("#comments").get_by_text("Wider, please.").wait_for()
    drawing.get_by_role("button", name="on board").click()
    until(drawing, f"{EDITOR}.store.selection.size === 1")
    drawing.locator("#comments").get_by_role("button", name="Resolve").first.click()
    drawing.locator("#comments .resolved").wait_for()
    drawing.keyboard.press("Escape")
    drawing.locator("#done").click()
    saved(drawing)

    review.goto(f"{mira.url}/projects/{mira.project}/label/?to=review")
    review.get_by_role("button", name="Accept", exact=True).click()
    review.get_by_text("Accepted", exact=True).wait_for()
    assert history(mira, 0)[:2] == [
        "Mira Kern accepted the image",
        "Anna Lund marked the image done",
    ]
