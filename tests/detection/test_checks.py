"""Each check: what it finds, and what its fix leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from detection.checks import CHECKS, FIX_KINDS, mend, run_checks
from detection.checks.finding import Finding
from detection.checks.label_variants import meaning_of
from detection.checks.survey import (
    ListedLabel,
    PictureFacts,
    Survey,
    SurveyedBox,
    SurveyedImage,
    apply_edits,
)
from detection.types import Problem

Row = tuple[str, float, float, float, float]
PICTURE = PictureFacts(200, 100)


def image(name: str = "a.jpg", boxes: Sequence[Row] = (), **fields: object) -> SurveyedImage:
    rows = tuple(
        SurveyedBox(number, label, tuple(corners), line=number * 10)
        for number, (label, *corners) in enumerate(boxes, 1)
    )
    fields.setdefault("picture", PICTURE)
    return SurveyedImage(name, annotation=name[:-4] + ".xml", boxes=rows, **fields)


def found(key: str, *images: SurveyedImage, **fields: object) -> list[Finding]:
    survey = Survey(images, **fields)
    return next(check for check in CHECKS if check.key == key).find(survey)


def mended(key: str, *images: SurveyedImage) -> list[list[tuple[float, ...]]]:
    survey, _ = mend(Survey(images), [key])
    assert not next(check for check in CHECKS if check.key == key).find(survey)
    return [[box.xyxy for box in image.boxes] for image in survey.images]


GOOD = ("cat", 10.0, 10.0, 60.0, 50.0)


def test_a_good_set_gives_nothing() -> None:
    boxes = [GOOD, ("cat", 70, 10, 120, 50)] * 5
    rows = [image(f"{n}.jpg", [boxes[n]], declared=(200, 100), gives_size=True) for n in range(10)]
    assert [result for result in run_checks(Survey(tuple(rows))) if result.findings] == []


def test_inverted() -> None:
    bad = image(boxes=[GOOD, ("cat", 90, 10, 60, 50)])
    (finding,) = found("inverted", bad)
    assert (finding.severity, finding.box, finding.line) == ("error", 2, 20)
    assert finding.message == "Box 2 (cat) has xmin 90 above xmax 60."
    assert mended("inverted", bad) == [[GOOD[1:], (60, 10, 90, 50)]]


def test_outside() -> None:
    bad = image(boxes=[("cat", 150, 10, 212, 50), ("cat", 300, 10, 400, 50), GOOD])
    clip, remove = found("outside", bad)
    assert clip.message == "Box 1 (cat) has xmax 212 in an image 200 wide and 100 high."
    assert clip.fix is not None
    assert clip.fix.words == "Clip xmax to 200."
    assert remove.severity == "error"
    assert mended("outside", bad) == [[(150, 10, 200, 50), GOOD[1:]]]


def test_a_hair_over_the_edge_is_nothing() -> None:
    assert found("outside", image(boxes=[("cat", -0.004, 0, 200.004, 50)])) == []


def test_tiny() -> None:
    bad = image(boxes=[("cat", 50, 60, 50, 60), ("cat", 10, 10, 10.5, 90), GOOD])
    none, thin = found("tiny", bad)
    assert none.message == "Box 1 (cat) has no area: 50 60 to 50 60."
    assert "0.5 x 80 px" in thin.message
    assert mended("tiny", bad) == [[GOOD[1:]]]


def test_duplicate_boxes() -> None:
    near = ("cat", 10.4, 10.0, 60.0, 50.2)
    bad = image(boxes=[GOOD, ("dog", *GOOD[1:]), GOOD, near, ("cat", 12, 12, 58, 45)])
    findings = found("duplicate-boxes", bad)
    assert [finding.box for finding in findings] == [2, 3, 4]
    assert findings[0].fix is None  # Which of two labels is right, only a person can tell.
    assert "equals box 1" in findings[1].message
    assert "almost exactly" in findings[2].message
    survey, _ = mend(Survey((bad,)), ["duplicate-boxes"])
    assert [box.number for box in survey.images[0].boxes] == [1, 2, 5]


def test_whole_image() -> None:
    bad = image(boxes=[("cat", 0, 0, 200, 100), ("cat", 0, 0, 150, 100)])
    assert [finding.box for finding in found("whole-image", bad)] == [1]


def test_fractions_in_a_pixel_format() -> None:
    bad = image(boxes=[("cat", 0.1, 0.2, 0.5, 0.8), ("cat", 0, 0, 1, 1)])
    (finding,) = found("units", bad)
    assert "fractions where pixels belong" in finding.message
    assert found("tiny", bad) == []  # Boxes in other units are judged by no other check.
    assert mended("units", bad) == [[(20, 20, 100, 80), (0, 0, 200, 100)]]


def test_pixels_in_a_format_of_fractions() -> None:
    # The line "0 100 50 40 20", multiplied by the size as fractions are.
    x, y, width, height = 100 * 200, 50 * 100, 40 * 200, 20 * 100
    box = ("cat", x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    bad = image(boxes=[box], relative=True)
    (finding,) = found("units", bad)
    assert "box 1 is 100 50 40 20" in finding.message
    assert mended("units", bad) == [[(80, 40, 120, 60)]]


def test_size_of_a_picture_that_was_resized() -> None:
    bad = image(boxes=[("cat", 20, 20, 100, 60)], declared=(400, 200), gives_size=True)
    (finding,) = found("size", bad)
    assert "resized after it was labelled" in finding.message
    assert mended("size", bad) == [[(10, 10, 50, 30)]]


def test_wrong_and_missing_size() -> None:
    wrong = image("a.jpg", [GOOD], declared=(640, 480), gives_size=True)
    missing = image("b.jpg", [GOOD], gives_size=True)
    findings = found("size", wrong, missing)
    assert [finding.severity for finding in findings] == ["warning", "info"]
    assert mended("size", wrong, missing) == [[GOOD[1:]], [GOOD[1:]]]


def test_boxes_from_before_the_exif_turn() -> None:
    turned = replace(PICTURE, width=100, height=200, orientation=6)
    stored = image("a.jpg", [("cat", 0, 0, 200, 50)], picture=turned, declared=(200, 100))
    upright = image("b.jpg", [("cat", 0, 0, 50, 200)], picture=turned, declared=(100, 200))
    (finding,) = found("turned", stored, upright)
    assert finding.file == "a.xml"
    # Orientation 6 turns a quarter clockwise: the upper half comes to lie on the right.
    assert mended("turned", stored) == [[(50, 0, 100, 200)]]


def test_turn_without_a_size_is_told_from_the_boxes_or_not_at_all() -> None:
    turned = replace(PICTURE, width=100, height=200, orientation=8)
    sure = image("a.jpg", [("cat", 120, 0, 190, 50)], picture=turned)
    unsure = image("b.jpg", [("cat", 20, 20, 50, 50)], picture=turned)
    certain, doubtful = found("turned", sure, unsure)
    assert certain.fix is not None
    assert doubtful.severity == "warning"
    assert mend(Survey((unsure,)), ["turned"])[1] == []
    survey, _ = mend(Survey((unsure,)), ["turned-unsure"])
    assert survey.images[0].boxes[0].xyxy == (20, 150, 50, 180)


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        ("Cat", "cat", "capital letters"),
        ("guinea_pig", "guinea pig", "spaces or dashes"),
        ("caf\u00e9", "cafe\u0301", "Unicode form"),
        ("\uff43at", "cat", "spelling"),
    ],
)
def test_label_variants(one: str, other: str, words: str) -> None:
    assert meaning_of(one) == meaning_of(other)
    rows = [image("a.jpg", [(other, 1, 1, 50, 50)] * 2), image("b.jpg", [(one, 1, 1, 50, 50)])]
    (finding,) = found("label-variants", *rows)
    assert words in finding.message
    survey, _ = mend(Survey(tuple(rows)), ["label-variants"])
    assert {box.label for row in survey.images for box in row.boxes} == {other}


def test_different_labels_are_not_variants() -> None:
    assert found("label-variants", image(boxes=[("cat", 1, 1, 9, 9), ("cats", 1, 1, 9, 9)])) == []


def test_label_ids() -> None:
    listed = (
        ListedLabel("label_map.pbtxt", 0, "cat", 2),
        ListedLabel("other.pbtxt", 1, "dog", 2),
        ListedLabel("other.pbtxt", 1, "cow", 6),
        ListedLabel("classes.txt", 0, "dog", 1, first_id=0),
    )
    messages = [
        str(f) for f in found("label-ids", image(boxes=[("fox", 1, 1, 9, 9)]), labels=listed)
    ]
    assert messages[0].startswith("label_map.pbtxt, line 2: 'cat' has id 0; ids start at 1")
    assert messages[1] == "other.pbtxt, line 6: Id 1 is 'cow' here and 'dog' before (line 2)."
    assert messages[2].endswith("'fox' (1 box) is not in label_map.pbtxt.")
    assert len(messages) == 3  # The dog's 0 in classes.txt is its 1 in a label map.


def test_few_boxes() -> None:
    rows = [image(f"{n}.jpg", [GOOD]) for n in range(10)]
    rows.append(image("x.jpg", [("dog", 1, 1, 50, 50)]))
    labels = (ListedLabel("label_map.pbtxt", 1, "cow", 3),)
    findings = found("few-boxes", *rows, labels=labels)
    assert [finding.message.split()[0] for finding in findings] == ["'cow'", "'dog'"]


def test_small_boxes() -> None:
    big = replace(PICTURE, width=3000, height=3000)
    rows = [image("a.jpg", [("cat", 1, 1, 91, 91)] * 3 + [("cat", 1, 1, 900, 900)], picture=big)]
    (finding,) = found("small-boxes", *rows)
    assert finding.message.startswith("3 of 4 boxes of 'cat' are under 16 px")


def test_same_stem_and_unpaired() -> None:
    rows = [image("images/a.jpg"), image("images/a.png"), image("test/a.jpg")]
    (finding,) = found("same-stem", *rows)
    assert (finding.file, finding.related) == ("images/a.png", ("images/a.jpg",))
    alone = replace(image("b.jpg"), annotation="")
    orphan = Problem("c.xml", "There is no image of its name. Left out.", "refused")
    lost, unlabelled = found("unpaired", image(), alone, orphans=(orphan,))
    assert (lost.severity, unlabelled.file) == ("error", "b.jpg")


HASH = "0123456789abcdef" * 4
OTHER = "fedcba9876543210" * 4


def hashed(text: str, sha256: str = "", **fields: object) -> PictureFacts:
    return replace(PICTURE, perceptual_hash=text, sha256=sha256, **fields)


def test_empty_images() -> None:
    full = image("a.jpg", [GOOD], picture=hashed(HASH))
    forgotten = image("b.jpg", picture=hashed(HASH))
    negative = image("c.jpg", picture=hashed(OTHER))
    not_yet = replace(image("d.jpg"), state="new")
    findings = found("empty-images", full, forgotten, negative, not_yet)
    assert [(f.image, f.severity) for f in findings] == [("b.jpg", "warning"), ("c.jpg", "info")]
    assert findings[0].related == ("a.jpg",)


def test_colours() -> None:
    modes = {"a.jpg": "RGB", "b.jpg": "L", "c.jpg": "CMYK", "d.png": "I;16", "e.png": "RGBA"}
    rows = [image(name, picture=replace(PICTURE, mode=mode)) for name, mode in modes.items()]
    assert [f.image for f in found("colours", *rows)] == ["b.jpg", "c.jpg", "d.png", "e.png"]
    grey = [image(f"{n}.jpg", picture=replace(PICTURE, mode="L")) for n in range(9)]
    (finding,) = found("colours", *grey)
    assert finding.message.startswith("All 9 pictures are like it")


def test_unreadable() -> None:
    problem = Problem("a.xml", "Box 1 has no <bndbox>. Left out.", "refused", 7)
    broken = SurveyedImage("b.jpg", refused="The JPEG is cut short.")
    lines = [str(f) for f in found("unreadable", image(problems=(problem,)), broken)]
    assert lines == [
        "a.xml, line 7: Box 1 has no <bndbox>. Left out.",
        "b.jpg: The JPEG is cut short.",
    ]


def test_exact_copies_in_two_splits() -> None:
    rows = [
        image("a.jpg", [GOOD], picture=hashed(HASH, "x"), split="val"),
        image("b.jpg", picture=hashed(HASH, "x"), split="train"),
    ]
    (finding,) = found("duplicate-images", *rows)
    assert finding.severity == "error"
    assert "Their boxes differ. They lie in train and val." in finding.message
    assert found("near-duplicates", *rows) == []
    survey, _ = mend(Survey(tuple(rows)), ["duplicate-images"])
    assert {row.split for row in survey.images} == {"train"}


def test_near_duplicates_across_splits_and_within_one() -> None:
    rows = [
        image("a.jpg", picture=hashed(HASH), split="test"),
        image("b.jpg", picture=hashed(HASH[:-1] + "e"), split="val"),
        image("x.jpg", picture=hashed("00ff" * 16), split="val"),
        image("y.jpg", picture=hashed("00ff" * 16), split="val"),
    ]
    across, within = found("near-duplicates", *rows)
    assert across.fix is not None
    assert across.fix.words == "Move 1 image from test to val."
    assert (within.severity, within.fix) == ("info", None)


def test_video_frames() -> None:
    def frame(number: int, **fields: object) -> SurveyedImage:
        changed = f"{number:064x}"
        return image(f"clip/f_{number:04}.jpg", picture=hashed(changed), **fields)

    rows = [frame(n, split="val" if n == 3 else "train") for n in range(5)]
    rows.append(image("clip/f_0009.jpg", picture=hashed("f" * 64), split="val"))
    (finding,) = found("video-frames", *rows)
    assert "f_0000.jpg to clip/f_0004.jpg look like 5 frames" in finding.message
    assert finding.fix is not None
    assert [edit.image for edit in finding.fix.edits] == ["clip/f_0003.jpg"]
    project = [frame(n, state="done") for n in range(5)]
    (finding,) = found("video-frames", *project)
    assert finding.fix is not None
    mended_survey = apply_edits(Survey(tuple(project)), finding.fix.edits)
    assert {row.group for row in mended_survey.images} == {"f 0000"}
    assert found("video-frames", *mended_survey.images) == []


def test_splits_without_a_label() -> None:
    rows = [
        image("a.jpg", [GOOD, ("dog", 1, 1, 9, 9)], split="train"),
        image("b.jpg", [GOOD, ("cow", 1, 1, 9, 9)], split="val"),
    ]
    learn, judge = found("splits", *rows)
    assert (learn.severity, judge.severity) == ("error", "warning")
    assert "'cow' lies in train, where it cannot be learned" in learn.message
    assert found("splits", image()) == []


def test_fixes_build_on_each_other() -> None:
    # Inverted, and over the edge, and then equal to another.
    bad = image(boxes=[("cat", 100, 10, 200, 50), ("cat", 260, 10, 100, 50), ("cat", 9, 9, 9, 9)])
    survey, edits = mend(Survey((bad,)), FIX_KINDS)
    assert [box.xyxy for box in survey.images[0].boxes] == [(100, 10, 200, 50)]
    assert [edit.action for edit in edits] == [
        "move_box", "move_box", "remove_box", "remove_box",
    ]  # fmt: skip
    assert apply_edits(Survey((bad,)), edits) == survey
