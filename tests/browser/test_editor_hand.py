"""The editor in the hand: many boxes, locks, keys of one's own, fingers, suggestions, an expert."""

from typing import Any

from tests.browser.desk import EDITOR, Desk, Desks, at, drag, saved, tab_to, until

SUGGEST = """
from webapp.labeling.models import Annotation
from webapp.datasets.models import Image
image = Image.objects.get(pk={image})
board, chip = {labels}
for label, score, x in ((board, 0.9, 50), (board, 0.6, 250), (chip, 0.8, 450), (chip, 0.3, 650)):
    Annotation.objects.create(
        image=image, label_id=label, xmin=x, ymin=100, xmax=x + 100, ymax=200,
        status="suggested", source="model", score=score,
    )
image.count_boxes()
image.save()
"""


class Hand:
    """What an expert does, counted: a drag, a key."""

    def __init__(self, page: Any) -> None:
        self.page, self.drags, self.keys = page, 0, 0

    def draw(self, box: tuple[int, int, int, int]) -> None:
        self.drags += 1
        drag(self.page, box[:2], box[2:])

    def press(self, key: str) -> None:
        self.keys += 1
        self.page.keyboard.press(key)


def test_an_expert_draws_twenty_boxes_on_five_images_with_at_most_two_actions_a_box(
    desks: Desks,
) -> None:
    desk = desks()
    page = desk.open(0)
    hand = Hand(page)
    drawn: dict[int, list[tuple[int, ...]]] = {}
    label = desk.labels[0]
    for image in range(5):
        drawn[image] = []
        for number in range(4):
            # Beside and over each other; the label changes at every third box.
            top = 60 + 30 * image + 25 * number
            box = (60 + 150 * number, top, 260 + 150 * number, top + 220)
            wanted = desk.labels[(4 * image + number) // 3 % 2]
            hand.draw(box)
            if wanted != label:
                hand.press(str(desk.labels.index(wanted) + 1))
                label = wanted
            drawn[image].append((wanted, *box))
        if image < 4:
            ahead = f"{EDITOR}.documents.loaded.has({desk.images[image + 1]})"
            until(page, ahead)
            hand.press("Space")
            # No wait: the next image is there when the key has been pressed.
            assert page.evaluate(f"{EDITOR}.store.document.id") == desk.images[image + 1]
    hand.press("Space")
    saved(page)
    assert {image: desk.boxes(image) for image in drawn} == drawn
    assert [desk.on_server(image)["state"] for image in drawn] == ["done"] * 5
    assert hand.drags == 20
    assert hand.drags + hand.keys <= 2 * 20, "a drag, and a digit only where the label changes"
    print(f"20 boxes, 5 images: {hand.drags} drags and {hand.keys} keys")


def test_many_boxes_together_and_a_locked_label(desks: Desks) -> None:
    desk = desks()
    page = desk.open(0)
    board = desk.labels[0]
    for x in (100, 300, 500):
        drag(page, (x, 100), (x + 100, 200))
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    drag(page, (100, 400), (200, 500))
    page.keyboard.press("Escape")
    page.keyboard.down("Shift")
    drag(page, (50, 50), (450, 450))
    page.keyboard.up("Shift")
    assert page.evaluate(f"{EDITOR}.store.selection.size") == 3
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Control+ArrowRight")
    page.keyboard.press("1")
    saved(page)
    moved = [(board, 101, 110, 200, 210), (board, 301, 110, 400, 210)]
    assert desk.boxes(0) == [*moved, (board, 500, 100, 600, 200), (board, 101, 410, 200, 510)]
    page.keyboard.press("Escape")
    page.keyboard.press("Shift+L")
    page.mouse.click(*at(page, 150, 150))
    assert page.evaluate(f"{EDITOR}.store.selection.size") == 0
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    drag(page, (600, 400), (700, 500))
    page.keyboard.press("Shift+L")
    saved(page)
    assert len(desk.boxes(0)) == 4, "a locked label's boxes stay, and it takes no new one"
    page.keyboard.press("2")
    page.keyboard.press("g")
    assert page.evaluate(f"{EDITOR}.store.shown.length") == 0
    assert page.locator("#labels-all").is_visible()
    page.keyboard.press("g")
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    saved(page)
    assert desk.boxes(0) == []


def test_keys_of_ones_own(desks: Desks) -> None:
    desk = desks()
    page = desk.open(0)
    page.keyboard.press("?")
    page.click("text=Change keys")
    page.click('[data-at="next d"]')
    page.keyboard.press("a")
    assert "means “Previous image" in page.inner_text(".ask")
    page.click("text=Leave it")
    page.click('[data-at="next d"]')
    page.keyboard.press("j")
    page.click('[data-at="fit f"]')
    page.keyboard.press("1")
    assert "Digits choose labels" in page.inner_text(".ask")
    page.keyboard.press("Escape")
    page.keyboard.press("d")
    assert page.evaluate(f"{EDITOR}.store.document.id") == desk.images[0]
    page.keyboard.press("j")
    until(page, f"{EDITOR}.store.document.id === {desk.images[1]}")
    assert page.get_attribute("#next", "title") == "Next image (J)"
    page.reload()
    page.wait_for_selector("#pixels img")
    page.keyboard.press("j")
    until(page, f"{EDITOR}.store.document.id === {desk.images[2]}")
    page.keyboard.press("?")
    page.click("text=Change keys")
    with page.expect_download() as download:
        page.click("text=Export")
    assert '"j"' in download.value.path().read_text()
    page.click("text=Usual keys for all")
    page.get_by_label("Single-key shortcuts").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("d")
    page.keyboard.press("Shift+N")
    assert page.evaluate(f"[{EDITOR}.store.document.id, {EDITOR}.store.boxes.length]") == [
        desk.images[2],
        0,
    ]


def test_a_box_is_drawn_labelled_and_saved_by_keyboard_with_single_keys_off(desks: Desks) -> None:
    desk = desks()
    desk.context.add_init_script(
        "localStorage.setItem('boxloop.editor', JSON.stringify({singleKeys: false}))"
    )
    page = desk.open(0)
    tab_to(page, "[data-action=boxAtCentre]")
    page.keyboard.press("Enter")
    tab_to(page, "#boxes .name")
    tab_to(page, "input[name=x]")
    for value in ("120", "90", "200", "150"):
        page.keyboard.press("Control+a")
        page.keyboard.type(value)
        page.keyboard.press("Tab")
    tab_to(page, f"[data-label='{desk.labels[1]}']")
    page.keyboard.press("Enter")
    tab_to(page, "#done")
    page.keyboard.press("Space")
    until(page, f"{EDITOR}.store.document.id === {desk.images[1]}")
    saved(page)
    assert desk.boxes(0) == [(desk.labels[1], 120, 90, 320, 240)]
    assert desk.on_server(0)["state"] == "done"


def test_suggestions_above_a_threshold_of_one_label(desks: Desks) -> None:
    desk = desks()
    desks.product.shell(SUGGEST.format(image=desk.images[0], labels=desk.labels))
    page = desk.open(0)
    assert page.locator("#suggestions li").count() == 3
    page.select_option("#suggestion-label", label="chip")
    until(page, "document.querySelectorAll('#suggestions li').length === 1")
    page.keyboard.press("Shift+Space")
    page.select_option("#suggestion-label", label="All labels")
    page.keyboard.press(".")  # the accepted box
    page.keyboard.press(".")  # the surest suggestion
    page.keyboard.press("Enter")
    page.keyboard.press("Delete")  # says no to the next one
    saved(page)
    rows = desk.on_server(0)["annotations"]
    active = [row for row in rows if row["status"] == "active"]
    assert sorted(
        (row["label_id"], row["xmin"], row["source"], row["score"]) for row in active
    ) == [
        (desk.labels[0], 50, "model", 0.9),
        (desk.labels[1], 450, "model", 0.8),
    ]
    assert [row["score"] for row in rows if row["status"] == "suggested"] == [0.3]


def test_looking_only(desks: Desks) -> None:
    page = desks().open(0)
    x = page.evaluate(f"{EDITOR}.view.x")
    page.keyboard.press("Shift+ArrowRight")
    assert page.evaluate(f"{EDITOR}.view.x") < x, "the view moves by keys, too"
    page.click(".etools [data-action=toggleHidden]")
    drag(page, (100, 100), (200, 200))
    assert page.evaluate(f"[{EDITOR}.store.hidden, {EDITOR}.store.boxes.length]") == [False, 1]
    page.keyboard.press("i")
    page.keyboard.press("b")
    assert page.evaluate("document.getElementById('pixels').style.filter") == (
        "invert(1) brightness(125%)"
    )
    page.keyboard.press("Shift+I")
    assert page.evaluate("document.getElementById('pixels').style.filter") == ""


class Fingers:
    """Touches of the screen, at places of the window."""

    def __init__(self, desk: Desk, page: Any) -> None:
        self.session = desk.context.new_cdp_session(page)

    def _send(self, kind: str, points: tuple[tuple[float, float], ...]) -> None:
        touches = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    def rest(self, place: tuple[float, float], page: Any) -> None:
        """One finger, held where it is."""
        self._send("touchStart", (place,))
        page.wait_for_timeout(550)
        self._send("touchEnd", ())

    def move(self, *paths: tuple[tuple[float, float], tuple[float, float]]) -> None:
        """Each finger from its start to its end."""
        self._send("touchStart", tuple(start for start, _ in paths))
        self._send("touchMove", tuple(end for _, end in paths))
        self._send("touchEnd", ())


def test_one_finger_draws_or_pans_and_two_pinch(desks: Desks) -> None:
    desk = desks(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = desk.open(0)
    fingers = Fingers(desk, page)
    fingers.move((at(page, 100, 100), at(page, 400, 300)))
    (box,) = page.evaluate(f"{EDITOR}.store.boxes")
    assert [box[name] for name in ("xmin", "ymin", "xmax", "ymax")] == [100, 100, 400, 300]
    fingers.move((at(page, 500, 100), at(page, 600, 300)))
    fingers.rest(at(page, 250, 200), page)
    assert page.evaluate(f"{EDITOR}.store.selection.size") == 2, "a finger that rests adds"
    page.keyboard.press("Control+z")
    page.tap("[data-action=toggleFinger]")
    until(page, "document.querySelector('[data-action=toggleFinger][aria-pressed=true]')")
    x, scale = page.evaluate(f"[{EDITOR}.view.x, {EDITOR}.view.scale]")
    left, top = at(page, 500, 500)
    fingers.move(((left, top), (left - 40, top)))
    assert round(page.evaluate(f"{EDITOR}.view.x") - x) == -40
    fingers.move(((150, 200), (100, 200)), ((250, 200), (300, 200)))
    assert round(page.evaluate(f"{EDITOR}.view.scale") / scale, 2) == 2
    assert page.evaluate(f"{EDITOR}.store.boxes.length") == 1
