"""A Faster R-CNN small enough for tests, and a TF1-style checkpoint of it."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from detection.models.faster_rcnn.checkpoint import variable_map
from detection.models.faster_rcnn.config import FasterRcnnConfig, parse_config
from detection.models.faster_rcnn.detector import FasterRcnn

PIPELINE = """
model { faster_rcnn {
  num_classes: 3
  image_resizer { keep_aspect_ratio_resizer { min_dimension: 64 max_dimension: 96 } }
  feature_extractor { type: 'faster_rcnn_inception_v2' first_stage_features_stride: 16
                      depth_multiplier: 0.25 }
  first_stage_anchor_generator { grid_anchor_generator {
    scales: [0.125, 0.25] aspect_ratios: [0.5, 1.0, 2.0] height_stride: 16 width_stride: 16 } }
  first_stage_box_predictor_depth: 32
  first_stage_max_proposals: 16
  initial_crop_size: 14 maxpool_kernel_size: 2 maxpool_stride: 2
  first_stage_localization_loss_weight: 2.0
  second_stage_localization_loss_weight: 2.0
  second_stage_box_predictor { mask_rcnn_box_predictor { use_dropout: false } }
  second_stage_post_processing {
    batch_non_max_suppression { iou_threshold: 0.6 max_detections_per_class: 10
                                max_total_detections: 20 }
    score_converter: SOFTMAX }
} }
train_config { batch_size: 1 gradient_clipping_by_norm: 5.0 }
"""


def tiny_config() -> FasterRcnnConfig:
    return parse_config(PIPELINE)


def decided_model() -> FasterRcnn:
    """A random model whose scores and boxes lie far apart, so that no rounding decides."""
    tf.keras.utils.set_random_seed(1)
    model = FasterRcnn(tiny_config())
    louder = {
        "FirstStageBoxPredictor.ClassPredictor": 2e4,
        "FirstStageBoxPredictor.BoxEncodingPredictor": 1e4,
        "SecondStageBoxPredictor.ClassPredictor": 1e3,
        "SecondStageBoxPredictor.BoxEncodingPredictor": 5e2,
    }
    for variable in model.weights:
        layer = variable.path.split("/")[0]
        if layer in louder:
            variable.assign(variable * louder[layer])
    return model


def write_checkpoint(model: FasterRcnn, prefix: Path, leave_out: tuple[str, ...] = ()) -> None:
    """The model's variables under their TF1 names, with what training leaves beside them."""
    values = {name: variable.value for name, variable in variable_map(model).items()}
    for name in leave_out:
        del values[name]
    values["global_step"] = tf.constant(7, tf.int64)
    values["Conv/weights/Momentum"] = tf.zeros([2])
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(values),
        shape_and_slices=[""] * len(values),
        tensors=[tf.convert_to_tensor(value) for value in values.values()],
    )
