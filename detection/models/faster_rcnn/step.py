"""One step of training a Faster R-CNN: the engine's step with this model's losses."""

from __future__ import annotations

import tensorflow as tf

from detection.models.faster_rcnn.assignment import GroundTruth
from detection.models.faster_rcnn.detector import FasterRcnn, Tensors
from detection.models.faster_rcnn.losses import detection_losses
from detection.training.step import GradientStep


def batch_loss(model: FasterRcnn, batch: Tensors, seed: int) -> tf.Tensor:
    """The scalar loss of a batch of ``batches.training_batches``, on float32.

    ``seed`` and the batch's first sample number decide which anchors and proposals are drawn.
    """
    drawn = tf.stack([tf.constant(seed, tf.int64), batch["sample"][0]])
    truth = ground_truth(batch)
    losses = detection_losses(model, batch["images"], batch["shapes"], truth, drawn)
    return tf.reduce_sum(tf.stack(list(losses.values())))


def ground_truth(batch: Tensors) -> GroundTruth:
    """A batch's boxes in pixels of its resized pictures."""
    size = tf.cast(batch["shapes"], tf.float32)
    scale = tf.concat([size, size], axis=1)[:, None, :]
    boxes_yxyx = tf.gather(batch["boxes_xyxy"], [1, 0, 3, 2], axis=-1) * scale
    return GroundTruth(boxes_yxyx, batch["classes"], batch["is_box"] > 0, batch["is_ignored"] > 0)


class FasterRcnnStep(GradientStep):
    """The engine's training step with the losses of Faster R-CNN."""

    model: FasterRcnn

    def __init__(
        self, model: FasterRcnn, seed: int, strategy: tf.distribute.Strategy | None = None
    ) -> None:
        super().__init__(model, strategy, clip_norm=model.config.clip_norm)
        self._seed = seed
        # One graph for pictures of all sizes: tracing takes longer than many steps.
        batch = {
            "images": tf.TensorSpec([None, None, None, 3], tf.float32),
            "shapes": tf.TensorSpec([None, 2], tf.int32),
            "boxes_xyxy": tf.TensorSpec([None, None, 4], tf.float32),
            "classes": tf.TensorSpec([None, None], tf.int32),
            "is_box": tf.TensorSpec([None, None], tf.float32),
            "is_ignored": tf.TensorSpec([None, None], tf.float32),
            "sample": tf.TensorSpec([None], tf.int64),
        }
        signature = [batch, tf.TensorSpec([], tf.float32)]
        self._compiled = tf.function(self._step, signature, autograph=False)
        self._is_traced = True

    def loss(self, batch: Tensors, *, training: bool) -> tf.Tensor:
        """The batch's scalar loss; in a replica, its part of it."""
        loss = batch_loss(self.model, batch, self._seed)
        context = tf.distribute.get_replica_context()
        return loss / context.num_replicas_in_sync if context is not None else loss
