"""Imports: what is good is taken, what is not is named, nothing is taken twice."""

import io
import uuid
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image as PillowImage

from tests.browser.photos import draw_shapes, voc_xml
from webapp.datasets.models import Image, ImageImport, ImportFile
from webapp.labeling.models import Annotation
from webapp.leases import Status
from workers.importing import Importer, run_import
from workers.photo_pipeline import PhotoPipeline

pytestmark = pytest.mark.django_db(transaction=True)


def upload(project: Any, user: Any, *files: tuple[str, bytes]) -> ImageImport:
    image_import = ImageImport.objects.create(
        project=project, created_by=user, name=files[0][0], status=Status.DRAFT, plan={}
    )
    for name, data in files:
        file = ImportFile.objects.create(image_import=image_import, name=name, bytes=len(data))
        default_storage.save(file.path, ContentFile(data))
    assert image_import.submit()
    return image_import


def run(image_import: ImageImport) -> ImageImport:
    run_import(image_import.pk, "test")
    image_import.refresh_from_db()
    return image_import


def make_zip(entries: dict[str, bytes | str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def in_twos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.photo_pipeline.BATCH_PHOTOS", 2)
    monkeypatch.setattr("workers.photo_pipeline.BATCH_SECONDS", 600)


def sentences(image_import: ImageImport) -> list[str]:
    return [f"{problem.file}: {problem.message}" for problem in image_import.problems.all()]


def test_takes_a_zip_with_boxes_splits_and_folders(owner: Any, project: Any) -> None:
    entries: dict[str, bytes | str] = {}
    for seed, split in ((1, "train"), (2, "train"), (3, "valid")):
        data, boxes = draw_shapes(seed)
        entries[f"set/{split}/{seed}.jpg"] = data
        entries[f"set/{split}/{seed}.xml"] = voc_xml(f"{seed}.jpg", (400, 300), boxes)
    done = run(upload(project, owner, ("set.zip", make_zip(entries))))
    assert (done.status, done.reason) == (Status.FINISHED, "")
    assert (done.num_taken, done.num_boxes, done.num_refused) == (3, 6, 0)
    assert done.format == "Pascal VOC"
    images = {image.name: image for image in project.images.all()}
    assert images["set/valid/3.jpg"].split == "val"
    assert images["set/train/1.jpg"].state == Image.State.DONE
    assert images["set/train/1.jpg"].box_count == 2
    assert set(project.labels.values_list("name", flat=True)) == {"cat", "dog", "disc", "square"}
    assert not default_storage.exists(done.staging_prefix + "/1"), "the staged bytes are gone"


def test_loose_photos_pair_with_loose_annotations(owner: Any, project: Any) -> None:
    data, boxes = draw_shapes(7)
    xml = voc_xml("elsewhere.jpg", (400, 300), boxes).encode()
    done = run(upload(project, owner, ("holiday/7.jpg", data), ("holiday/7.xml", xml)))
    assert (done.num_taken, done.num_boxes) == (1, 2)


def test_a_box_beyond_the_edge_is_clipped_and_said(owner: Any, project: Any) -> None:
    data, _ = draw_shapes(8)
    xml = voc_xml("8.jpg", (400, 300), [("disc", [350, 10, 412, 60])]).encode()
    done = run(upload(project, owner, ("8.jpg", data), ("8.xml", xml)))
    assert Annotation.objects.get().xmax == 400
    assert any("412" in sentence and "400" in sentence for sentence in sentences(done))


def test_bad_files_are_named_and_the_rest_goes_on(owner: Any, project: Any) -> None:
    good, _ = draw_shapes(9)
    svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    done = run(
        upload(
            project,
            owner,
            ("good.jpg", good),
            ("short.jpg", good[: len(good) // 3]),
            ("text.jpg", b"this is no picture"),
            ("picture.svg", svg),
            ("broken.zip", b"PK\x03\x04 noise"),
        )
    )
    assert done.status == Status.FINISHED
    assert done.num_taken == 1
    words = "\n".join(sentences(done))
    for name in ("short.jpg", "text.jpg", "picture.svg", "broken.zip"):
        assert name in words
    assert "good.jpg" not in words


def test_the_same_photo_is_stored_once_and_said(owner: Any, project: Any) -> None:
    data, boxes = draw_shapes(10)
    run(upload(project, owner, ("a.jpg", data)))
    xml = voc_xml("b.jpg", (400, 300), boxes).encode()
    second = run(upload(project, owner, ("b.jpg", data), ("b.xml", xml)))
    assert (second.num_taken, second.num_known) == (0, 1)
    assert project.images.count() == 1
    assert project.images.get().box_count == 2, "boxes that came later were added"
    third = run(upload(project, owner, ("b.jpg", data), ("b.xml", xml)))
    assert project.images.get().box_count == 2, third


def test_the_same_photo_twice_in_one_upload_is_said(owner: Any, project: Any) -> None:
    data, _ = draw_shapes(12)
    done = run(upload(project, owner, ("a.jpg", data), ("copy of a.jpg", data)))
    assert (done.num_taken, done.num_known) == (1, 1)


def test_annotations_alone_find_the_photo_that_is_here(owner: Any, project: Any) -> None:
    data, boxes = draw_shapes(11)
    run(upload(project, owner, ("street/11.jpg", data)))
    xml = voc_xml("11.jpg", (400, 300), boxes).encode()
    done = run(upload(project, owner, ("11.xml", xml), ("nobody.xml", xml)))
    assert project.images.get().box_count == 2
    assert any("nobody.xml" in sentence for sentence in sentences(done))


def test_a_batch_whose_lease_is_lost_is_taken_back_whole(
    owner: Any, project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = [(f"{seed}.jpg", draw_shapes(seed)[0]) for seed in range(20, 26)]
    image_import = upload(project, owner, *photos)
    in_twos(monkeypatch)
    real = Importer._take_batch
    batches: list[Any] = []

    def another_worker_comes(self: Importer, source: Any, batch: Any) -> None:
        real(self, source, batch)
        batches.append(batch)
        if len(batches) == 2:
            self.row.lease_token = uuid.uuid4()  # as if another had claimed the row

    monkeypatch.setattr(Importer, "_take_batch", another_worker_comes)
    run_import(image_import.pk, "test")
    assert project.images.count() == 2
    monkeypatch.setattr(Importer, "_take_batch", real)
    ImageImport.objects.filter(pk=image_import.pk).update(status=Status.QUEUED)
    done = run(image_import)
    assert (done.num_taken, done.num_known, done.num_done) == (6, 0, 6)
    assert project.images.count() == 6


def test_an_import_that_goes_on_says_nothing_twice(
    owner: Any, project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, _ = draw_shapes(1)
    over = voc_xml("1.jpg", (400, 300), [("disc", [350, 10, 412, 60])])
    entries: dict[str, bytes | str] = {
        "1.jpg": data,
        "1.xml": over,
        "notes.doc": "x",
        "bad.jpg": "x",
    }
    entries |= {f"{seed}.jpg": draw_shapes(seed)[0] for seed in range(2, 6)}
    image_import = upload(project, owner, ("set.zip", make_zip(entries)))
    in_twos(monkeypatch)
    monkeypatch.setattr(Importer, "_take_orphan", None)
    real = PhotoPipeline.batches

    def dies(self: PhotoPipeline, *arguments: Any) -> Any:
        for number, batch in enumerate(real(self, *arguments)):
            if number == 2:
                raise KeyboardInterrupt
            yield batch

    monkeypatch.setattr(PhotoPipeline, "batches", dies)
    with pytest.raises(KeyboardInterrupt):
        run_import(image_import.pk, "test")
    image_import.refresh_from_db()
    assert (image_import.num_passed, image_import.num_refused) == (4, 1)
    monkeypatch.setattr(PhotoPipeline, "batches", real)
    ImageImport.objects.filter(pk=image_import.pk).update(status=Status.QUEUED)
    done = run(image_import)
    assert (done.num_found, done.num_done, done.num_taken, done.num_refused) == (6, 6, 5, 1)
    said = sentences(done)
    assert len(said) == len(set(said)) == 3, said


def test_an_import_ends_in_words_where_the_disk_is_full(
    owner: Any, project: Any, settings: Any
) -> None:
    settings.KEEP_FREE_BYTES = 1 << 60
    done = run(upload(project, owner, ("a.jpg", draw_shapes(1)[0])))
    assert done.status == Status.FAILED
    assert "are kept free" in done.reason


def test_a_photo_that_kills_its_decoder_is_refused_and_the_rest_goes_on(
    owner: Any, project: Any, settings: Any
) -> None:
    settings.DECODE_MEMORY_BYTES = 48 * 1024**2
    buffer = io.BytesIO()
    PillowImage.effect_noise((5000, 4000), 60).convert("RGB").save(buffer, "PNG", compress_level=0)
    photos = [("huge.png", buffer.getvalue()), ("small.jpg", draw_shapes(3)[0])]
    done = run(upload(project, owner, *photos))
    assert (done.status, done.num_taken, done.num_refused) == (Status.FINISHED, 1, 1)
    assert "memory" in sentences(done)[0]


def test_exif_turn_is_applied_once_for_picture_and_boxes(owner: Any, project: Any) -> None:
    data, _ = draw_shapes(30)
    turned = PillowImage.open(io.BytesIO(data))
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    turned.save(buffer, "JPEG", exif=exif)
    # Drawn by a tool that shows pictures upright: 300 wide, 400 high.
    xml = voc_xml("t.jpg", (300, 400), [("disc", [10, 20, 110, 220])]).encode()
    run(upload(project, owner, ("t.jpg", buffer.getvalue()), ("t.xml", xml)))
    image = project.images.get()
    assert (image.width, image.height) == (300, 400)
    with default_storage.open(image.preview_path) as file:
        assert PillowImage.open(file).size == (300, 400)
    box = Annotation.objects.get()
    assert (box.xmin, box.ymin, box.xmax, box.ymax) == (10, 20, 110, 220)


@pytest.mark.parametrize("folder", ["archives", "images"])
def test_hostile_uploads_neither_crash_nor_escape(
    owner: Any, project: Any, shared: Path, media: Path, tmp_path: Path, folder: str
) -> None:
    files = sorted((shared / "data" / "hostile" / folder).iterdir())
    done = run(upload(project, owner, *[(file.name, file.read_bytes()) for file in files]))
    assert (done.status, done.reason) == (Status.FINISHED, "")
    assert done.num_taken > 0
    stored = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert all(path.is_relative_to(media) for path in stored)
    assert not any("HOSTILE" in path.name or "HACKED" in path.name for path in stored)
    assert not any(b"CANARY-7f3a" in path.read_bytes() for path in stored)
    assert "CANARY" not in "\n".join(sentences(done))
