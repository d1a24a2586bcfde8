"""The four losses (Ren et al. 2015, eq. 1; Girshick 2015, eq. 1), weighted as pipeline.config says.

Objectness and box of the first stage over sampled anchors, class and box of the second over
sampled proposals: softmax cross-entropy and smooth L1, each picture's sum over its sample's size,
then the mean over pictures.
"""

from __future__ import annotations

import tensorflow as tf

from detection.models.faster_rcnn import box_coder
from detection.models.faster_rcnn.anchors import inside_window
from detection.models.faster_rcnn.assignment import (
    GroundTruth,
    assign_anchors,
    assign_proposals,
)
from detection.models.faster_rcnn.detector import FasterRcnn, Tensors
from detection.models.faster_rcnn.proposals import propose, relative
from detection.models.faster_rcnn.sampling import sample

LOSSES = ("rpn_box", "rpn_objectness", "box", "class")


def detection_losses(
    model: FasterRcnn,
    images: tf.Tensor,
    image_shapes: tf.Tensor,
    truth: GroundTruth,
    seed: tf.Tensor,
) -> Tensors:
    """The weighted losses of a batch by name, scalars; their sum is to be minimised.

    ``images`` ``[B, H, W, 3]`` normalised and padded, ``image_shapes`` ``[B, 2]`` without the
    padding, ``seed`` ``[2]`` int for the samples.
    """
    config = model.config
    first = model.predict_regions(images)
    size = tf.shape(images)
    # Anchors that cross the border are left out in training: section 3.1.3.
    inside = inside_window(first["anchors"], size[1], size[2])
    inside |= ~tf.reduce_any(inside)
    anchors = tf.boolean_mask(first["anchors"], inside)
    codes = tf.boolean_mask(first["box_codes"], inside, axis=1)
    objectness = tf.boolean_mask(first["objectness"], inside, axis=1)

    found = assign_anchors(anchors, truth)
    drawn = sample(
        found.matched,
        found.background,
        config.first_stage_minibatch,
        config.first_stage_positive_fraction,
        seed,
    )
    targets = tf.gather(truth.boxes_yxyx, found.box_index, batch_dims=1)
    wanted = box_coder.encode(targets, anchors)
    rpn_box = _smooth_l1(codes, wanted) * tf.cast(drawn & found.matched, tf.float32)
    labels = tf.cast(found.matched, tf.int32)
    rpn_class = _cross_entropy(objectness, labels) * tf.cast(drawn, tf.float32)

    proposals, count = propose(codes, objectness, anchors, image_shapes, config)
    return {
        "rpn_box": config.first_stage_box_weight * _mean(rpn_box, drawn),
        "rpn_objectness": config.first_stage_objectness_weight * _mean(rpn_class, drawn),
        **_second_stage(model, first["features"], size, proposals, count, truth, seed),
    }


def _second_stage(
    model: FasterRcnn,
    features: tf.Tensor,
    size: tf.Tensor,
    proposals: tf.Tensor,
    count: tf.Tensor,
    truth: GroundTruth,
    seed: tf.Tensor,
) -> Tensors:
    config = model.config
    found = assign_proposals(proposals, count, truth)
    drawn = sample(
        found.matched,
        found.background,
        config.second_stage_batch,
        config.second_stage_positive_fraction,
        seed + 1,
    )
    # Those drawn come first; the second stage sees as many as a sample may have.
    order = tf.argsort(tf.cast(~drawn, tf.int32), axis=1, stable=True)
    order = order[:, : min(config.second_stage_batch, config.max_proposals)]
    drawn = tf.gather(drawn, order, batch_dims=1)
    matched = tf.gather(found.matched, order, batch_dims=1) & drawn
    boxes = tf.gather(proposals, order, batch_dims=1)
    index = tf.gather(found.box_index, order, batch_dims=1)

    padded = tf.tile(size[None, 1:3], [size[0], 1])
    outputs = model.classify(features, relative(boxes, padded))
    classes = tf.gather(truth.classes, index, batch_dims=1)
    targets = tf.gather(truth.boxes_yxyx, index, batch_dims=1)
    codes = tf.gather(outputs["box_codes"], classes, axis=2, batch_dims=2)
    # An empty padding box has no code; it is not matched, and its loss is not counted.
    safe = tf.where(matched[..., None], boxes, targets)
    box = _smooth_l1(codes, box_coder.encode(targets, safe)) * tf.cast(matched, tf.float32)
    labels = tf.where(matched, classes + 1, 0)
    klass = _cross_entropy(outputs["class_logits"], labels) * tf.cast(drawn, tf.float32)
    return {
        "box": config.second_stage_box_weight * _mean(box, drawn),
        "class": config.second_stage_class_weight * _mean(klass, drawn),
    }


def _smooth_l1(codes: tf.Tensor, wanted: tf.Tensor) -> tf.Tensor:
    """Huber's loss with delta 1, summed over a code's four numbers: ``[..., 4]`` to ``[...]``."""
    error = tf.abs(codes - tf.stop_gradient(wanted))
    each = tf.where(error <= 1.0, 0.5 * error * error, error - 0.5)
    return tf.reduce_sum(each, axis=-1)


def _cross_entropy(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)


def _mean(losses: tf.Tensor, drawn: tf.Tensor) -> tf.Tensor:
    """Each picture's sum over the size of its sample, then the mean over pictures."""
    size = tf.reduce_sum(tf.cast(drawn, tf.float32), axis=1)
    return tf.reduce_mean(tf.reduce_sum(losses, axis=1) / tf.maximum(size, 1.0))
