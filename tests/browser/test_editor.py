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


def test_an_outage_and_a_closed_tab_lose_nothing(desks: Desks) -> None:
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


def test_two_people_on_one_image(desks: Desks) -> None:
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
