"""Exports hold what the trained model finds; bundles are whole; and the commands that use them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detection.__main__ import main
from detection.exports.check import Candidates, Found, compare
from detection.exports.formats import SAME_NUMBERS
from detection.formats.voc import write_voc
from detection.inference import load_detector
from detection.label_map import LabelMap, LabelMapItem
from detection.models.ssd.postprocessing import MAX_DETECTIONS, select_detections
from detection.squares import squared
from detection.types import Box, LabelledImage

SIZE = 96
IOU_THRESHOLD = 0.6
LABELS = LabelMap((LabelMapItem(1, "cat"), LabelMapItem(4, "dog", "Dog")))


def make_picture(number: int, width: int = 160, height: int = 120) -> np.ndarray:
    """Soft noise: what a camera might see, without its content."""
    noise = np.random.default_rng(number).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    picture = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(picture)


def trained_candidates(model, square: np.ndarray) -> Candidates:
    from detection.models.ssd.serving import ssd_serving

    serving = ssd_serving(model, LABELS, SIZE, IOU_THRESHOLD)
    outputs = serving.candidates(square[None].astype(np.float32))
    return Candidates(outputs["boxes"].numpy()[0], outputs["scores"].numpy()[0])


def trained_logits(model) -> np.ndarray:
    scores = trained_candidates(model, squared(make_picture(0), SIZE)).scores.astype(np.float64)
    return np.log(scores / (1 - scores))


def keep_signal(model) -> None:
    """Scale random weights as He et al. 2015, so that what a picture holds reaches the heads.

    As they are drawn for training from a base, each layer weakens it, and only noise arrives.
    """
    for layer in model.layers:
        kernel = getattr(layer, "kernel", None)
        if kernel is not None and not layer.name.endswith("_box"):  # boxes stay near the anchors
            values = kernel.numpy()
            inputs = values[..., 0].size if values.shape[-1] > 1 else values[..., 0, 0].size
            kernel.assign(values * np.sqrt(2 / inputs) / values.std())


def make_model(seed: int = 3):
    """A tiny detector with random weights that is sure of some boxes, and not of most."""
    import keras

    from detection.models.ssd.detector import build_detector

    keras.utils.set_random_seed(seed)
    model = build_detector(len(LABELS), SIZE, width=0.35)
    keep_signal(model)
    logits = trained_logits(model)
    scale, shift = 2 / logits.std(), np.quantile(logits, 0.98)
    for layer in model.layers:
        if layer.name.endswith("_class") and layer.weights:
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel * scale, (bias - shift) * scale])
    return model


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def bundle(model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with the tiny model's bundle in it."""
    from detection.export import export_bundle

    folder = tmp_path_factory.mktemp("run") / "model"
    (folder / "leftover").mkdir(parents=True)  # an older bundle, which is replaced
    export_bundle(
        model,
        folder=folder,
        base="ssdlite_mobilenet_v2_coco",
        input_size=SIZE,
        label_map=LABELS,
        metrics={"map_50": 0.9, "map_50_95": 0.6},
        score_threshold=0.4,
        iou_threshold=IOU_THRESHOLD,
        revision="abc",
        pictures=[make_picture(number, 90 + 40 * number, 120) for number in range(3)],
    )
    return folder


def test_bundle_holds_all_and_says_so(bundle: Path) -> None:
    facts = json.loads((bundle / "model.json").read_text())
    assert facts["input_size"] == SIZE
    assert (facts["map_50"], facts["map_50_95"], facts["revision"]) == (0.9, 0.6, "abc")
    assert facts["labels"][1] == {"id": 4, "name": "dog", "display_name": "Dog"}
    names = [artefact["name"] for artefact in facts["artefacts"]]
    assert names == [
        "saved_model", "litert", "label_map", "checkpoint", "metrics", "exports",
        "detect_with_litert", "readme",
    ]  # fmt: skip
    assert all(artefact["bytes"] > 0 for artefact in facts["artefacts"])
    assert sorted(path.name for path in bundle.parent.iterdir()) == ["model"]
    assert not (bundle / "leftover").exists()


def test_comparison_is_kept_in_the_metrics(bundle: Path) -> None:
    rows = json.loads((bundle / "metrics.json").read_text())["exports"]
    assert [row["artefact"] for row in rows] == ["saved_model", "saved_model, own resize", "litert"]
    assert json.loads((bundle / "exports.json").read_text())["exports"] == rows
    for row in (rows[0], rows[2]):
        assert row["boxes"] > 5
        assert (row["share"], row["lost"]) == (1.0, 0)
        assert row["lowest_iou"] > 0.999
        assert row["largest_score_difference"] < 1e-4
    assert rows[1]["lowest_iou"] >= 0.9
    assert rows[1]["largest_score_difference"] <= 0.1
    assert all(f"| {row['artefact']} |" in (bundle / "README.md").read_text() for row in rows)


def test_checkpoint_gives_the_trained_model_back(bundle: Path, model) -> None:
    from detection.export import load_trained

    again, label_map = load_trained(bundle)
    assert label_map == LABELS
    square = squared(make_picture(9), SIZE)
    was, now = trained_candidates(model, square), trained_candidates(again, square)
    np.testing.assert_array_equal(was.scores, now.scores)
    np.testing.assert_array_equal(was.boxes_xyxy, now.boxes_xyxy)


def test_checkpoint_that_is_not_there_or_broken_is_refused_in_words(tmp_path: Path) -> None:
    from detection.export import ExportError, load_trained

    with pytest.raises(ExportError, match="there is no checkpoint"):
        load_trained(tmp_path)
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint/model.weights.h5").write_bytes(b"")
    (tmp_path / "checkpoint/architecture.json").write_text("{}")
    with pytest.raises(ExportError, match="cannot be read"):
        load_trained(tmp_path)


def test_saved_model_has_the_object_detection_apis_signature(bundle: Path, model) -> None:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(bundle / "saved_model"))
    serve = loaded.signatures["serving_default"]
    (taken,) = serve.structured_input_signature[1].values()
    assert (taken.name, taken.dtype, taken.shape.as_list()) == (
        "input_tensor", tf.uint8, [None, None, None, 3],
    )  # fmt: skip
    square = squared(make_picture(7), SIZE)
    outputs = {name: value.numpy() for name, value in serve(input_tensor=square[None]).items()}
    assert {name: (value.dtype, value.shape) for name, value in outputs.items()} == {
        "detection_boxes": (np.float32, (1, MAX_DETECTIONS, 4)),
        "detection_scores": (np.float32, (1, MAX_DETECTIONS)),
        "detection_classes": (np.float32, (1, MAX_DETECTIONS)),
        "num_detections": (np.float32, (1,)),
    }
    # A picture of the model's own size is not resized: the result is that of the trained model.
    trained = trained_candidates(model, square)
    boxes, scores, classes = select_detections(
        trained.boxes_xyxy, trained.scores, iou_threshold=IOU_THRESHOLD
    )
    count = int(outputs["num_detections"][0])
    assert count == len(scores) > 0
    np.testing.assert_allclose(outputs["detection_scores"][0, :count], scores, atol=1e-4)
    assert set(outputs["detection_classes"][0, :count]) <= {1.0, 4.0}
    ids = [LABELS.class_id(index) for index in classes.tolist()]
    np.testing.assert_array_equal(outputs["detection_classes"][0, :count], ids)
    yxyx = np.clip(boxes, 0, 1)[:, [1, 0, 3, 2]]
    np.testing.assert_allclose(outputs["detection_boxes"][0, :count], yxyx, atol=1e-4)
    assert not outputs["detection_scores"][0, count:].any()
    assert not outputs["detection_boxes"][0, count:].any()


def test_a_batch_gets_the_answers_of_each_picture(bundle: Path) -> None:
    from detection.exports.saved_model import SavedModel

    model = SavedModel(bundle / "saved_model")
    pictures = np.stack([make_picture(seed, 90, 70) for seed in (5, 6, 7)])
    together = model.batch(pictures)
    for row, picture in enumerate(pictures):
        for name, alone in model(picture).items():
            np.testing.assert_allclose(together[name][row], alone, atol=1e-5)
    assert together["num_detections"].all()


def test_a_gpu_gets_many_photos_at_once_and_litert_those_it_has_no_memory_for(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    from detection import inference, saved_model_detector
    from detection.training import devices

    sizes = [(160, 120), (90, 200), (SIZE, SIZE)] * 7
    photos = [make_picture(number, *size) for number, size in enumerate(sizes)]
    litert = load_detector(bundle, use_gpu=True)
    assert (type(litert), litert.batch_size) == (inference.Detector, 1)
    monkeypatch.setattr(inference, "_may_have_gpu", lambda: True)
    # TensorFlow sees none, whatever the driver says.
    assert type(load_detector(bundle, use_gpu=True)) is inference.Detector
    monkeypatch.setattr(devices, "is_on_gpu", lambda: True)
    monkeypatch.setattr(saved_model_detector, "is_on_gpu", lambda: True)
    detector = load_detector(bundle, use_gpu=True)
    assert isinstance(detector, saved_model_detector.SavedModelDetector)
    assert 1 < detector.batch_size < len(photos)
    for found, wanted in zip(detector.detect(photos), litert.detect(photos), strict=True):
        assert len(found) == len(wanted) > 0
        for one, other in zip(found[:5], wanted[:5], strict=True):
            assert one.class_id == other.class_id
            np.testing.assert_allclose([*one.xyxy, one.score], [*other.xyxy, other.score], atol=0.1)

    def full(pictures: np.ndarray) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "out of memory")

    monkeypatch.setattr(detector._model, "batch", full)
    assert detector.detect(photos[:2]) == litert.detect(photos[:2])


@pytest.mark.parametrize("size", [(1, 1), (37, 200), (640, 480)])
def test_saved_model_takes_pictures_of_any_size(bundle: Path, size: tuple[int, int]) -> None:
    from detection.exports.saved_model import SavedModel

    outputs = SavedModel(bundle / "saved_model")(make_picture(5, *size))
    count = int(outputs["num_detections"])
    boxes = outputs["detection_boxes"][:count]
    assert (boxes[:, :2] < boxes[:, 2:]).all()
    assert (boxes >= 0).all()
    assert (boxes <= 1).all()


def export_with_litert_of(bundle: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Export another tiny model, but with the LiteRT file of ``bundle``."""
    from detection.export import export_bundle
    from detection.exports import making

    wrong = (bundle / "model.tflite").read_bytes()
    monkeypatch.setattr(making, "to_litert", lambda serving: wrong)
    export_bundle(
        make_model(seed=4),
        folder=folder,
        base="b",
        input_size=SIZE,
        label_map=LABELS,
        metrics={},
        score_threshold=0.5,
        iou_threshold=IOU_THRESHOLD,
        revision=None,
        pictures=[make_picture(1, SIZE, SIZE)],  # a random model is swayed by any resize
    )


def test_an_export_of_another_model_is_left_out_and_the_others_stay(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    export_with_litert_of(bundle, tmp_path / "model", monkeypatch)
    facts = json.loads((tmp_path / "model" / "model.json").read_text())
    assert "litert does not find what the trained model" in facts["not_exported"]["litert"]
    assert not (tmp_path / "model" / "model.tflite").exists()
    assert (tmp_path / "model" / "saved_model").is_dir()


def test_where_no_export_agrees_the_older_bundle_stays(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from detection.export import ExportError
    from detection.exports import making

    def write_wrong(serving, folder: Path) -> None:
        shutil.copytree(bundle / "saved_model", folder)

    monkeypatch.setattr(making, "write_saved_model", write_wrong)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text("older")
    with pytest.raises(ExportError, match=r"saved_model does not find what the trained model"):
        export_with_litert_of(bundle, tmp_path / "model", monkeypatch)
    assert (tmp_path / "model" / "model.json").read_text() == "older"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


CANDIDATES = Candidates(
    np.array([[0.1, 0.1, 0.5, 0.5], [0.11, 0.1, 0.5, 0.5], [0.6, 0.6, 0.9, 0.9]], np.float32),
    np.array([[0.90, 0.0], [0.899, 0.0], [0.0, 0.7]], np.float32),
)


def found(*anchors: int) -> Callable[[np.ndarray], Found]:
    rows = list(anchors)
    scores = CANDIDATES.scores[rows]
    kept = Found(CANDIDATES.boxes_xyxy[rows], scores.max(axis=1), scores.argmax(axis=1))
    return lambda picture: kept


def compare_found(detect: Callable[[np.ndarray], Found]):
    picture = make_picture(0)
    return compare("export", detect, [picture], [CANDIDATES], IOU_THRESHOLD, SAME_NUMBERS)


@pytest.mark.parametrize("kept", [0, 1])
def test_either_of_two_equal_boxes_may_be_kept(kept: int) -> None:
    comparison = compare_found(found(kept, 2))
    assert comparison.agrees
    assert comparison.boxes == 2


def test_a_box_outside_the_photo_is_neither_lost_nor_found() -> None:
    outside = np.array([[1.1, 0.2, 1.4, 0.5]], np.float32)
    boxes = np.concatenate([CANDIDATES.boxes_xyxy, outside])
    candidates = Candidates(boxes, np.concatenate([CANDIDATES.scores, [[0.8, 0.0]]]))
    kept = found(0, 2)(make_picture(0))
    both = Found(
        np.concatenate([kept.boxes_xyxy, outside]),
        np.append(kept.scores, np.float32(0.8)),
        np.append(kept.classes, 0),
    )
    for answer in (kept, both):
        comparison = compare(
            "export", lambda _, answer=answer: answer, [make_picture(0)], [candidates],
            IOU_THRESHOLD, SAME_NUMBERS,
        )  # fmt: skip
        assert comparison.agrees
        assert (comparison.boxes, comparison.lost) == (2, 0)


def test_a_lost_box_a_moved_box_and_another_score_are_noticed() -> None:
    lost = compare_found(found(0))
    assert (lost.lost, lost.agrees) == (1, False)
    kept = found(0, 2)(make_picture(0))
    moved = Found(kept.boxes_xyxy + np.float32(0.02), kept.scores, kept.classes)
    assert compare_found(lambda picture: moved).lowest_iou < SAME_NUMBERS.iou
    surer = Found(kept.boxes_xyxy, kept.scores + np.float32(0.05), kept.classes)
    assert not compare_found(lambda picture: surer).agrees
    renamed = Found(kept.boxes_xyxy, kept.scores, 1 - kept.classes)
    assert not compare_found(lambda picture: renamed).agrees


# -- the commands -------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path: Path, bundle: Path) -> Path:
    """Pictures with boxes where the tiny model finds its surest ones, and one of a bird."""
    detector = load_detector(bundle)
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(3):
        picture = make_picture(number)
        height, width = picture.shape[:2]
        boxes = [Box(d.label, *d.xyxy) for d in detector.detect([picture])[0][:1]]
        if number == 2:
            boxes.append(Box("bird", 5, 5, 50, 50))
        Image.fromarray(picture).save(folder / f"{number}.png")
        labelled = LabelledImage(f"{number}.png", width, height, tuple(boxes))
        (folder / f"{number}.xml").write_bytes(write_voc(labelled))
    (folder / "val.txt").write_text("0\n1\n")
    (folder / "birds.txt").write_text("2\n")
    return folder


def evaluate(bundle: Path | str, data: Path, *more: str) -> int:
    return main(["evaluate", "--model", str(bundle), "--data", str(data), "--format", "voc", *more])


def test_evaluate_prints_json(bundle: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    split = str(data / "val.txt")
    assert evaluate(bundle.parent, data, "--split", split, "--json") == 0
    metrics = json.loads(capsys.readouterr().out)
    assert metrics["num_images"] == metrics["num_boxes"] == 2
    assert 0 < metrics["map_50_95"] <= metrics["map_50"] <= 1
    assert set(metrics["per_label"]) == {"cat", "dog"}
    assert sum(label["num_boxes"] for label in metrics["per_label"].values()) == 2
    assert set(metrics["per_label"]["cat"]) == {"id", "ap", "ap_50", "num_boxes"}


def test_evaluate_says_which_labels_the_model_lacks(
    bundle: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(bundle, data) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("3 images, 3 boxes")
    assert "The model has no label 'bird': 1 box not measured." in printed.err


def test_evaluate_refuses_in_one_sentence(
    bundle: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "2.xml").write_bytes(
        write_voc(LabelledImage("2.png", 160, 120, (Box("bird", 5, 5, 50, 50),)))
    )
    for arguments, words in [
        ((bundle, data, "--split", str(data / "birds.txt")), "knows no label of the data"),
        ((bundle, data, "--split", str(data / "none.txt")), "cannot be read"),
        ((bundle, data / "nowhere"), "there is no such folder"),
        ((data, data), "holds no model.json"),
    ]:
        assert evaluate(*arguments) == 1
        printed = capsys.readouterr()
        assert words in printed.err
        assert printed.out == ""


@pytest.mark.parametrize(("form", "path"), [("saved_model", "out"), ("litert", "out/a.tflite")])
def test_export_writes_the_artefact_and_its_labels(
    bundle: Path, tmp_path: Path, form: str, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / path
    arguments = ["export", "--model", str(bundle.parent), "--to", form, "--out", str(out)]
    assert main([*arguments, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["to"], said["written"][0]) == (form, str(out))
    assert all(Path(written).exists() for written in said["written"])
    original = bundle / ("saved_model/saved_model.pb" if form == "saved_model" else "model.tflite")
    copy = out / "saved_model.pb" if form == "saved_model" else out
    assert copy.read_bytes() == original.read_bytes()
    assert main(arguments) == 1
    assert "Name " in capsys.readouterr().err


def test_export_refuses_a_folder_in_use(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    for form in ("saved_model", "litert"):
        arguments = ["export", "--model", str(bundle), "--to", form, "--out", str(tmp_path)]
        assert main(arguments) == 1
        assert str(tmp_path) in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
