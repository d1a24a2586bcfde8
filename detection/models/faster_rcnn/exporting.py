"""Export a Faster R-CNN, each form proven on real images, in one bundle.

Every form takes whole pictures of any size and answers by the API's names: resize and suppression
are in it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from detection.bundle import add_exports, write_bundle
from detection.export import ExportError, load_trained, replace_folder, write_checkpoint
from detection.exports.check import Comparison
from detection.exports.formats import NOT_CARRIED, ExportFormat
from detection.exports.graphs import as_module, freeze
from detection.exports.making import refuse_without_onnx
from detection.exports.onnx_model import convert
from detection.exports.samples import Sample
from detection.exports.saved_model import OUTPUTS
from detection.label_map import LabelMap
from detection.models.faster_rcnn.detector import FasterRcnn
from detection.models.faster_rcnn.portable import PORTABLE
from detection.models.faster_rcnn.proof import TrainedAnswers, prove
from detection.models.faster_rcnn.serving import serve
from detection.models.faster_rcnn.winograd import convolve_by_winograd

_ONE = tf.TensorSpec([1, None, None, 3], tf.uint8, name="input_tensor")
NOT_EXPORTED = NOT_CARRIED["faster_rcnn"]


def export_bundle(
    model: FasterRcnn,
    *,
    folder: Path,
    facts: dict[str, Any],
    metrics: dict[str, Any],
    label_map: LabelMap,
    samples: Sequence[Sample],
) -> None:
    """Write the trained ``model`` to the bundle ``folder``, which is whole or not there.

    ``facts`` are those of model.json (see ``detection.bundle.write_bundle``). The SavedModel is run
    on ``samples`` and held against the model; the comparison is added to ``metrics`` as
    ``exports``. An older bundle is replaced at the end.
    Raises ExportError where they differ; the older bundle stays.
    """
    beside = folder.with_name(folder.name + ".writing")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        write_checkpoint(model, beside)
        write_saved_model(model, label_map, beside / "saved_model")
        if samples:
            trained = TrainedAnswers(model, label_map, samples)
            row = _proven("saved_model", beside / "saved_model", trained)
            metrics["exports"] = [row.as_json()]
        more = {
            "architecture": "faster_rcnn",
            "iou_threshold": model.config.iou_threshold,
            "not_exported": NOT_EXPORTED,
        }
        write_bundle(beside, facts=facts | more, metrics=metrics, label_map=label_map)
        replace_folder(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def write_saved_model(model: FasterRcnn, label_map: LabelMap, folder: Path) -> None:
    """Write ``model`` as a SavedModel with the API's signature.

    ``serving_default``, in: ``input_tensor`` uint8 ``[B, H, W, 3]``, RGB, of any size, all
    pictures of a batch of one size; out: see ``serving.serve``, the classes as label map ids. Its
    weights are constants: so TensorFlow multiplies the batch norms into the convolutions.
    """
    spec = tf.TensorSpec([None, None, None, 3], tf.uint8, name="input_tensor")
    module = as_module(freeze(_answer(model, label_map), spec), spec, OUTPUTS)
    tf.saved_model.save(module, str(folder), signatures=module.serve)


def write_frozen_graph(model: FasterRcnn, label_map: LabelMap, path: Path) -> None:
    """Write a TensorFlow 1 GraphDef as the API exported it: ``image_tensor:0`` uint8
    ``[B, H, W, 3]`` in; ``detection_boxes:0``, ``detection_scores:0``, ``detection_classes:0``
    and ``num_detections:0`` out, as in the SavedModel."""
    spec = tf.TensorSpec([None, None, None, 3], tf.uint8, name="image_tensor")
    path.write_bytes(freeze(_answer(model, label_map), spec).SerializeToString())


def write_onnx(model: FasterRcnn, label_map: LabelMap, path: Path) -> None:
    """Write an ONNX model: in ``input_tensor`` uint8 ``[1, H, W, 3]``, RGB, of any size; out as in
    the SavedModel."""
    path.write_bytes(convert(_portable_graph(model, label_map), _ONE.name, OUTPUTS))


def write_litert(model: FasterRcnn, label_map: LabelMap, path: Path) -> None:
    """Write a float32 flatbuffer of LiteRT's own operators, ``serving_default``: in and out as in
    ``write_onnx``. A signature's runner resizes the input to the picture."""
    module = as_module(_portable_graph(model, label_map), _ONE, OUTPUTS)
    concrete = module.serve.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
    path.write_bytes(bytes(converter.convert()))


def _portable_graph(model: FasterRcnn, label_map: LabelMap) -> Any:
    """The frozen GraphDef of one picture's detections, without operators that only TensorFlow has.

    Of a copy of the model: Winograd's convolutions pay in TensorFlow only.
    """
    plain = FasterRcnn(model.config)
    plain.set_weights(model.get_weights())
    ids = [item.id for item in label_map]
    return freeze(lambda pictures: serve(plain, pictures, ids, PORTABLE), _ONE)


def _answer(model: FasterRcnn, label_map: LabelMap) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """``serving.serve`` with this model and the label map's ids, as a function of one input.

    The model is for detection from then on: see ``winograd.convolve_by_winograd``.
    """
    convolve_by_winograd(model.second_stage)
    ids = [item.id for item in label_map]
    return lambda pictures: serve(model, pictures, ids)


def write_export(model: FasterRcnn, label_map: LabelMap, form: str, path: Path) -> None:
    """Write the export to ``path``."""
    writers = {
        "saved_model": write_saved_model,
        "frozen_graph": write_frozen_graph,
        "litert": write_litert,
        "onnx": write_onnx,
    }
    writers[form](model, label_map, path)


def _refuse_impossible(*forms: str) -> None:
    """Raises ExportError."""
    for form in forms:
        if form in NOT_EXPORTED:
            raise ExportError(NOT_EXPORTED[form])
        if form == "onnx":
            refuse_without_onnx()


def make_export(bundle: Path, form: str, path: Path, samples: Sequence[Sample]) -> list[Comparison]:
    """Write one more export of a whole ``bundle`` to ``path``, compared on ``samples``.

    Returns the comparison, none without samples. Raises ExportError where the form is not to be
    had, or differs; then it is removed again.
    """
    _refuse_impossible(form)
    model, label_map = _load(bundle)
    write_export(model, label_map, form, path)
    if not samples:
        return []
    return [_proven(form, path, TrainedAnswers(model, label_map, samples))]


def add_to_bundle(
    bundle: Path,
    forms: Sequence[ExportFormat],
    samples: Sequence[Sample],
    on_phase: Callable[[str, float], None],
) -> list[Comparison]:
    """Add exports to a whole ``bundle``; see ``detection.export.export_more``."""
    _refuse_impossible(*(form.name for form in forms))
    model, label_map = _load(bundle)
    on_phase(f"Asking the trained model about {len(samples)} images at most", 0.1)
    trained = TrainedAnswers(model, label_map, samples)
    made: list[Comparison] = []
    for number, form in enumerate(forms):
        on_phase(f"Making and comparing {form.title}", 0.4 + 0.6 * number / len(forms))
        beside = bundle / f".writing-{form.path}"
        shutil.rmtree(beside, ignore_errors=True)
        write_export(model, label_map, form.name, beside)
        made.append(_proven(form.name, beside, trained))
        replace_folder(beside, bundle / form.path)
        add_exports(bundle, [made[-1].as_json()])
    return made


def _load(bundle: Path) -> tuple[FasterRcnn, LabelMap]:
    model, label_map = load_trained(bundle)
    assert isinstance(model, FasterRcnn)
    return model, label_map


def _proven(form: str, path: Path, trained: TrainedAnswers) -> Comparison:
    """Raises ExportError where the export differs, and removes it."""
    comparison = prove(form, path, trained)
    if not comparison.agrees:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise ExportError(comparison.words_for_difference())
    return comparison
