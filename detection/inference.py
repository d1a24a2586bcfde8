"""Detect with a bundle: in LiteRT, without TensorFlow, or on a GPU by its SavedModel."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detection.bases import BASES, base_dir, find_base
from detection.bundle import bundle_facts
from detection.label_map import LabelMap, parse_label_map
from detection.models.ssd.postprocessing import MAX_DETECTIONS, select_detections
from detection.squares import squared
from detection.training.cpu import prepare_cpu
from detection.types import Detection

# Below this a detection is noise; the pages' slider and the evaluator need the rest.
LOWEST_SCORE = 0.05


class DetectorError(FileNotFoundError):
    """A model that cannot be loaded; the message names it and the way out."""


def load_detector(
    source: Path | str, num_threads: int | None = None, *, use_gpu: bool = False
) -> Detector:
    """Load a detector from a bundle, a run directory (its `model/`), or a base's name.

    It is LiteRT's, and needs no TensorFlow, where the bundle has a LiteRT model; with ``use_gpu``
    the SavedModel's, where TensorFlow sees a GPU. Raises DetectorError.
    """
    if isinstance(source, str) and source in BASES:
        if not find_base(source).is_present:
            raise DetectorError(
                f"The weights of {source} are not on this machine. Fetch them once: "
                f"./boxloop bases --fetch {source}"
            )
        return _load_bundle(base_dir(source) / "model", num_threads, use_gpu)
    folder = Path(source)
    for candidate in (folder, folder / "model"):
        if (candidate / "model.json").is_file():
            return _load_bundle(candidate, num_threads, use_gpu)
    if not folder.exists():
        raise DetectorError(
            f"{source}: there is no such model folder, and no base of that name "
            f"({', '.join(BASES)})."
        )
    raise DetectorError(
        f"{source}: it holds no model.json, so it is no model and no finished run. "
        "A run that was cut off goes on when its train command is given again."
    )


def _load_bundle(bundle: Path, num_threads: int | None, use_gpu: bool) -> Detector:
    # A Faster R-CNN's LiteRT model takes whole pictures, and is for other programs.
    is_square = bundle_facts(bundle).get("architecture", "ssd") == "ssd"
    has_litert = is_square and (bundle / "model.tflite").is_file()
    if not (bundle / "saved_model").is_dir():
        return Detector(bundle, num_threads)
    if has_litert and not (use_gpu and _may_have_gpu()):
        return Detector(bundle, num_threads)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    prepare_cpu()
    from detection.saved_model_detector import SavedModelDetector
    from detection.training.devices import is_on_gpu, share_gpus

    share_gpus()
    litert = Detector(bundle, num_threads) if has_litert else None
    return litert if litert is not None and not is_on_gpu() else SavedModelDetector(bundle, litert)


def _may_have_gpu() -> bool:
    """Whether it is worth loading TensorFlow to ask: there is a driver, and it is not hidden."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return not hidden and shutil.which("nvidia-smi") is not None


class Detector:
    """A model that is ready to detect.

    Attributes:
        label_map: class ids and names.
        score_threshold: recommended; ``detect`` answers lower scores, too.
        score_thresholds: each label's own, by class id, where one was measured.
        batch_size: how many images it takes at once; more in one call cost no less each.
        facts: the bundle's model.json.
    """

    batch_size = 1

    def __init__(
        self, bundle: Path, num_threads: int | None = None, litert: str = "model.tflite"
    ) -> None:
        """``litert``: which of the bundle's LiteRT files detects."""
        from ai_edge_litert.interpreter import Interpreter

        self._read_facts(bundle)
        try:
            self._interpreter = Interpreter(
                model_path=str(bundle / litert),
                num_threads=num_threads or os.cpu_count() or 1,
            )
        except (OSError, ValueError) as error:
            raise DetectorError(f"{bundle}: the model cannot be read ({error}).") from error
        self._interpreter.allocate_tensors()
        # By tensor: a signature's runner copies the picture once more.
        runner = self._interpreter.get_signature_runner("serving_default")
        self._image = self._interpreter.tensor(runner.get_input_details()["image"]["index"])
        self._outputs = {
            name: details["index"] for name, details in runner.get_output_details().items()
        }
        self._items = self.label_map.items

    def _read_facts(self, bundle: Path) -> None:
        """model.json and the label map. Raises DetectorError."""
        try:
            self.facts: dict[str, Any] = json.loads((bundle / "model.json").read_text("utf-8"))
            text = (bundle / "label_map.pbtxt").read_text("utf-8")
            self.label_map: LabelMap = parse_label_map(text, str(bundle / "label_map.pbtxt"))
            self.input_size = int(self.facts["input_size"])
            self.score_threshold = float(self.facts["score_threshold"])
            self.score_thresholds = {
                int(label["id"]): float(label["score_threshold"])
                for label in self.facts.get("labels", [])
                if label.get("score_threshold") is not None
            }
            self._iou_threshold = float(self.facts["iou_threshold"])
        except (OSError, ValueError, KeyError) as error:
            raise DetectorError(f"{bundle}: the model cannot be read ({error}).") from error

    @property
    def labels(self) -> tuple[str, ...]:
        return self.label_map.names

    def detect(
        self,
        images: Sequence[NDArray[np.uint8]],
        score_threshold: float = LOWEST_SCORE,
        max_detections: int = MAX_DETECTIONS,
    ) -> list[list[Detection]]:
        """Detections of each upright RGB image ``[H, W, 3]``, in its pixels, best first."""
        return [self._detect(image, score_threshold, max_detections) for image in images]

    def _detect(
        self, image: NDArray[np.uint8], score_threshold: float, max_detections: int
    ) -> list[Detection]:
        height, width = image.shape[:2]
        candidates, candidate_scores = self._candidates(squared(image, self.input_size))
        boxes, scores, classes = select_detections(
            candidates,
            candidate_scores,
            score_threshold=score_threshold,
            iou_threshold=self._iou_threshold,
            max_detections=max_detections,
        )
        boxes = np.clip(boxes, 0.0, 1.0) * np.array([width, height, width, height], np.float32)
        rows = zip(classes.tolist(), scores.tolist(), boxes.tolist(), strict=True)
        return [
            Detection(self._items[index].name, self._items[index].id, score, *box)
            for index, score, box in rows
            if box[2] > box[0] and box[3] > box[1]
        ]

    def _candidates(
        self, square: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Boxes ``[A, 4]``, relative, and scores ``[A, C]`` of a picture of the model's size."""
        np.copyto(self._image()[0], square)
        self._interpreter.invoke()
        boxes, scores = (
            self._interpreter.get_tensor(self._outputs[name])[0] for name in ("boxes", "scores")
        )
        return boxes, scores
