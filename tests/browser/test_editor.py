"""The annotation editor in a real browser before the real server: drawing, and saving."""

from tests.browser.desk import EDITOR, Desks, at, drag, saved, until


def test_draw_label_move_and_go_on(desks: Desks) -> None:
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


def test_a_box_by_the_keyboard_alone(desks: Desks) -> None:
    desk = desks()
    page = desk.open(0)
    page.keyboard.press("Shift+N")
    page.keyboard.press("2")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Alt+Shift+ArrowDown")
    saved(page)
    assert desk.boxes(0) == [(desk.labels[1], 299, 225, 499, 385)]
    words = page.locator("#boxes .name").text_content()
    assert words == "1 of 1, chip, 200 × 160 at 299, 225"
