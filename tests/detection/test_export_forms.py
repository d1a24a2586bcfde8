"""Each form of export answers as the model does, and the bundle's programs need no Boxloop."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from detection import squares
from detection.api_outputs import as_detections
from detection.bases import BASES, DEFAULT_BASE, base_dir, find_base
from detection.bundle import SNIPPETS, add_exports, write_bundle
from detection.exports.check import Candidates, Comparison, Found, compare
from detection.exports.formats import FORMATS, SAME_NUMBERS
from detection.exports.samples import Sample
from detection.inference import load_detector
from detection.squares import squared
from detection.types import Detection
from tests.detection.test_export import IOU_THRESHOLD, LABELS, SIZE, make_model, make_picture

pytest.importorskip("tensorflow")


def write_form(name: str, serving, folder: Path, trained) -> Path:
    from detection.exports.making import write_export

    path = folder / FORMATS[name].path
    write_export(FORMATS[name], serving, path, trained)
    return path


@pytest.fixture(scope="module")
def trained():
    """What the tiny model says of three pictures of its own size."""
    from detection.exports.proof import TrainedAnswers
    from detection.models.ssd.serving import ssd_serving

    serving = ssd_serving(make_model(), LABELS, SIZE, IOU_THRESHOLD)
    return TrainedAnswers(serving, [Sample(make_picture(n, SIZE, SIZE)) for n in range(3)])


@pytest.fixture(scope="module")
def folder(trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model's bundle, with the forms that keep its numbers."""
    folder = tmp_path_factory.mktemp("bundle")
    for name in ("litert", "frozen_graph", "onnx"):
        if name != "onnx" or not missing_onnx():
            write_form(name, trained.serving, folder, trained)
    facts = {"input_size": SIZE, "score_threshold": 0.4, "iou_threshold": IOU_THRESHOLD}
    write_bundle(folder, facts=facts, metrics={}, label_map=LABELS)
    return folder


def missing_onnx() -> list[str]:
    from detection.exports.onnx_model import missing_packages

    return missing_packages()


def skip_without_onnx(name: str) -> None:
    if "onnx" in name and missing_onnx():
        pytest.skip(f"not installed: {', '.join(missing_onnx())}")


@pytest.mark.parametrize("name", ["litert", "frozen_graph", "onnx"])
def test_a_form_in_float32_keeps_the_numbers(folder: Path, trained, name: str) -> None:
    from detection.exports.proof import prove

    skip_without_onnx(name)
    # No picture is resized: even the random model, which any pixel sways, answers alike.
    form = replace(FORMATS[name], tolerance=SAME_NUMBERS)
    for comparison in prove(form, folder / form.path, trained):
        assert comparison.boxes > 5
        assert (comparison.share, comparison.lost) == (1.0, 0)
        assert comparison.lowest_iou > 0.999
        assert comparison.largest_score_difference < 1e-4


def test_half_precision_is_close_and_half_the_size(folder: Path, trained, tmp_path: Path) -> None:
    from detection.exports.proof import prove

    path = write_form("litert_float16", trained.serving, tmp_path, trained)
    (comparison,) = prove(FORMATS["litert_float16"], path, trained)
    # Of a trained model all boxes agree; the random one is swayed more.
    assert comparison.share > 0.9
    assert comparison.boxes > 5
    assert comparison.largest_score_difference > 1e-5  # else nothing was rounded
    assert path.stat().st_size < 0.7 * (folder / "model.tflite").stat().st_size


def test_a_form_with_one_layer_wrong_is_refused(folder: Path, trained, tmp_path: Path) -> None:
    from detection.exports.proof import prove

    skip_without_onnx("onnx")
    import onnx
    from onnx import numpy_helper

    model = onnx.load(folder / "model.onnx")
    first = next(one for one in model.graph.initializer if list(one.dims)[1:] == [3, 3, 3])
    damaged = numpy_helper.to_array(first) * np.float32(1.1)
    first.CopyFrom(numpy_helper.from_array(damaged, first.name))
    onnx.save(model, tmp_path / "model.onnx")
    comparisons = prove(FORMATS["onnx"], tmp_path / "model.onnx", trained)
    assert [comparison.agrees for comparison in comparisons] == [False, False]


def test_the_apis_names_are_all_that_the_frozen_graph_takes(folder: Path, trained) -> None:
    import tensorflow as tf

    graph_def = tf.compat.v1.GraphDef()
    graph_def.ParseFromString((folder / "frozen_inference_graph.pb").read_bytes())
    with tf.Graph().as_default() as graph:
        tf.compat.v1.import_graph_def(graph_def, name="")
    names = ["detection_boxes", "detection_scores", "detection_classes", "num_detections"]
    outputs = [f"{name}:0" for name in names]
    picture = make_picture(8, SIZE, SIZE)
    wanted = load_detector(folder).detect([picture])[0]
    with tf.compat.v1.Session(graph=graph) as session:
        boxes, scores, classes, count = session.run(outputs, {"image_tensor:0": picture[None]})
        wide = session.run(outputs, {"image_tensor:0": make_picture(3, 211, 97)[None]})
    assert wide[0].shape == boxes.shape == (1, 100, 4)
    assert int(count[0]) >= len(wanted) > 5
    top = range(5)
    assert classes[0, top].tolist() == [wanted[n].class_id for n in top]
    np.testing.assert_allclose(scores[0, top], [wanted[n].score for n in top], atol=1e-4)
    xyxy = boxes[0, top][:, [1, 0, 3, 2]] * SIZE
    np.testing.assert_allclose(xyxy, [wanted[n].xyxy for n in top], atol=0.05)


def importable(folder: Path, packages: Sequence[str]) -> Path:
    """A folder from which only ``packages`` can be imported."""
    folder.mkdir()
    installed = Path(sysconfig.get_paths()["purelib"])
    for name in packages:
        for path in (installed / name, installed / f"{name}.libs"):
            if path.exists():
                (folder / path.name).symlink_to(path)
    return folder


def told_by_program(
    program: Path, runtime: str, picture: np.ndarray, work: Path
) -> list[list[str]]:
    """The columns of the lines that a bundle's program prints, with ``runtime`` but no Boxloop."""
    Image.fromarray(picture).save(work / "photo.png")
    packages = importable(work / "packages", ["numpy", "PIL", "pillow", runtime])
    code = (
        f"import runpy, sys; sys.path.append({str(packages)!r}); "
        f"sys.argv = ['', {str(work / 'photo.png')!r}]; "
        f"runpy.run_path({str(program)!r}, run_name='__main__')"
    )
    # Isolated, and without site-packages: nothing else can be imported.
    command = [sys.executable, "-I", "-S", "-c", code]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def answers(form: str, folder: Path, picture: np.ndarray) -> list[Detection]:
    """What the bundle finds in the picture from a score of 0.4 on; ONNX by its own resize."""
    if form == "litert":
        return load_detector(folder).detect([picture], score_threshold=0.4)[0]
    from detection.exports.onnx_model import OnnxPictures

    height, width = picture.shape[:2]
    return as_detections(OnnxPictures(folder / "model.onnx")(picture), height, width, LABELS, 0.4)


@pytest.mark.parametrize(
    ("form", "runtime"), [("litert", "ai_edge_litert"), ("onnx", "onnxruntime")]
)
def test_the_bundles_program_detects_without_boxloop(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, runtime: str
) -> None:
    skip_without_onnx(form)
    monkeypatch.setattr(squares, "HAS_SIMD", False)  # LiteRT's program stretches by Pillow
    picture = make_picture(2, 200, 90)
    lines = told_by_program(folder / f"detect_with_{form}.py", runtime, picture, tmp_path)
    wanted = answers(form, folder, picture)
    assert len(lines) == len(wanted) > 0
    for one in wanted:  # scores that are equal to four places come in any order
        told = np.array(
            [[float(value) for value in line[1:]] for line in lines if line[0] == one.label]
        )
        nearest = told[np.abs(told[:, 1:] - one.xyxy).max(axis=1).argmin()]
        assert nearest[0] == pytest.approx(one.score, abs=2e-4)
        np.testing.assert_allclose(nearest[1:], one.xyxy, atol=0.05)


def test_an_onnx_of_the_older_form_keeps_its_program_until_it_is_made_again(
    tmp_path: Path,
) -> None:
    def row(name: str) -> dict[str, Any]:
        nothing = np.empty(0, np.float64)
        return Comparison(name, SAME_NUMBERS, 3, nothing, nothing, lost=0).as_json()

    program, readme = tmp_path / "detect_with_onnx.py", tmp_path / "README.md"
    program.write_text("# for squares")
    (tmp_path / "model.onnx").write_bytes(b"of squares")
    (tmp_path / "model.tflite").write_bytes(b"a model")
    facts = {"input_size": SIZE, "score_threshold": 0.4, "iou_threshold": IOU_THRESHOLD}
    write_bundle(tmp_path, facts=facts, metrics={"exports": [row("onnx")]}, label_map=LABELS)
    add_exports(tmp_path, [row("litert_float16")])
    assert program.read_text() == "# for squares"
    assert "`model.onnx` that is here is of an older form" in readme.read_text()
    add_exports(tmp_path, [row("onnx"), row("onnx, own resize")])
    assert '"input_tensor"' in program.read_text()
    assert "older form" not in readme.read_text()


def test_the_programs_are_short() -> None:
    for path in SNIPPETS.glob("*.py"):
        assert sum(bool(line.strip()) for line in path.read_text().splitlines()) <= 36


# -- eight bits: only a trained model says whether they are enough ----------------------------


@pytest.fixture(scope="module")
def base():
    """What the published detector says of a few photos."""
    if not find_base(DEFAULT_BASE).is_present:
        pytest.skip(f"No base on this machine: ./boxloop bases --fetch {DEFAULT_BASE}")
    data = pytest.importorskip("skimage.data", reason="scikit-image brings the photos")
    from detection.exports.proof import TrainedAnswers
    from detection.models.ssd.published import base_serving

    serving = base_serving(BASES[DEFAULT_BASE], base_dir(DEFAULT_BASE) / "weights")
    photos = [data.astronaut(), data.chelsea(), data.coffee(), data.rocket()]
    return TrainedAnswers(serving, [Sample(photo) for photo in photos])


def test_eight_bits_are_close_and_small_and_leave_the_heads(base, tmp_path: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    from detection.exports.proof import prove

    path = write_form("litert_int8", base.serving, tmp_path, base)
    (comparison,) = prove(FORMATS["litert_int8"], path, base)
    # So few boxes that a share says little: one may be out of tolerance, none lost.
    assert comparison.boxes >= 4
    assert comparison.share * comparison.boxes >= comparison.boxes - 1
    assert comparison.lost == 0
    assert np.median(comparison.ious) > 0.9
    assert np.median(comparison.differences) < 0.1
    assert comparison.largest_score_difference > 1e-3  # else nothing was rounded
    whole = base_dir(DEFAULT_BASE) / "model" / "model.tflite"
    assert path.stat().st_size < 0.6 * whole.stat().st_size  # the heads of 80 labels are large
    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(str(path), experimental_op_resolver_type=plain)
    types = {tensor["index"]: tensor["dtype"] for tensor in interpreter.get_tensor_details()}
    outputs: dict[str, list[type]] = {}
    for one in interpreter._get_ops_details():
        outputs.setdefault(one["op_name"], []).append(types[one["outputs"][0]])
    assert set(outputs["DEPTHWISE_CONV_2D"]) == {np.int8}
    assert outputs["CONV_2D"].count(np.float32) == 12  # of six maps, boxes and labels
    assert set(outputs["LOGISTIC"]) == set(outputs["EXP"]) == {np.float32}


def test_eight_bits_may_not_lose_a_box_in_ten() -> None:
    corners = np.linspace(0.0, 0.9, 10, dtype=np.float32)[:, None]
    boxes = np.concatenate([corners, corners, corners + 0.05, corners + 0.05], axis=1)
    candidates = Candidates(boxes, np.full((10, 1), 0.9, np.float32))
    picture, classes = squared(make_picture(0), SIZE), np.zeros(9, np.intp)
    found = Found(boxes[:9], candidates.scores[:9, 0], classes)
    tolerance = FORMATS["litert_int8"].tolerance
    lost = compare(
        "litert_int8", lambda _: found, [picture], [candidates], IOU_THRESHOLD, tolerance
    )
    assert (lost.lost, lost.agrees) == (1, False)
