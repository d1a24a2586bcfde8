"""The forms that a detector is exported to: their names, files and tolerances.

Loads neither TensorFlow nor Keras: the web and the command line read it, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far an export may be from the trained model.

    A box agrees where its IoU with the trained model's is at least ``iou``, and their scores
    differ by at most ``score``. At least ``share`` of the boxes must agree, and AP may be lower
    by ``ap_loss``.
    """

    iou: float
    score: float
    share: float
    ap_loss: float


# The same numbers in another runtime; differences are near 1e-5.
SAME_NUMBERS = Tolerance(iou=0.98, score=0.02, share=1.0, ap_loss=0.005)
# It resizes by itself, to within one in 255 of Pillow's resize.
OWN_RESIZE = Tolerance(iou=0.90, score=0.10, share=1.0, ap_loss=0.01)
# Weights rounded to 11 bits.
HALF_PRECISION = Tolerance(iou=0.95, score=0.04, share=1.0, ap_loss=0.005)
# Weights and features rounded to 8 bits. Seen: 1524 of 1527 boxes on BCCD, all 54 on boards.
EIGHT_BITS = Tolerance(iou=0.80, score=0.20, share=0.95, ap_loss=0.02)


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """One form.

    Attributes:
        name: as ``export --to`` takes it.
        path: its file or folder in the bundle.
        takes_any_size: whether it resizes the picture itself.
        always: whether each training makes it; the others are made when they are asked for.
        calibrates: whether it needs photos to be made at all, not only to be checked.
    """

    name: str
    path: str
    title: str
    about: str
    tolerance: Tolerance
    takes_any_size: bool = False
    always: bool = False
    calibrates: bool = False

    @property
    def is_folder(self) -> bool:
        return "." not in self.path


FORMATS = {
    form.name: form
    for form in (
        ExportFormat(
            "saved_model", "saved_model", "SavedModel",
            "TensorFlow, with the Object Detection API's signature; photos of any size",
            OWN_RESIZE, takes_any_size=True, always=True,
        ),
        ExportFormat(
            "frozen_graph", "frozen_inference_graph.pb", "Frozen graph",
            "TensorFlow 1, image_tensor:0 in, detection_boxes:0 … out; photos of any size",
            OWN_RESIZE, takes_any_size=True,
        ),
        ExportFormat(
            "litert", "model.tflite", "LiteRT float32",
            "for CPUs, phones and small machines", SAME_NUMBERS, always=True,
        ),
        ExportFormat(
            "litert_float16", "model_float16.tflite", "LiteRT float16",
            "half the size; computes in float32 on CPUs, in float16 on GPUs", HALF_PRECISION,
        ),
        ExportFormat(
            "litert_int8", "model_int8.tflite", "LiteRT int8",
            "a third to half of the size; quicker where 8-bit numbers are multiplied quickly",
            EIGHT_BITS, calibrates=True,
        ),
        ExportFormat(
            "onnx", "model.onnx", "ONNX",
            "float32, for ONNX Runtime and others; photos of any size",
            OWN_RESIZE, takes_any_size=True,
        ),
    )
}  # fmt: skip

_ROUNDED = (
    "Rounded weights move a Faster R-CNN's proposals, and with them what its second stage sees: no "
    "box could be held against the trained model's. Use LiteRT in float32."
)
# The kinds of detector that cannot be had in some form, and why not, by the form's name.
NOT_CARRIED: dict[str, dict[str, str]] = {
    "faster_rcnn": {"litert_float16": _ROUNDED, "litert_int8": _ROUNDED},
}


def refused_forms(architecture: str, told: Mapping[str, str] | None) -> Mapping[str, str]:
    """Why a model cannot be had in some forms, by their names.

    ``told`` is what its training found. Where the kind of detector has limits of its own, these
    count instead: a model of an older version may name forms that its kind is to be had in since.
    """
    return NOT_CARRIED.get(architecture, told or {})
