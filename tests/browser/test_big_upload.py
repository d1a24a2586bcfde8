"""A large upload that is cut three times ends whole.

BOXLOOP_TEST_UPLOAD_MB=2048 does it with 2 GB (minutes); the suite takes 40 MB.
"""

import hashlib
import io
import json
import os
import random
import signal
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

from tests.browser.conftest import Product, answers

SIDE = 3600  # a photo of noise, 39 MB: nothing of it can be packed
MEGABYTES = int(os.environ.get("BOXLOOP_TEST_UPLOAD_MB", "40"))
PATIENCE = 60 + MEGABYTES / 4  # seconds for a part of the upload
MAKE_PROJECT = """
from webapp.accounts.models import User
from webapp.projects.models import Membership, Project
user = User.objects.create_user("uploader", password="a long pass phrase")
project = Project.objects.create(name="Large", created_by=user)
Membership.objects.create(project=project, user=user, role="owner")
print(project.pk)
"""
FOUND = """
import json
from webapp.projects.models import Project
project = Project.objects.get(pk={pk})
row = project.imports.get()
hashes = sorted(project.images.values_list("sha256", flat=True))
print(json.dumps([row.status, row.split, row.num_taken, hashes]))
"""


def noise_png(seed: int) -> bytes:
    """A PNG whose pixels are stored as they are: quick to make, slow to send."""
    chance = random.Random(seed)
    rows = b"".join(b"\0" + chance.randbytes(3 * SIDE) for _ in range(SIDE))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    return b"".join((
        b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows, 0)),
        chunk(b"IEND", b""),
    ))  # fmt: skip


def make_zip(path: Path) -> list[str]:
    """A zip of about MEGABYTES; the hashes of the photos in it."""
    hashes = []
    with zipfile.ZipFile(path, "w") as archive:
        for seed in range(max(1, MEGABYTES // 39)):
            data = noise_png(seed)
            archive.writestr(f"{seed}.png", data)
            hashes.append(hashlib.sha256(data).hexdigest())
    return sorted(hashes)


def percent(page: Any) -> int:
    bar = page.locator("#upload-card [role=progressbar]")
    return int(bar.get_attribute("aria-valuenow") or 0) if bar.count() else 0


def test_an_upload_cut_three_times_ends_whole(
    product: Product, chromium: Any, tmp_path: Path
) -> None:
    archive = tmp_path / "large.zip"
    hashes = make_zip(archive)
    project = int(product.shell(MAKE_PROJECT).splitlines()[-1])
    context = chromium.new_context(base_url=product.url, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto("/login/")
    page.get_by_label("User name").fill("uploader")
    page.get_by_label("Password").fill("a long pass phrase")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/")
    page.goto(f"/projects/{project}/images/")
    network = context.new_cdp_session(page)
    speed = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": MEGABYTES * 1024**2 / 8}
    if MEGABYTES > 400:
        speed["uploadThroughput"] = -1
    network.send("Network.emulateNetworkConditions", {"offline": False, **speed})
    page.set_input_files("#pick-files", archive)

    product.wait_for(lambda: percent(page) >= 15, PATIENCE, "the upload did not begin")
    network.send("Network.emulateNetworkConditions", {"offline": True, **speed})
    page.locator("#upload-card", has_text="It goes on where it was").wait_for(timeout=60_000)
    network.send("Network.emulateNetworkConditions", {"offline": False, **speed})
    page.locator("#upload-card select").select_option("val")

    product.wait_for(
        lambda: percent(page) >= 40, PATIENCE, "it did not go on when the network was back"
    )
    for pid in product.processes("uvicorn"):
        os.kill(pid, signal.SIGKILL)
    product.wait_for(lambda: answers(product.url), 40, "the server did not come back")

    product.wait_for(lambda: percent(page) >= 65, PATIENCE, "it did not go on with the new server")
    page.reload()
    page.locator("#upload-card", has_text="An upload broke off").wait_for()
    network.send("Network.emulateNetworkConditions", {"offline": False, **speed})
    page.set_input_files("#pick-files", archive)
    product.wait_for(lambda: percent(page) >= 50, 10, "it began anew")
    page.locator("#upload-card select").select_option("val")
    page.locator("#upload-card", has_text="imported").wait_for(timeout=900_000)
    context.close()
    found = json.loads(product.shell(FOUND.format(pk=project)).splitlines()[-1])
    assert found == ["finished", "val", len(hashes), hashes]


def test_the_noise_is_a_picture() -> None:
    from detection.images import probe_image

    assert probe_image(io.BytesIO(noise_png(0))).width == SIDE
