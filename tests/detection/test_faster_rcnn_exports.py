"""Faster R-CNN's exports: the portable form's numbers, and what is made of it, on real files."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from detection.__main__ import main
from detection.api_outputs import as_detections
from detection.bundle import write_bundle
from detection.export import export_more
from detection.exports.check import Candidates, Found, compare
from detection.exports.formats import FORMATS, SAME_NUMBERS, Tolerance
from detection.exports.onnx_model import missing_packages
from detection.exports.proof import found_of_api
from detection.exports.samples import Sample
from detection.inference import load_detector
from detection.label_map import LabelMap, LabelMapItem
from detection.models.faster_rcnn import portable
from detection.models.faster_rcnn.checkpoint import load_checkpoint
from detection.models.faster_rcnn.checkpoint_files import opened
from detection.models.faster_rcnn.config import FasterRcnnConfig, read_config
from detection.models.faster_rcnn.detector import FasterRcnn
from detection.models.faster_rcnn.exporting import export_bundle, write_export
from detection.models.faster_rcnn.nms import suppress
from detection.models.faster_rcnn.operators import crop_boxes
from detection.models.faster_rcnn.proof import OPENED, TrainedAnswers, prove
from detection.models.faster_rcnn.resize import resize_images
from detection.models.faster_rcnn.serving import numbered_label_map, serve
from detection.types import Box, LabelledImage
from tests.detection.faster_rcnn_tiny import decided_model
from tests.detection.test_export_forms import told_by_program

SHARED = Path(os.environ.get("BOXLOOP_SHARED", Path(__file__).parents[3] / "shared"))
REFERENCE = SHARED / "reference" / "odapi" / "faster_rcnn_inception_v2"
IDS = [1, 3, 7]
LABELS = LabelMap(tuple(LabelMapItem(id, f"label {id}") for id in IDS))


@pytest.fixture(scope="module")
def model() -> FasterRcnn:
    return decided_model()


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("size", [(480, 640), (301, 407), (40, 1500), (1, 1), (64, 64)])
@pytest.mark.parametrize("fixed", [None, (50, 70)])
def test_the_resize_is_the_same_to_the_last_bit(
    size: tuple[int, int], fixed: tuple[int, int] | None
) -> None:
    config = FasterRcnnConfig(min_dimension=64, max_dimension=96, fixed_size=fixed)
    picture = tf.constant(noise(*size)[None])
    np.testing.assert_array_equal(portable.resize(picture, config), resize_images(picture, config))


def test_crops_are_the_same_to_the_last_bit_at_the_edges_too() -> None:
    random = np.random.default_rng(0)
    features = tf.constant(random.normal(size=(1, 7, 11, 5)).astype(np.float32))
    corners = np.sort(random.uniform(-0.1, 1.1, (400, 2, 2)), axis=1)
    # Proposals are clipped, so that many end at an edge: there the last bit counts.
    boxes = np.concatenate([corners, np.clip(corners, 0, 1), np.ones_like(corners)])
    boxes[800:, 0] = random.uniform(0, 1, (400, 2))
    boxes = tf.constant(boxes.reshape(1, -1, 4).astype(np.float32))
    wanted = crop_boxes(features, boxes, 14).numpy()
    at_edge = wanted[800:, -1, -1]
    assert 0 < (at_edge == 0).all(axis=1).sum() < 400  # some read zeros, some the features
    np.testing.assert_array_equal(portable.crop(features, boxes, 14), wanted)


@pytest.mark.parametrize(("labels", "most"), [(1, 12), (3, 12), (3, 100)])
def test_suppression_keeps_the_same(labels: int, most: int) -> None:
    random = np.random.default_rng(labels)
    corners = np.sort(random.uniform(-20, 120, (1, 60, labels, 2, 2)), axis=3)
    boxes = tf.constant(corners.reshape(1, 60, labels, 4).astype(np.float32))
    scores = random.uniform(0, 1, (1, 60, labels)).astype(np.float32)
    scores[0, 50:] = -1.0  # padding
    limits = {"score_threshold": 0.2, "iou_threshold": 0.5, "max_per_class": 8, "max_total": most}
    shapes = tf.constant([[100, 90]])
    wanted = suppress(boxes, tf.constant(scores), shapes, **limits)
    found = portable.suppress(boxes, tf.constant(scores), shapes, **limits)
    assert 0 < int(wanted[3][0]) <= most
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


# -- whole exports ----------------------------------------------------------------------------


def truth_by(model: FasterRcnn, picture: np.ndarray) -> LabelledImage:
    """What the random model is surest of, as if a person had drawn it, a little off."""
    height, width = picture.shape[:2]
    found = {name: value.numpy()[0] for name, value in serve(model, picture[None], IDS).items()}
    rows = zip(
        found["detection_boxes"][:4] * [height, width, height, width] * 0.97,
        found["detection_classes"][:4],
        strict=True,
    )
    boxes = tuple(
        Box(LABELS.by_id[int(class_id)].name, xmin, ymin, xmax, ymax)
        for (ymin, xmin, ymax, xmax), class_id in rows
    )
    return LabelledImage("noise.png", width, height, boxes)


@pytest.fixture(scope="module")
def samples(model: FasterRcnn) -> list[Sample]:
    pictures = [noise(*size) for size in [(80, 60), (64, 64), (33, 300), (301, 407), (5, 4)]]
    return [Sample(picture, truth_by(model, picture)) for picture in pictures]


@pytest.fixture(scope="module")
def trained(model: FasterRcnn, samples: list[Sample]) -> TrainedAnswers:
    return TrainedAnswers(model, LABELS, samples)


@pytest.fixture(scope="module")
def bundle(
    model: FasterRcnn, samples: list[Sample], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The random model's bundle, with all the forms that can be made here."""
    folder = tmp_path_factory.mktemp("run") / "model"
    facts = {"input_size": 64, "score_threshold": 0.4}
    export_bundle(model, folder=folder, facts=facts, metrics={}, label_map=LABELS, samples=samples)
    more = [name for name in ("frozen_graph", "litert", "onnx") if name not in absent()]
    export_more(folder, [FORMATS[name] for name in more], samples)
    return folder


def absent() -> list[str]:
    return ["onnx"] if missing_packages() else []


def test_all_forms_are_proven_listed_and_told_how_to_use(bundle: Path) -> None:
    rows = json.loads((bundle / "exports.json").read_text())["exports"]
    wanted = {"saved_model", "frozen_graph", "litert", "onnx"} - set(absent())
    assert {row["artefact"] for row in rows} == wanted
    for row in rows:
        assert (row["pictures"], row["share"], row["lost"]) == (5, 1.0, 0)
        assert row["boxes"] > 20
        assert row["lowest_iou"] > 0.999
        assert row["largest_score_difference"] < 1e-4
        assert row["ap"] == pytest.approx(row["trained_ap"], abs=1e-6)
        assert 0.1 < row["ap"] < 1.0
    facts = json.loads((bundle / "model.json").read_text())
    assert set(facts["not_exported"]) == {"litert_float16", "litert_int8"}
    listed = {one["path"] for one in facts["artefacts"]}
    text = (bundle / "README.md").read_text()
    for name in wanted:
        assert FORMATS[name].path in listed
        assert f"| `{FORMATS[name].path}` |" in text
        assert f"\n| {name} | 5 |" in text
    assert {"detect_with_litert.py"} <= listed
    assert "resizes it to a shorter side of 64" in text


def test_boxloop_goes_on_detecting_with_the_saved_model(bundle: Path, model: FasterRcnn) -> None:
    picture = noise(80, 60)
    (found,) = load_detector(bundle).detect([picture], score_threshold=0.0)
    outputs = {name: value.numpy()[0] for name, value in serve(model, picture[None], IDS).items()}
    count = int(outputs["num_detections"])
    scores = outputs["detection_scores"][:count]
    np.testing.assert_allclose([one.score for one in found], scores, atol=0.02)


@pytest.mark.parametrize("runtime", ["litert", "onnx"])
def test_the_bundles_program_detects_a_photo_without_boxloop(
    bundle: Path, trained: TrainedAnswers, tmp_path: Path, runtime: str
) -> None:
    if runtime in absent():
        pytest.skip("ONNX is not installed")
    packages = {"litert": "ai_edge_litert", "onnx": "onnxruntime"}
    picture = noise(200, 90)
    program = bundle / f"detect_with_{runtime}.py"
    lines = told_by_program(program, packages[runtime], picture, tmp_path)
    outputs = OPENED[runtime](bundle / FORMATS[runtime].path)(picture)
    wanted = as_detections(outputs, 200, 90, LABELS, 0.4)
    assert len(lines) == len(wanted) > 5
    for line, one in zip(lines, wanted, strict=True):
        assert line[0] == one.label
        assert float(line[1]) == pytest.approx(one.score, abs=1e-4)
        np.testing.assert_allclose([float(side) for side in line[2:]], one.xyxy, atol=0.01)


def test_the_program_stops_where_only_padding_follows(model: FasterRcnn, tmp_path: Path) -> None:
    config = replace(model.config, max_detections=100, max_detections_per_class=100)
    roomy = FasterRcnn(config)
    roomy.set_weights(model.get_weights())
    write_export(roomy, LABELS, "litert", tmp_path / "model.tflite")
    facts = {
        "architecture": "faster_rcnn",
        "input_size": 64,
        "score_threshold": 0.0,
        "iou_threshold": config.iou_threshold,
    }
    write_bundle(tmp_path, facts=facts, metrics={}, label_map=LABELS)
    picture = noise(90, 70)
    count = int(serve(roomy, picture[None], IDS)["num_detections"][0])
    program = tmp_path / "detect_with_litert.py"
    lines = told_by_program(program, "ai_edge_litert", picture, tmp_path)
    assert 10 < len(lines) == count < 50


@pytest.mark.parametrize("fault", ["weight", "threshold"])
def test_a_faulty_export_is_refused(
    bundle: Path, trained: TrainedAnswers, tmp_path: Path, fault: str
) -> None:
    onnx = pytest.importorskip("onnx")
    if absent():
        pytest.skip("ONNX is not installed")
    model = onnx.load(bundle / "model.onnx")
    values = {one.name: one for one in model.graph.initializer}
    if fault == "weight":
        (changed,) = [one for name, one in values.items() if "BoxEncodingPredictor" in name and
                      list(one.dims)[:1] == [256]]  # fmt: skip
        factor = 1.1
    else:  # of suppression in the second stage, so that boxes are lost
        last = [one for one in model.graph.node if one.op_type == "NonMaxSuppression"][-1]
        changed, factor = values[last.input[3]], 0.2
    value = onnx.numpy_helper.to_array(changed) * np.float32(factor)
    changed.CopyFrom(onnx.numpy_helper.from_array(value, changed.name))
    onnx.save(model, tmp_path / "model.onnx")
    comparison = prove("onnx", tmp_path / "model.onnx", trained)
    assert not comparison.agrees
    assert comparison.lost > 0 if fault == "threshold" else comparison.lowest_iou < 0.98


def test_one_of_several_readings_is_enough_and_none_is_a_loss() -> None:
    box = np.array([[0.1, 0.1, 0.4, 0.5]], np.float32)
    other = np.array([[0.3, 0.2, 0.7, 0.7]], np.float32)
    boxes = np.stack([box, other])  # of one label, two readings of one proposal
    scores = np.array([[0.9], [0.6]], np.float32)
    one = np.zeros(1, np.intp)
    picture = noise(4, 4)

    def lost(found: Found, origin: list[int]) -> tuple[int, float]:
        candidates = Candidates(boxes, scores, np.array(origin, np.intp))
        result = compare("x", lambda _: found, [picture], [candidates], 0.6, SAME_NUMBERS)
        return result.lost, result.lowest_iou

    assert lost(Found(box, scores[0], one), [0, 0]) == (0, 1.0)
    assert lost(Found(other, scores[1], one), [0, 0]) == (0, 1.0)
    assert lost(Found(other, scores[1], one), [0, 1])[0] == 1
    assert lost(Found(box[:0], scores[0, :0], one[:0]), [0, 0])[0] == 1


def test_so_many_pictures_as_the_time_allows_but_eight(model: FasterRcnn) -> None:
    samples = [Sample(noise(20 + number, 30)) for number in range(10)]
    assert len(TrainedAnswers(model, LABELS, samples, seconds=0.0).samples) == 8
    assert len(TrainedAnswers(model, LABELS, samples).samples) == 10


def test_the_command_writes_a_form_and_says_why_another_is_not_to_be_had(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    Image.fromarray(noise(90, 70)).save(tmp_path / "photos" / "one.png")
    out = tmp_path / "out.tflite"
    plain = shutil.copytree(bundle, tmp_path / "plain")
    (plain / "model.tflite").unlink()
    command = ["export", "--model", str(plain), "--images", str(tmp_path / "photos"), "--json"]
    assert main([*command, "--to", "litert", "--out", str(out)]) == 0
    (row,) = json.loads(capsys.readouterr().out)["exports"]
    assert (row["artefact"], row["pictures"], row["share"]) == ("litert", 1, 1.0)
    assert out.stat().st_size > 1e6
    assert main([*command, "--to", "litert_int8", "--add"]) == 1
    assert "Rounded weights move" in capsys.readouterr().err


# -- the reference checkpoint, where it is: 90 labels -----------------------------------------

IMAGES = ["bccd_640x480", "crop_407x301", "tall_150x400"]
# What the reference's other tests allow: 1e-4 in scores, 1e-3 pixels.
SAME = Tolerance(iou=0.9999, score=1e-4, share=1.0, ap_loss=0.0)


@pytest.fixture(scope="module")
def published() -> FasterRcnn:
    if not REFERENCE.is_dir():
        pytest.skip("the reference is not here")
    model = FasterRcnn(read_config(REFERENCE / "pipeline_small.config"))
    with opened(REFERENCE) as (prefix, _):
        load_checkpoint(model, prefix)
    return model


@pytest.mark.parametrize("form", ["litert", "onnx"])
def test_a_form_finds_what_the_api_found(published: FasterRcnn, tmp_path: Path, form: str) -> None:
    """Both find what the model has for candidates, none is lost; where a proposal ends at the
    picture's edge, each may have read it in its own way (see ``proof``)."""
    if form in absent():
        pytest.skip("ONNX is not installed")
    labels = numbered_label_map(published.config.num_classes)
    write_export(published, labels, form, tmp_path / "model")
    run = OPENED[form](tmp_path / "model")
    files = [REFERENCE / "images" / f"{name}.png" for name in IMAGES]
    pictures = [np.asarray(Image.open(file).convert("RGB")) for file in files]
    trained = TrainedAnswers(published, labels, [Sample(picture) for picture in pictures])
    stored = iter(np.load(REFERENCE / f"slim_small_{name}.npz") for name in IMAGES)
    found: list[Found] = []

    def ours(picture: np.ndarray) -> Found:
        found.append(found_of_api(run(picture), labels))
        return found[-1]

    def theirs(picture: np.ndarray) -> Found:
        api = next(stored)
        count = int(api["post/num_detections"][0])
        boxes, scores, classes = (
            api[f"post/detection_{name}"][0][:count] for name in ("boxes", "scores", "classes")
        )
        return Found(boxes[:, [1, 0, 3, 2]], scores, classes.astype(np.intp))

    config = published.config
    limits = (0.0, config.max_detections, config.max_detections_per_class)
    for side in (ours, theirs):
        result = compare(
            form, side, pictures, trained.candidates, config.iou_threshold, SAME, *limits
        )
        assert (result.boxes, result.share, result.lost) == (3 * 64, 1.0, 0)
    for one, candidates in zip(found, trained.candidates, strict=True):
        # Not all is undecided: else the above would say little.
        assert len(one.scores) == 64
        assert (np.bincount(candidates.origin) == 1).sum() > 20
