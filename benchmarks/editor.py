"""How fast the annotation editor is in a real Chromium, before the real pages and API.

    python benchmarks/editor.py [--boxes 100 2000 10000]

Builds a project of its own in a temporary folder: three 12-megapixel photos with so many boxes
each. Prints a table with the bars that the editor has to stay under at 2,000 boxes.
"""

import argparse
import io
import os
import random
import secrets
import shutil
import socket
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-quic",
    "--enable-precise-memory-info", "--js-flags=--expose-gc",
]  # fmt: skip
WIDTH, HEIGHT = 4000, 3000
Point = tuple[float, float]
BARS = {
    "draw handler p95": (1.0, "ms"),
    "move handler p95": (1.0, "ms"),
    "resize handler p95": (1.0, "ms"),
    "frame p95": (33.0, "ms"),
    "opened: boxes - pixels": (100.0, "ms"),
    "next: boxes - pixels": (100.0, "ms"),
    "redraw of all boxes": (100.0, "ms"),
    "next image": (100.0, "ms"),
    "heap": (60.0, "MB"),
}

# When an image's pixels (not its thumbnail's) and its boxes are first painted, in every page from
# its start on. The pixels' time is the browser's own; the boxes' is the start of the frame after
# the one in which they were drawn, by which time they stand there: the difference is never
# flattering. It is negative where the boxes come first.
PAINTS = """(() => {
  const paints = (window.boxloopPaints = { pixels: null, boxes: null });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) paints.pixels ??= entry.renderTime || entry.startTime;
  }).observe({ type: "element" });
  new MutationObserver(() => {
    for (const pixels of document.querySelectorAll("#pixels img:not([elementtiming])")) {
      if (pixels.src.includes("/preview")) pixels.setAttribute("elementtiming", "pixels");
    }
  }).observe(document, { childList: true, subtree: true });
  const stroke = CanvasRenderingContext2D.prototype.strokeRect;
  CanvasRenderingContext2D.prototype.strokeRect = function (...rectangle) {
    if (this.canvas.id === "static" && paints.boxes === null) {
      paints.boxes = NaN;
      requestAnimationFrame(() => (paints.boxes = performance.now()));
    }
    return stroke.apply(this, rectangle);
  };
})()"""
BOTH_PAINTED = "boxloopPaints.pixels !== null && boxloopPaints.boxes > 0"
# Times the editor's own listeners: one listener before and one after them on the way of the event.
PROBE = """() => {
  const probe = (window.boxloopProbe = { moves: [], frames: [], on: false });
  let start = 0;
  window.addEventListener("pointermove", () => (start = performance.now()), true);
  const stop = () => probe.on && probe.moves.push(performance.now() - start);
  window.addEventListener("pointermove", stop);
  let last = 0;
  const frame = (now) => {
    if (probe.on && last) probe.frames.push(now - last);
    last = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}"""
DRAW_ALL = """() => new Promise((done) => {
  const { renderer } = document.getElementById("editor").editor;
  requestAnimationFrame(() => {
    renderer.invalidate();
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
    const start = performance.now();
  });
})"""
NEXT_IMAGE = """() => new Promise((done) => {
  const { editor, actions } = document.getElementById("editor");
  const before = editor.store.document;
  const pixels = document.querySelector("#pixels img");
  const start = performance.now();
  actions.next(editor);
  const look = () => {
    const changed = document.querySelector("#pixels img") !== pixels;
    const shown = changed && editor.store.document !== before;
    if (shown) setTimeout(() => done(performance.now() - start));
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})"""


def start_server(var: Path) -> str:
    """Boxloop's pages and API in a thread, on a database of their own; returns the address."""
    os.environ.update(
        BOXLOOP_VAR=str(var), BOXLOOP_DEBUG="1", DJANGO_SETTINGS_MODULE="webapp.settings"
    )
    for name in ("DATABASE_URL", "REDIS_URL", "STORAGE_URL"):
        os.environ.pop(name, None)
    sys.path.insert(0, str(ROOT))
    import django

    django.setup()
    import uvicorn
    from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
    from django.core.management import call_command

    from webapp.asgi import application

    call_command("migrate", verbosity=0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = uvicorn.Config(
        ASGIStaticFilesHandler(application), port=port, log_level="error", lifespan="off"
    )
    server = uvicorn.Server(config)
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.05)
    return f"http://127.0.0.1:{port}"


def make_project(num_boxes: int) -> tuple[int, int, str]:
    """A project with three photos of `num_boxes` boxes; its id, an image's id, a session's key."""
    from django.contrib.auth import get_user_model

    from webapp.labeling.models import Annotation
    from webapp.projects.models import Project

    chance = random.Random(num_boxes)
    user = get_user_model().objects.create_user(f"bench-{num_boxes}", password=secrets.token_hex())
    project = Project.objects.create(name=f"{num_boxes} boxes", created_by=user)
    project.admit(user, "owner")
    labels = [project.add_label(name) for name in ("cat", "dog", "bird", "fish", "fox", "bee")]
    images = [make_photo(project, number) for number in range(3)]
    for image in images:
        rows = []
        for _ in range(num_boxes):
            x, y = chance.uniform(0, WIDTH - 160), chance.uniform(0, HEIGHT - 160)
            w, h = chance.uniform(20, 150), chance.uniform(20, 150)
            pk = uuid.UUID(int=chance.getrandbits(128), version=4)
            corners = {"xmin": x, "ymin": y, "xmax": x + w, "ymax": y + h}
            rows.append(Annotation(id=pk, image=image, label=chance.choice(labels), **corners))
        Annotation.objects.bulk_create(rows)
    return project.pk, images[0].pk, log_in(user)


def make_photo(project: Any, number: int) -> Any:
    """A photo of noise, WIDTH x HEIGHT, with its preview and thumbnail."""
    from django.core.files.base import ContentFile
    from django.core.files.storage import default_storage
    from PIL import Image as Pillow

    from webapp.datasets.models import Image

    noise = Pillow.effect_noise((WIDTH // 4, HEIGHT // 4), 40 + number).convert("RGB")
    picture = noise.resize((WIDTH, HEIGHT))
    image = Image.objects.create(
        project=project,
        name=f"photo_{number}.jpg",
        sha256=secrets.token_hex(32),
        format="jpeg",
        bytes=1,
        width=WIDTH,
        height=HEIGHT,
    )
    sizes = {image.original_path: WIDTH, image.preview_path: 2048, image.thumbnail_path: 320}
    for path, side in sizes.items():
        small = picture.copy()
        small.thumbnail((side, side))
        file = io.BytesIO()
        small.save(file, "jpeg", quality=80)
        default_storage.save(path, ContentFile(file.getvalue()))
    return image


def log_in(user: Any) -> str:
    """A session's key."""
    from django.contrib import auth
    from django.contrib.sessions.backends.db import SessionStore

    session = SessionStore()
    session[auth.SESSION_KEY] = str(user.pk)
    session[auth.BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[auth.HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return str(session.session_key)


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def drag(page: Any, start: Point, end: Point, steps: int = 120) -> tuple[list[float], list[float]]:
    """Drag with the mouse; (handler times, frame times) in ms."""
    page.mouse.move(*start)
    page.mouse.down()
    page.evaluate("Object.assign(boxloopProbe, { moves: [], frames: [], on: true })")
    page.mouse.move(*end, steps=steps)
    moves, frames = page.evaluate(
        "(boxloopProbe.on = false, [boxloopProbe.moves, boxloopProbe.frames])"
    )
    page.mouse.up()
    page.wait_for_timeout(100)
    return moves, frames


def boxes_after_pixels(page: Any) -> float:
    """How much later than the image's pixels its boxes were painted, in ms."""
    for _ in range(1000):
        if page.evaluate(BOTH_PAINTED):
            return float(page.evaluate("boxloopPaints.boxes - boxloopPaints.pixels"))
        page.wait_for_timeout(20)
    raise TimeoutError("pixels and boxes were not both painted within 20 s")


def open_image(context: Any, address: str) -> float:
    """Open the editor anew at the image; `boxes_after_pixels`."""
    page = context.new_page()
    page.goto(address)
    later = boxes_after_pixels(page)
    page.close()
    return later


def go_on(page: Any) -> tuple[float, float]:
    """The next image, which was read ahead: ms to its being there, and `boxes_after_pixels`."""
    page.evaluate("Object.assign(boxloopPaints, { pixels: null, boxes: null })")
    taken = float(page.evaluate(NEXT_IMAGE))
    return taken, boxes_after_pixels(page)


def measure(context: Any, address: str) -> dict[str, float]:
    """One project's numbers."""
    context.add_init_script(PAINTS)
    opened = [open_image(context, address) for _ in range(5)]
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("#pixels img")
    # Neighbours are read ahead when the network is quiet again.
    page.wait_for_load_state("networkidle")
    page.evaluate(PROBE)
    drawn, frames = drag(page, (300, 200), (900, 600))
    moved, more = drag(page, (450, 200), (650, 300))
    frames += more
    place = page.evaluate("""() => {
      const { store, view, stageRect } = document.getElementById("editor").editor;
      const [x, y] = view.toScreen(store.selected[0].xmax, store.selected[0].ymax);
      return [x + stageRect.left, y + stageRect.top];
    }""")
    resized, more = drag(page, tuple(place), (place[0] - 150, place[1] - 100))
    frames += more
    times = [page.evaluate(DRAW_ALL) for _ in range(7)]
    page.keyboard.press("Control+z")
    page.wait_for_timeout(1500)
    next_image, next_later = go_on(page)
    results = {
        "draw handler p95": percentile(drawn, 0.95),
        "move handler p95": percentile(moved, 0.95),
        "resize handler p95": percentile(resized, 0.95),
        "frame p95": percentile(frames, 0.95),
        "opened: boxes - pixels": percentile(opened, 0.5),
        "next: boxes - pixels": next_later,
        "redraw of all boxes": percentile(times, 0.5),
        "next image": next_image,
    }
    page.evaluate("window.gc && gc()")
    results["heap"] = page.evaluate("performance.memory.usedJSHeapSize") / 1e6
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description="The annotation editor's speed in Chromium.")
    parser.add_argument("--boxes", type=int, nargs="+", default=[100, 2000, 10000])
    options = parser.parse_args()
    browser_path = os.environ.get("BOXLOOP_CHROMIUM") or next(
        filter(None, map(shutil.which, BROWSERS)), None
    )
    if browser_path is None:
        print(
            "No Chromium or Chrome here. Install one, or name it in BOXLOOP_CHROMIUM.",
            file=sys.stderr,
        )
        return 2
    with tempfile.TemporaryDirectory() as folder:
        url = start_server(Path(folder))
        # Made before Playwright starts: its event loop would forbid Django's database here.
        projects = {count: make_project(count) for count in options.boxes}
        table = run_browser(browser_path, url, projects)
    return print_table(table)


def run_browser(
    browser_path: str, url: str, projects: dict[int, tuple[int, int, str]]
) -> dict[int, dict[str, float]]:
    from playwright.sync_api import sync_playwright

    table = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=FLAGS)
        for count, (project_id, image_id, session) in projects.items():
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            context.add_cookies([{"name": "boxloop_session", "value": session, "url": url}])
            table[count] = measure(context, f"{url}/projects/{project_id}/label/{image_id}/")
            context.close()
        browser.close()
    return table


def print_table(table: dict[int, dict[str, float]]) -> int:
    """Prints the numbers; 1 where the column of 2,000 boxes is over a bar."""
    print(
        f"{'boxes on 12 megapixels':24}"
        + "".join(f"{count:>12,}" for count in table)
        + f"{'bar at 2,000':>16}"
    )
    failed = False
    for name, (bar, unit) in BARS.items():
        cells = "".join(f"{results[name]:>9.2f} {unit}" for results in table.values())
        print(f"{name:24}{cells}{'<= ' + format(bar, 'g') + ' ' + unit:>16}")
        failed |= 2000 in table and table[2000][name] > bar
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
