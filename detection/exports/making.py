"""Make one export of a trained detector, and prove it; or say why it is not kept."""

from __future__ import annotations

import shutil
from pathlib import Path

from detection.exports.check import Comparison
from detection.exports.formats import FORMATS, ExportFormat
from detection.exports.litert import to_litert, to_litert_float16, to_litert_int8
from detection.exports.onnx_model import missing_packages, to_onnx
from detection.exports.proof import TrainedAnswers, prove
from detection.exports.saved_model import write_frozen_graph, write_saved_model
from detection.exports.serving import Serving


class ExportError(Exception):
    """An export that is not like the trained model, or cannot be made; the message says which."""


def make_export(
    form: ExportFormat, serving: Serving, path: Path, trained: TrainedAnswers | None
) -> list[Comparison]:
    """Write the export to ``path`` and compare it with the trained model.

    Without ``trained`` it is written unproven, where it can be made without photos.

    Raises:
        ExportError: it cannot be made here, or differs by more than its tolerance; then it is
            removed again.
    """
    write_export(form, serving, path, trained)
    comparisons = prove(form, path, trained) if trained is not None else []
    for comparison in comparisons:
        if not comparison.agrees:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            raise ExportError(comparison.words_for_difference())
    return comparisons


def write_export(
    form: ExportFormat, serving: Serving, path: Path, trained: TrainedAnswers | None = None
) -> None:
    """Write the export to ``path``. Raises ExportError where that cannot be done."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if form.name == "saved_model":
        write_saved_model(serving, path)
    elif form.name == "frozen_graph":
        write_frozen_graph(serving, path)
    else:
        path.write_bytes(_as_bytes(form, serving, trained))


def _as_bytes(form: ExportFormat, serving: Serving, trained: TrainedAnswers | None) -> bytes:
    if form.name == "litert":
        return to_litert(serving)
    if form.name == "litert_float16":
        return to_litert_float16(serving)
    if form.name == "litert_int8":
        if trained is None or not trained.calibration:
            raise ExportError(
                f"{form.title} is calibrated on photos, and there are none. Give a folder of "
                "photos like those that the model will see: --images DIR"
            )
        return to_litert_int8(serving, trained.calibration)
    refuse_without_onnx()
    return to_onnx(serving)


def refuse_without_onnx() -> None:
    """Raises ExportError where the packages that ONNX takes are not all installed."""
    missing = missing_packages()
    if missing:
        raise ExportError(
            f"ONNX takes packages that are not installed here: {', '.join(missing)}. "
            f"Install them beside Boxloop's: pip install {' '.join(missing)}"
        )


def format_named(name: str) -> ExportFormat:
    """Raises ExportError."""
    if name not in FORMATS:
        raise ExportError(f"There is no form {name!r}. There are: {', '.join(FORMATS)}.")
    return FORMATS[name]
