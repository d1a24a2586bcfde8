"""Every hostile case of the reference data by both ways in: uploaded and imported, and converted
by the command line. What each becomes stands in one table.
"""

import contextlib
import json
import resource
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from detection.__main__ import main
from detection.decoder import Decoder
from tests.conftest import SHARED
from webapp.datasets.models import ImageImport
from webapp.labeling.models import Annotation
from webapp.leases import Status
from workers.importing import run_import
from workers.photo_pipeline import PhotoPipeline

pytestmark = pytest.mark.django_db
HOSTILE = SHARED / "data" / "hostile"
CANARY = b"CANARY-7f3a"
MAX_GROWTH = 96 << 20
MAX_SECONDS = 20  # a loaded machine, too
ANY = -1
# Photos taken, boxes taken, words of the report ("" where it must be empty, None where it may say
# anything).
Expected = tuple[int, int, str | None]
IMAGES: dict[str, Expected] = {
    "plain.ico": (0, 0, ".ico file is neither a photo"),
    "truncated_2pct.jpg": (0, 0, "cut short"),
    "truncated_95pct.jpg": (0, 0, "of its 480 rows"),
    "bitrot.jpg": (0, 0, "damaged"),
    "truncated.png": (0, 0, "cut short"),
    "bomb_header_50000x50000.png": (0, 0, "2,500 million pixels; the limit is 100 million"),
    "bomb_zTXt.png": (0, 0, "unpacks to over 1 MiB"),
    "text_named.jpg": (0, 0, "text, not a picture"),
    "script.svg": (0, 0, ".svg file is neither a photo"),
    "html_named.png": (0, 0, "HTML page"),
}
OTHERS: dict[str, Expected] = {
    "archives/good_voc.zip": (1, 1, ""),
    "archives/absolute.zip": (1, 1, "starts at the root of a disk"),
    "archives/nested.zip": (0, 0, "not unpacked"),
    "archives/many_entries_60000.zip": (0, 0, "60,000 entries; the limit is 50,000"),
    "archives/duplicate_names.zip": (1, 0, "differs from images/a.jpg only in case"),
    "archives/wrapped_twice.zip": (1, 1, ""),
    "archives/bad_utf8_names.zip": (1, 0, ""),
    "archives/not_a_zip.zip": (0, 0, "not a zip"),
    "archives/empty.zip": (0, 0, "no files in it"),
    "archives/traversal.tar.gz": (0, 0, "not unpacked"),
    "voc/annotations/ok.xml": (1, 1, ""),
    "voc/annotations/xxe_param.xml": (1, 0, "declares an entity"),
    "voc/annotations/quadratic.xml": (1, 0, "declares an entity"),
    "voc/annotations/box_beyond.xml": (1, 3, "Clipped to 640"),
    "voc/annotations/box_outside.xml": (1, 0, "lies outside the image"),
    "voc/annotations/box_zero.xml": (1, 0, "has no area"),
    "voc/annotations/box_nan.xml": (1, 0, "not a number"),
    "voc/annotations/box_huge.xml": (1, 2, "Clipped to 0"),
    "voc/annotations/size_wrong.xml": (1, 1, "The boxes were scaled by 0.5"),
    "voc/annotations/size_missing.xml": (1, 1, "no usable <size>"),
    "voc/annotations/filename_noext.xml": (1, 1, ""),
    "voc/annotations/filename_traversal.xml": (1, 1, ""),
    "voc/annotations/name_empty.xml": (1, 0, "name is empty"),
    "voc/annotations/name_script.xml": (1, 1, ""),
    "voc/annotations/name_long.xml": (1, 0, "the limit is 100"),
    "voc/annotations/dup_boxes.xml": (1, 1, "Merged"),
    "voc/annotations/no_objects.xml": (1, 0, ""),
    "voc/annotations/utf16.xml": (1, 1, ""),
    "voc/annotations/bad_utf8.xml": (1, 0, "not well-formed XML"),
    "voc/annotations/empty.xml": (1, 0, "The file is empty"),
    "voc/annotations/orphan.xml": (0, 0, None),
    "voc/annotations/parts.xml": (1, 1, ""),
    "label_map/ok.pbtxt": (ANY, 2, ""),
    "label_map/id_zero_dog.pbtxt": (ANY, 0, "'dog' has id 0"),
    "label_map/id_gap.pbtxt": (ANY, 3, ""),
    "label_map/name_dup.pbtxt": (ANY, 0, "is used twice"),
    "label_map/comments.pbtxt": (ANY, 1, ""),
    "label_map/missing_id.pbtxt": (ANY, 0, "has no id"),
    "label_map/escapes.pbtxt": (ANY, 2, ""),
    "label_map/crlf_bom.pbtxt": (ANY, 1, ""),
    "label_map/empty.pbtxt": (ANY, 0, None),
    "label_map/unicode.pbtxt": (ANY, 1, ""),
    "label_map/many_20000.pbtxt": (ANY, 0, "is the limit"),
    # The two pictures are one photo, byte for byte: stored once, and said; it has both's boxes.
    "yolo/ok": (1, 2, "in the project already"),
    "yolo/list_and_txt": (1, 2, "'../../../../etc/hosts' means no image"),
    "yolo/yaml_bomb": (1, 0, "has an alias"),
    "yolo/nc_mismatch": (1, 2, "nc: 3 and names 2 classes"),
    "yolo/bad_labels": (1, ANY, "It has 4 fields"),
    "coco/ok.json": (1, 2, "in the project already"),
    "coco/missing_files.json": (1, ANY, None),
    "coco/crowd_rle.json": (1, ANY, "marked as a crowd"),
    "coco/no_bbox_only_seg.json": (1, ANY, None),
    "coco/nan.json": (1, 0, "not four finite numbers"),
    "coco/string_ids.json": (1, ANY, None),
    "coco/file_name_paths.json": (1, ANY, None),
    "coco/no_categories.json": (1, 0, 'no "categories"'),
    "coco/truncated.json": (1, 0, "cut short"),
    "coco/results_format.json": (1, 0, "COCO results"),
    "csv/ok.csv": (2, 1, ""),
    "csv/quoted.csv": (2, 1, ""),
    "csv/formula.csv": (2, 1, ""),
}


def all_cases() -> list[str]:
    if not HOSTILE.is_dir():
        return []
    return [case["file"] for case in json.loads((HOSTILE / "MANIFEST.json").read_text("utf-8"))]


def expected_of(case: str) -> Expected:
    """A case that no table knows is a photo that must be taken without a word."""
    if case.startswith("images/"):
        return IMAGES.get(case.removeprefix("images/"), (1, 0, ""))
    return (1, 0, "") if case.startswith("names/") else OTHERS[case]


def files_of(case: str) -> dict[str, bytes]:
    """What a person would choose who has this case among their files."""
    kind, _, name = case.partition("/")
    path = HOSTILE / case
    if kind == "names":
        with zipfile.ZipFile(HOSTILE / "names.zip") as archive:
            return {name: archive.read(name)}
    if kind == "voc":
        found = {f"annotations/{path.name}": path.read_bytes()}
        photo = path.stem if path.stem != "filename_noext" else "ok"
        picture = HOSTILE / "voc" / "images" / f"{photo}.jpg"
        return found | (
            {f"images/{picture.name}": picture.read_bytes()} if picture.exists() else {}
        )
    if kind == "yolo":
        files = [file for file in sorted(path.rglob("*")) if file.is_file()]
        return {file.relative_to(path).as_posix(): file.read_bytes() for file in files}
    if kind == "coco":
        pictures = sorted((HOSTILE / "coco" / "images").iterdir())
        return {name: path.read_bytes()} | {f"images/{p.name}": p.read_bytes() for p in pictures}
    if kind == "csv":
        picture = (HOSTILE / "voc" / "images" / "ok.jpg").read_bytes()
        return {name: path.read_bytes(), "ok.jpg": picture, "a, b.jpg": picture + b"\n"}
    return {name: path.read_bytes()}


class KeptDecoder(Decoder):
    """One child for all cases: to start one takes longer than the cases do."""

    def stop(self) -> None:
        pass


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    kept = KeptDecoder()
    yield kept
    kept.close()


@pytest.fixture(autouse=True)
def in_this_thread(monkeypatch: pytest.MonkeyPatch, decoder: Decoder) -> None:
    """One decoder, and no thread beside the test's, which holds the database."""
    monkeypatch.setattr("workers.photo_pipeline.cores", lambda: 1)
    monkeypatch.setattr(PhotoPipeline, "_decoder", lambda self: decoder)

    class NoKeeper(contextlib.nullcontext[Any]):
        def check(self) -> None:
            pass

        def __enter__(self) -> Any:
            return self

    monkeypatch.setattr("workers.importing.LeaseKeeper", NoKeeper)


@pytest.fixture(autouse=True)
def bounded(shared: Path, media: Path, tmp_path: Path) -> Iterator[None]:
    """No case takes long, leaves much memory behind, or anything that should not be there."""
    before, started = peak_memory(), time.perf_counter()
    yield
    assert time.perf_counter() - started < MAX_SECONDS
    assert peak_memory() - before < MAX_GROWTH
    stored = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in stored if "HOSTILE" in path.name or path.name == "HACKED"]
    assert not [path for path in stored if CANARY in path.read_bytes()]
    assert not Path("HACKED").exists()
    assert not Path("/tmp/HOSTILE_ABS.jpg").exists()


def peak_memory() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def upload(client: Any, project: Any, files: dict[str, bytes]) -> ImageImport:
    """Through the addresses that the browser uses; the worker's part is done here."""
    base = f"/projects/{project.pk}/imports/"
    announced = {"name": next(iter(files))[-200:], "files": len(files), "bytes": 1}
    pk = client.post(f"{base}new/", announced).json()["id"]
    for name, data in files.items():
        sent = {"name": name, "file": SimpleUploadedFile("blob", data)}
        assert client.post(f"{base}{pk}/files/", sent).status_code == 201
    client.post(f"{base}{pk}/start/", headers={"Accept": "application/json"})
    run_import(pk, "test")
    row = ImageImport.objects.get(pk=pk)
    if row.needs_answer:
        page = client.get(f"{base}{pk}/preview/").content
        assert CANARY not in page
        assert b"<img src=x onerror" not in page
        assert row.answer({})
        run_import(pk, "test")
        row.refresh_from_db()
    return row


@pytest.mark.parametrize("case", all_cases())
def test_uploaded(case: str, client_of: Any, owner: Any, project: Any) -> None:
    taken, boxes, words = expected_of(case)
    client = client_of(owner)
    if case.startswith("label_map/"):
        uploaded_label_map(case, client, project)
        return
    row = upload(client, project, files_of(case))
    assert (row.status, row.reason) == (Status.FINISHED, "")
    assert row.num_taken == taken
    assert boxes in (ANY, Annotation.objects.count())
    said = "\n".join(map(str, row.problems.all()))
    assert words is None or (words in said if words else not said), said
    assert "CANARY" not in said
    for address in (f"imports/{row.pk}/", "images/"):
        page = client.get(f"/projects/{project.pk}/{address}")
        assert page.status_code == 200
        assert CANARY not in page.content
        assert b"<img src=x onerror" not in page.content
    for image in project.images.all():
        original = client.get(f"/projects/{project.pk}/images/{image.pk}/original")
        assert original["Content-Type"].startswith(("image/", "application/octet-stream"))
        assert original["Content-Type"] != "image/svg+xml"
        assert original["X-Content-Type-Options"] == "nosniff"
        assert original["Content-Security-Policy"] == "default-src 'none'; sandbox"


def uploaded_label_map(case: str, client: Any, project: Any) -> None:
    _, labels, words = expected_of(case)
    project.labels.all().delete()
    project.next_class_id = 1
    project.save()
    file = SimpleUploadedFile("label_map.pbtxt", (HOSTILE / case).read_bytes())
    answer = client.post(f"/projects/{project.pk}/labels/import/", {"file": file}, follow=True)
    assert project.labels.count() == labels
    if words:
        assert words.replace("'", "&#x27;") in answer.content.decode()


@pytest.mark.parametrize("case", all_cases())
def test_converted(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    command = ["convert", "--to", "tfrecord"]
    kind = case.split("/")[0]
    if kind == "label_map":
        files = files_of("voc/annotations/ok.xml")
        command += ["--label-map", str(HOSTILE / case)]
    else:
        files = files_of(case)
    if kind == "archives":
        source = HOSTILE / case
    else:
        for name, data in with_annotation(kind, files).items():
            path = source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    status = main([*command, str(source), str(target)])
    printed = capsys.readouterr()
    assert status in (0, 1)
    assert "Traceback" not in printed.err
    assert CANARY.decode() not in printed.err + printed.out
    _, boxes, words = expected_of(case)
    if status:
        assert printed.err.startswith("convert: ")
    elif kind in ("images", "names"):
        assert f"{0 if words else 1} images" in printed.out.replace("1 image ", "1 images ")
    elif kind == "voc" and boxes >= 0:
        assert f"{boxes} box" in printed.out
    if kind in ("images", "label_map") and words and ".svg" not in words and ".ico" not in words:
        assert words in printed.err


def with_annotation(kind: str, files: dict[str, bytes]) -> dict[str, bytes]:
    """Pictures alone are nothing to convert: they come with a Pascal VOC file each."""
    if kind not in ("images", "names"):
        return files
    text = "<annotation><object><name>dog</name><bndbox><xmin>0</xmin><ymin>0</ymin>"
    text += "<xmax>1</xmax><ymax>1</ymax></bndbox></object></annotation>"
    return files | {f"{name.rpartition('.')[0]}.xml": text.encode() for name in files}
