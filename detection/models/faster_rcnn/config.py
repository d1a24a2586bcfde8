"""The values of a pipeline.config that make a Faster R-CNN what it is.

Defaults are those of the API's faster_rcnn.proto, grid_anchor_generator.proto,
image_resizer.proto and post_processing.proto. What would change the result and is not built here
is refused in words, not passed over.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from detection.models.faster_rcnn.text_proto import Message, TextProtoError, parse_text_proto

EXTRACTOR = "faster_rcnn_inception_v2"
FEATURES_STRIDE = 16
MAX_CONFIG_BYTES = 1_000_000
# The zoo's pipeline.config clips gradients at this norm.
ZOO_CLIP_NORM = 10.0


class ConfigError(ValueError):
    """A pipeline.config that cannot be read, or asks for what is not built; it says which line."""


@dataclass(frozen=True)
class FasterRcnnConfig:
    """A Faster R-CNN's sizes, anchors, thresholds, samples and loss weights.

    ``min_dimension`` and ``max_dimension`` in pixels; a fixed-shape resizer is ``fixed_size``
    ``(height, width)``. ``width`` scales the extractor's channels: the feature extractor's
    ``depth_multiplier``, which the API's proto lacks and its code has; the zoo's is 1.0.
    """

    num_classes: int = 90
    min_dimension: int = 600
    max_dimension: int = 1024
    fixed_size: tuple[int, int] | None = None
    anchor_scales: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0)
    anchor_aspect_ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    anchor_base: tuple[float, float] = (256.0, 256.0)
    anchor_stride: tuple[float, float] = (16.0, 16.0)
    anchor_offset: tuple[float, float] = (0.0, 0.0)
    rpn_depth: int = 512
    rpn_kernel: int = 3
    first_stage_score_threshold: float = 0.0
    first_stage_iou_threshold: float = 0.7
    max_proposals: int = 300
    first_stage_minibatch: int = 256
    first_stage_positive_fraction: float = 0.5
    first_stage_box_weight: float = 2.0
    first_stage_objectness_weight: float = 1.0
    crop_size: int = 14
    pool_kernel: int = 2
    pool_stride: int = 2
    second_stage_batch: int = 64
    second_stage_positive_fraction: float = 0.25
    second_stage_box_weight: float = 2.0
    second_stage_class_weight: float = 1.0
    score_threshold: float = 0.0
    iou_threshold: float = 0.6
    max_detections_per_class: int = 100
    max_detections: int = 300
    clip_norm: float = ZOO_CLIP_NORM
    width: float = 1.0

    @property
    def anchors_per_cell(self) -> int:
        return len(self.anchor_scales) * len(self.anchor_aspect_ratios)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(values: dict[str, Any]) -> FasterRcnnConfig:
        """What ``as_json`` gave. Raises TypeError for a value that there is not."""
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
        }
        return FasterRcnnConfig(**fields)


def read_config(path: Path) -> FasterRcnnConfig:
    """The configuration in a pipeline.config. Raises ConfigError in words."""
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise ConfigError(f"{path}: it is larger than 1 MB, so it is no pipeline.config.")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}. Name the model's pipeline.config.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: it is not UTF-8 text, so it is no pipeline.config.") from error
    return parse_config(text, str(path))


def parse_config(text: str, source: str = "pipeline.config") -> FasterRcnnConfig:
    """The configuration that ``text`` states. Raises ConfigError in words."""
    try:
        root = parse_text_proto(text, source)
        model = root.message("model")
        if model is None:
            raise ConfigError(f"{source}: it has no model {{ ... }}, so it is no pipeline.config.")
        body = model.message("faster_rcnn")
        if body is None:
            kinds = ", ".join(model.fields) or "nothing"
            raise ConfigError(f"{source}: its model is {kinds}; a faster_rcnn is expected.")
        _refuse_unbuilt(body)
        return _config(body, root.message("train_config"))
    except TextProtoError as error:
        raise ConfigError(str(error)) from error


def _config(body: Message, train: Message | None) -> FasterRcnnConfig:
    low, high, fixed = _resizer(_part(body, "image_resizer"))
    anchors = _part(_part(body, "first_stage_anchor_generator"), "grid_anchor_generator")
    processing = _part(body, "second_stage_post_processing")
    nms = _part(processing, "batch_non_max_suppression")
    clip_norm = train.number("gradient_clipping_by_norm", 0.0) if train else 0.0
    num_classes = _positive(body, "num_classes", 0)
    return FasterRcnnConfig(
        num_classes=num_classes,
        min_dimension=low,
        max_dimension=high,
        fixed_size=fixed,
        anchor_scales=_several(anchors, "scales"),
        anchor_aspect_ratios=_several(anchors, "aspect_ratios"),
        anchor_base=(anchors.number("height", 256.0), anchors.number("width", 256.0)),
        anchor_stride=(anchors.number("height_stride", 16), anchors.number("width_stride", 16)),
        anchor_offset=(anchors.number("height_offset", 0), anchors.number("width_offset", 0)),
        rpn_depth=_positive(body, "first_stage_box_predictor_depth", 512),
        rpn_kernel=_positive(body, "first_stage_box_predictor_kernel_size", 3),
        first_stage_score_threshold=body.number("first_stage_nms_score_threshold", 0.0),
        first_stage_iou_threshold=_share(body, "first_stage_nms_iou_threshold", 0.7),
        max_proposals=_positive(body, "first_stage_max_proposals", 300),
        first_stage_minibatch=_positive(body, "first_stage_minibatch_size", 256),
        first_stage_positive_fraction=_share(body, "first_stage_positive_balance_fraction", 0.5),
        first_stage_box_weight=body.number("first_stage_localization_loss_weight", 1.0),
        first_stage_objectness_weight=body.number("first_stage_objectness_loss_weight", 1.0),
        crop_size=_positive(body, "initial_crop_size", 0),
        pool_kernel=_positive(body, "maxpool_kernel_size", 0),
        pool_stride=_positive(body, "maxpool_stride", 0),
        second_stage_batch=_positive(body, "second_stage_batch_size", 64),
        second_stage_positive_fraction=_share(body, "second_stage_balance_fraction", 0.25),
        second_stage_box_weight=body.number("second_stage_localization_loss_weight", 1.0),
        second_stage_class_weight=body.number("second_stage_classification_loss_weight", 1.0),
        score_threshold=nms.number("score_threshold", 0.0),
        iou_threshold=_share(nms, "iou_threshold", 0.6),
        max_detections_per_class=_positive(nms, "max_detections_per_class", 100),
        max_detections=_positive(nms, "max_total_detections", 100),
        width=_part(body, "feature_extractor").number("depth_multiplier", 1.0),
        clip_norm=clip_norm if clip_norm > 0 else ZOO_CLIP_NORM,
    )


def _resizer(resizer: Message) -> tuple[int, int, tuple[int, int] | None]:
    """Least and greatest side of a keep-aspect-ratio resizer, or a fixed height and width."""
    fixed = resizer.message("fixed_shape_resizer")
    if fixed is not None:
        size = (_positive(fixed, "height", 300), _positive(fixed, "width", 300))
        return min(size), max(size), size
    kept = _part(resizer, "keep_aspect_ratio_resizer")
    for shape in (resizer, kept):
        _refuse(shape, "resize_method", shape.word("resize_method", "BILINEAR"), "BILINEAR")
    low = _positive(kept, "min_dimension", 600)
    high = _positive(kept, "max_dimension", 1024)
    if low > high:
        line = kept.line_of("min_dimension")
        raise kept.error(line, f"min_dimension is {low}, more than max_dimension, {high}.")
    return low, high, None


def _refuse_unbuilt(body: Message) -> None:
    """Raises TextProtoError for what changes the result and is not built here."""
    extractor = _part(body, "feature_extractor")
    _refuse(extractor, "type", extractor.word("type", ""), EXTRACTOR)
    stride = extractor.integer("first_stage_features_stride", FEATURES_STRIDE)
    _refuse(extractor, "first_stage_features_stride", stride, FEATURES_STRIDE)
    _refuse(body, "number_of_stages", body.integer("number_of_stages", 2), 2)
    _refuse(body, "first_stage_atrous_rate", body.integer("first_stage_atrous_rate", 1), 1)
    predictor = _part(_part(body, "second_stage_box_predictor"), "mask_rcnn_box_predictor")
    for name in ("predict_instance_masks", "predict_keypoints", "share_box_across_classes"):
        _refuse(predictor, name, predictor.flag(name, False), False)
    processing = _part(body, "second_stage_post_processing")
    converter = processing.word("score_converter", "IDENTITY")
    _refuse(processing, "score_converter", converter, "SOFTMAX")
    nms = _part(processing, "batch_non_max_suppression")
    _refuse(nms, "soft_nms_sigma", nms.number("soft_nms_sigma", 0.0), 0.0)
    _refuse(nms, "use_class_agnostic_nms", nms.flag("use_class_agnostic_nms", False), False)


def _refuse(message: Message, name: str, found: object, built: object) -> None:
    if found != built:
        line = message.line_of(name)
        shown = found if found != "" else "missing"
        raise message.error(line, f"{message.path}{name} is {shown}; only {built} is built here.")


def _part(message: Message, name: str) -> Message:
    part = message.message(name)
    if part is None:
        raise message.error(message.line, f"{message.path}{name} is missing.")
    return part


def _positive(message: Message, name: str, default: int) -> int:
    value = message.integer(name, default)
    if value < 1:
        words = f"is {value}" if name in message.fields else "is missing"
        raise message.error(message.line_of(name), f"{message.path}{name} {words}; 1 or more.")
    return value


def _share(message: Message, name: str, default: float) -> float:
    value = message.number(name, default)
    if not 0.0 <= value <= 1.0:
        raise message.error(
            message.line_of(name), f"{message.path}{name} is {value}; it lies from 0 to 1."
        )
    return value


def _several(message: Message, name: str) -> tuple[float, ...]:
    values = message.numbers(name)
    if not values or min(values) <= 0:
        raise message.error(
            message.line_of(name), f"{message.path}{name} must be one or more numbers over 0."
        )
    return values
