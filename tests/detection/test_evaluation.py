"""Evaluation: COCO's numbers, the threshold, the confusion matrix and the worst errors."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from detection.evaluation import evaluate, quick_scores, worst_images
from detection.evaluation.coco_scores import SUMMARY, coco_scores
from detection.evaluation.matching import match_image
from detection.evaluation.thresholds import confusion_matrix
from detection.label_map import LabelMap, LabelMapItem
from detection.types import Box, Detection, LabelledImage

LABELS = LabelMap((LabelMapItem(1, "cat"), LabelMapItem(5, "dog")))
CAT = (10.0, 10.0, 110.0, 110.0)
DOG = (200.0, 50.0, 300.0, 150.0)
NOWHERE = (400.0, 300.0, 500.0, 400.0)


def found(label: str, score: float, xyxy: tuple[float, float, float, float]) -> Detection:
    return Detection(label, LABELS.by_name[label].id, score, *xyxy)


def image(*boxes: Box, name: str = "a.jpg") -> LabelledImage:
    return LabelledImage(name, 640, 480, boxes)


PAIR = image(Box("cat", *CAT), Box("dog", *DOG))


@pytest.mark.parametrize("group", ["coco", "coco_with_is_crowd"])
def test_agrees_with_the_object_detection_api(shared: Path, group: str) -> None:
    folder = shared / "reference/odapi/eval"
    inputs = json.loads((folder / "inputs.json").read_text())
    wanted = json.loads((folder / "metrics.json").read_text())[group]
    label_map = LabelMap(tuple(LabelMapItem(c["id"], c["name"]) for c in inputs["categories"]))
    images, detections = [], []
    for entry in inputs["images"]:
        boxes = []
        for (ymin, xmin, ymax, xmax), class_id, crowd in zip(
            entry["gt_boxes"], entry["gt_classes"], entry["gt_is_crowd"], strict=True
        ):
            name = label_map.by_id[class_id].name
            crowd = bool(crowd) and group == "coco_with_is_crowd"
            boxes.append(Box(name, xmin, ymin, xmax, ymax, crowd=crowd))
        images.append(
            LabelledImage(entry["image_id"], entry["width"], entry["height"], tuple(boxes))
        )
        detections.append(
            [
                Detection(label_map.by_id[class_id].name, class_id, score, xmin, ymin, xmax, ymax)
                for (ymin, xmin, ymax, xmax), class_id, score in zip(
                    entry["det_boxes"], entry["det_classes"], entry["det_scores"], strict=True
                )
            ]
        )
    scores = coco_scores(images, detections, label_map)
    numbers = [value for name, value in wanted.items() if name != "per_class"]
    assert len(numbers) == len(SUMMARY) == 12
    assert list(scores.summary.values()) == pytest.approx(numbers, abs=1e-6)
    for item in label_map:
        theirs = wanted["per_class"][item.name]
        if theirs["AP"] == -1:
            assert item.id not in scores.labels
        else:
            assert scores.labels[item.id].ap == pytest.approx(theirs["AP"], abs=1e-6)
            assert scores.labels[item.id].ap_50 == pytest.approx(theirs["AP50"], abs=1e-6)


def test_a_perfect_detector_scores_one() -> None:
    metrics = evaluate([PAIR], [[found("cat", 0.9, CAT), found("dog", 0.8, DOG)]], LABELS)
    assert metrics["map_50_95"] == metrics["map_50"] == metrics["map_75"] == 1.0
    assert metrics["map_small"] is None
    assert metrics["recall"] == 1.0
    assert (metrics["num_images"], metrics["num_boxes"]) == (1, 2)
    perfect = {"ap": 1.0, "ap_50": 1.0, "ap_50_interval": None, "num_boxes": 1}
    assert metrics["per_label"] == [
        {"id": 1, "label": "cat", **perfect},
        {"id": 5, "label": "dog", **perfect},
    ]
    assert 0 < metrics["score_threshold"] <= 0.8
    assert metrics["confusion"] == {
        "labels": ["cat", "dog", "background"],
        "matrix": [[1, 0, 0], [0, 1, 0], [0, 0, 0]],
    }
    assert metrics["precision_recall"]["cat"][0] == [0.0, 1.0]
    assert metrics["precision_recall"]["cat"][-1] == [1.0, 1.0]
    assert metrics["worst"] == []
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


def test_half_the_boxes_found_with_a_false_one_first() -> None:
    # Best score first: false, right. Precision at the one recall reached (1/2) is 1/2, which
    # holds for the 51 recalls 0.00 to 0.50 of 101.
    two = image(Box("cat", *CAT), Box("cat", *DOG))
    scores = quick_scores([two], [[found("cat", 0.9, NOWHERE), found("cat", 0.5, CAT)]], LABELS)
    assert scores["map_50"] == pytest.approx(0.5 * 51 / 101)
    assert scores["per_label"] == {"cat": pytest.approx(0.5 * 51 / 101), "dog": None}


@pytest.mark.parametrize(
    ("images", "detections"),
    [
        ([], []),
        ([image()], [[]]),
        ([image()], [[found("cat", 0.9, CAT)]]),
        ([image(Box("cat", *CAT, difficult=True))], [[found("cat", 0.9, CAT)]]),
        ([image(Box("bird", *CAT))], [[found("cat", 0.9, CAT)]]),
    ],
)
def test_without_ground_truth_there_is_no_score(
    images: list[LabelledImage], detections: list[list[Detection]]
) -> None:
    metrics = evaluate(images, detections, LABELS)
    assert metrics["map_50_95"] is metrics["map_50"] is metrics["recall"] is None
    assert metrics["map_50_interval"] is None
    assert metrics["num_boxes"] == 0
    assert metrics["score_threshold"] == 0.5
    assert quick_scores(images, detections, LABELS)["per_label"] == {"cat": None, "dog": None}
    json.dumps(metrics, allow_nan=False)


def test_nothing_found_scores_zero() -> None:
    metrics = evaluate([PAIR], [[]], LABELS)
    assert metrics["map_50"] == metrics["recall"] == 0.0
    assert metrics["precision_recall"] == {"cat": [], "dog": []}
    assert metrics["confusion"]["matrix"] == [[0, 0, 1], [0, 0, 1], [0, 0, 0]]
    assert [error["kind"] for error in metrics["worst"]] == ["missed", "missed"]


@pytest.mark.parametrize("mark", ["difficult", "crowd"])
def test_ignored_boxes_make_detections_neither_right_nor_wrong(mark: str) -> None:
    there = image(Box("cat", *CAT), Box("cat", *DOG, **{mark: True}))
    metrics = evaluate([there], [[found("cat", 0.9, DOG), found("cat", 0.8, CAT)]], LABELS)
    assert metrics["map_50_95"] == 1.0
    assert metrics["num_boxes"] == 1
    assert metrics["confusion"]["matrix"] == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert metrics["worst"] == []


def test_threshold_maximises_f1_between_two_scores() -> None:
    # Kept 1: F1 2/3. Kept 2 (one false): 1/2. Kept 3: 4/5, the best. Kept 4: 2/3.
    detections = [
        found("cat", 0.9, CAT),
        found("cat", 0.8, NOWHERE),
        found("dog", 0.7, DOG),
        found("dog", 0.2, NOWHERE),
    ]
    assert evaluate([PAIR], [detections], LABELS)["score_threshold"] == 0.45


def test_confusion_gives_a_box_to_its_own_label_first() -> None:
    detections = [found("dog", 0.9, CAT), found("cat", 0.8, CAT), found("cat", 0.7, DOG)]
    # The dog on the cat is a false detection; the cat on the dog is a wrong label.
    confusion = confusion_matrix([match_image(PAIR, detections, LABELS)], LABELS)
    assert confusion["matrix"] == [[1, 0, 0], [1, 0, 0], [0, 1, 0]]


def test_label_called_background_is_not_the_background() -> None:
    labels = LabelMap.from_names(["background"])
    there = LabelledImage("a.jpg", 640, 480, (Box("background", *CAT),))
    confusion = evaluate([there], [[]], labels)["confusion"]
    assert confusion == {"labels": ["background", "background"], "matrix": [[0, 1], [0, 0]]}


def test_worst_images_names_each_kind_of_error() -> None:
    shifted = (70.0, 10.0, 170.0, 110.0)  # IoU 0.25
    images = [
        image(name="false.jpg"),
        image(Box("cat", *CAT), name="wrong.jpg"),
        image(Box("cat", *CAT), name="poor.jpg"),
        image(Box("dog", *DOG), name="missed.jpg"),
        image(Box("dog", *DOG), name="right.jpg"),
    ]
    detections = [
        [found("cat", 0.95, CAT)],
        [found("dog", 0.8, CAT)],
        [found("cat", 0.7, shifted)],
        [found("dog", 0.1, DOG)],
        [found("dog", 0.9, DOG), found("cat", 0.3, CAT)],
    ]
    worst = worst_images(images, detections, LABELS, 0.5)
    assert [(error["image"], error["kind"]) for error in worst] == [
        ("false.jpg", "false"),
        ("missed.jpg", "missed"),
        ("wrong.jpg", "wrong_label"),
        ("poor.jpg", "poor_box"),
    ]
    wrong = worst[2]
    assert (wrong["label"], wrong["predicted"], wrong["score"], wrong["iou"]) == (
        "cat", "dog", 0.8, 1.0,
    )  # fmt: skip
    assert wrong["box"] == list(CAT)
    assert [(box["kind"], box["label"], box["score"]) for box in wrong["boxes"]] == [
        ("truth", "cat", None),
        ("detection", "dog", 0.8),
    ]
    missed = worst[1]
    assert missed["predicted"] is missed["score"] is missed["iou"] is None
    assert worst[3]["iou"] == 0.25
    assert (worst[0]["width"], worst[0]["height"]) == (640, 480)


def test_worst_images_are_few_and_of_many_images() -> None:
    many = [image(Box("cat", *CAT), name=f"{number}.jpg") for number in range(20)]
    false = [[found("dog", 0.6 + number / 100, NOWHERE) for _ in range(9)] for number in range(20)]
    worst = worst_images(many, false, LABELS, 0.5, most=10)
    assert len(worst) == 10
    assert {error["kind"] for error in worst} == {"missed", "false"}
    names = [error["image"] for error in worst]
    assert max(names.count(name) for name in names) <= 3


def test_interval_lies_around_the_score() -> None:
    images = [image(Box("cat", *CAT), name=f"{number}.jpg") for number in range(40)]
    detections = [[found("cat", 0.9, CAT if number % 4 else NOWHERE)] for number in range(40)]
    metrics = evaluate(images, detections, LABELS)
    for name in ("map_50", "map_50_95"):
        low, high = metrics[f"{name}_interval"]
        assert 0.3 < low < metrics[name] < high < 0.9
        assert evaluate(images, detections, LABELS)[f"{name}_interval"] == [low, high]


def test_each_label_has_its_own_interval_where_enough_images_show_it() -> None:
    cats = [image(Box("cat", *CAT), name=f"{number}.jpg") for number in range(20)]
    dogs = [image(Box("dog", *DOG), name=f"dog {number}.jpg") for number in range(4)]
    right = [[found("cat", 0.9, CAT if number % 2 else NOWHERE)] for number in range(20)]
    metrics = evaluate([*cats, *dogs], [*right, *([found("dog", 0.9, DOG)] for _ in dogs)], LABELS)
    cat, dog = metrics["per_label"]
    low, high = cat["ap_50_interval"]
    assert low < cat["ap_50"] < high
    assert dog["ap_50_interval"] is None, "four images say too little"


def test_detectors_judged_on_the_same_images_are_compared_draw_by_draw() -> None:
    images = [image(Box("cat", *CAT), name=f"{number}.jpg") for number in range(30)]

    def judged(finds: Callable[[int], bool]) -> list[float]:
        detections = [
            [found("cat", 0.9, CAT if finds(number) else NOWHERE)] for number in range(30)
        ]
        scores: list[float] = evaluate(images, detections, LABELS)["resampled"]["map_50"]
        return scores

    worse = judged(lambda number: number % 2 == 0)
    assert judged(lambda number: number % 2 == 0) == worse
    # One that finds all that another finds, and more, is not worse in any draw; drawn apart, in
    # some it would be.
    best = judged(lambda number: number % 2 == 0 or number % 3 < 2)
    assert all(ours >= theirs for ours, theirs in zip(best, worse, strict=True))
    assert min(best) < max(worse)


def test_the_interval_of_the_mean_ap_is_stricter_where_boxes_lie_askew() -> None:
    askew = (20.0, 10.0, 120.0, 110.0)  # IoU 9/11: right at seven of the ten IoUs
    images = [image(Box("cat", *CAT), name=f"{number}.jpg") for number in range(10)]
    metrics = evaluate(images, [[found("cat", 0.9, askew)] for _ in images], LABELS)
    assert metrics["map_50_interval"] == [1.0, 1.0]
    assert metrics["map_50_95_interval"] == [0.7, 0.7]
    assert metrics["map_50_95"] == pytest.approx(0.7)


def test_calibration_by_hand() -> None:
    images = [image(Box("cat", *CAT), name=f"{number}.jpg") for number in range(4)]
    detections = [[found("cat", 0.92, CAT if number else NOWHERE)] for number in range(4)]
    detections[0].append(found("cat", 0.15, NOWHERE))
    calibration = evaluate(images, detections, LABELS)["calibration"]
    assert calibration["bins"] == [
        {"low": 0.1, "high": 0.2, "count": 1, "score": 0.15, "right": 0.0},
        {"low": 0.9, "high": 1.0, "count": 4, "score": 0.92, "right": 0.75},
    ]
    assert calibration["error"] == pytest.approx((0.15 + 4 * 0.17) / 5)
    assert evaluate([image()], [[]], LABELS)["calibration"] is None


def test_each_label_has_its_own_threshold() -> None:
    detections = [
        found("cat", 0.9, CAT),
        found("cat", 0.8, NOWHERE),
        found("dog", 0.3, DOG),
        found("dog", 0.2, NOWHERE),
    ]
    metrics = evaluate([PAIR], [detections], LABELS)
    assert metrics["score_thresholds"] == {"cat": 0.85, "dog": 0.25}
    assert evaluate([image()], [[]], LABELS)["score_thresholds"] == {}


def test_a_box_found_twice_is_a_duplicate() -> None:
    near = (15.0, 10.0, 115.0, 110.0)
    detections = [found("cat", 0.9, CAT), found("cat", 0.7, near), found("dog", 0.6, NOWHERE)]
    errors = worst_images([image(Box("cat", *CAT))], [detections], LABELS, 0.5)
    assert [(error["kind"], error["score"]) for error in errors] == [
        ("duplicate", 0.7),
        ("false", 0.6),
    ]
    assert errors[0]["boxes"][0]["kind"] == "truth"


def test_thousands_of_labels_are_no_hurdle() -> None:
    labels = LabelMap.from_names([f"label {number}" for number in range(5000)])
    there = [LabelledImage(f"{n}.jpg", 640, 480, (Box("label 7", *CAT),)) for n in range(50)]
    detections = [[Detection("label 9", 10, 0.9, *CAT)] for _ in there]
    metrics = evaluate(there, detections, labels)
    assert metrics["confusion"]["labels"] == ["label 7", "label 9", "background"]
    assert metrics["confusion"]["matrix"] == [[0, 50, 0], [0, 0, 0], [0, 0, 0]]
    assert metrics["map_50"] == 0.0
