"""No page has anything that axe-core calls moderate, serious or critical, in light and in dark."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.conftest import ROOT, Product
from tests.browser.rooms import Rooms, make_rooms

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
# What depends on colours is looked at again in dark; the rest is the same.
COLOURS = "{ runOnly: ['color-contrast', 'link-in-text-block'] }"
BAD = {"moderate", "serious", "critical"}


@pytest.fixture(scope="module")
def rooms(web: Product) -> Rooms:
    if not AXE.exists():
        pytest.skip(
            "axe-core is not installed, so no page was checked for accessibility. "
            "Install it: npm ci --ignore-scripts (./boxloop test does)."
        )
    return make_rooms(web)


@pytest.fixture
def look(chromium: Any, web: Product, rooms: Rooms) -> Iterator[Any]:
    """Opens a page in a theme: look("dark")."""
    contexts = []

    def open_page(scheme: str) -> Any:
        context = chromium.new_context(
            base_url=web.url, color_scheme=scheme, viewport={"width": 1440, "height": 900}
        )
        contexts.append(context)
        context.add_cookies([{"name": "boxloop_session", "value": rooms.session, "url": web.url}])
        return context.new_page()

    yield open_page
    for context in contexts:
        context.close()


def problems(page: Any, options: str = "{}") -> list[str]:
    """What axe finds worse than minor: the rule, its help, and the first elements."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    found = page.evaluate(f"axe.run({options})")["violations"]
    return [
        f"{one['id']}: {one['help']}: "
        + ", ".join(str(node["target"]) for node in one["nodes"][:3])
        for one in found
        if one["impact"] in BAD
    ]


def test_every_room_in_light_and_dark(look: Any, rooms: Rooms) -> None:
    found = {}
    for scheme, options in (("light", "{}"), ("dark", COLOURS)):
        page = look(scheme)
        for name, path in rooms.paths.items():
            answer = page.goto(path)
            assert answer.ok, (name, answer.status)
            if name == "editor":
                page.wait_for_selector("#suggestions li")
            if bad := problems(page, options):
                found[f"{name}, {scheme}"] = bad
    assert not found


def test_the_editor_in_its_states(look: Any, rooms: Rooms) -> None:
    page = look("light")
    page.goto(rooms.paths["editor"].replace(str(rooms.images[7]), str(rooms.images[1])))
    page.wait_for_selector("#boxes li")
    found = {}
    for state, keys in {"a box": ".", "the keys": "?"}.items():
        page.keyboard.press(keys)
        page.wait_for_timeout(100)
        found[state] = problems(page)
    page.click("text=Change keys")
    found["changing keys"] = problems(page)
    page.keyboard.press("Escape")
    page.click("#adjust-button")
    found["brightness"] = problems(page)
    page.keyboard.press("Escape")
    page.click("[data-side-panel]")
    page.wait_for_timeout(500)
    found["review and history"] = problems(page)
    assert not {state: bad for state, bad in found.items() if bad}


def test_the_log_in_page(chromium: Any, web: Product, rooms: Rooms) -> None:
    context = chromium.new_context(base_url=web.url)
    page = context.new_page()
    page.goto("/login/")
    bad = problems(page)
    context.close()
    assert not bad
