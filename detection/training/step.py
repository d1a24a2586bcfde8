"""One step of training: the loss of a batch, its gradients, the optimizer, the weight average."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from detection.models.ssd import box_coder
from detection.models.ssd.anchors import anchors_to_xyxy, make_anchors
from detection.models.ssd.assignment import assign
from detection.models.ssd.losses import detection_loss

WEIGHT_DECAY = 0.01
CLIP_NORM = 5.0
AVERAGE_DECAY = 0.998

Batch = dict[str, tf.Tensor]


class TrainingStep:
    """Trains ``model`` a batch at a time; every call is one compiled graph.

    ``average`` holds an exponential moving average of the model's weights, which evaluates better
    than the weights of any one step.
    """

    def __init__(self, model: keras.Model, input_size: int) -> None:
        self.model = model
        anchors = make_anchors(input_size)
        self.anchors = tf.constant(anchors)
        self.anchors_xyxy = tf.constant(anchors_to_xyxy(anchors))
        self.optimizer = keras.optimizers.AdamW(
            learning_rate=0.0, weight_decay=WEIGHT_DECAY, global_clipnorm=CLIP_NORM
        )
        self.optimizer.exclude_from_weight_decay(
            [v for v in model.trainable_variables if len(v.shape) < 2]
        )
        self.optimizer.build(model.trainable_variables)
        self.average = [tf.Variable(v.value, trainable=False) for v in model.weights]
        self._compiled = tf.function(self._step, reduce_retracing=True)

    def __call__(self, batch: Batch, learning_rate: float) -> float:
        """Learn from ``batch`` (see ``input_pipeline.training_batches``); returns its loss."""
        self.optimizer.learning_rate.assign(learning_rate)
        tensors = {name: batch[name] for name in batch if name != "picture"}
        return float(self._compiled(tensors))

    def loss(self, batch: Batch, *, training: bool) -> tf.Tensor:
        """The batch's scalar loss."""
        outputs = self.model(batch["images"], training=training)
        predicted = box_coder.decode(outputs["box_codes"], self.anchors)
        assignment = assign(
            tf.stop_gradient(tf.sigmoid(outputs["class_logits"])),
            tf.stop_gradient(predicted),
            self.anchors_xyxy,
            batch["boxes_xyxy"],
            batch["classes"],
            batch["is_box"],
            batch["is_ignored"],
        )
        return detection_loss(
            outputs["class_logits"],
            predicted,
            assignment.class_targets,
            tf.gather(batch["boxes_xyxy"], assignment.box_index, batch_dims=1),
            assignment.box_weights,
            assignment.ignored,
        )

    def _step(self, batch: Batch) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = self.loss(batch, training=True)
        variables = self.model.trainable_variables
        gradients = tape.gradient(loss, [v.value for v in variables])
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        step = tf.cast(self.optimizer.iterations.value, tf.float32)
        decay = tf.minimum(AVERAGE_DECAY, (1.0 + step) / (10.0 + step))
        for averaged, variable in zip(self.average, self.model.weights, strict=True):
            averaged.assign_sub((1.0 - decay) * (averaged - variable.value))
        return loss

    def state(self) -> dict[str, np.ndarray]:
        """Everything that the next step depends on, by name."""
        arrays = {f"model/{v.path}": np.array(v) for v in self.model.weights}
        arrays |= {f"optimizer/{v.path}": np.array(v) for v in self.optimizer.variables}
        for variable, averaged in zip(self.model.weights, self.average, strict=True):
            arrays[f"average/{variable.path}"] = averaged.numpy()
        return arrays

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Take up ``state`` again. Raises KeyError when it is of another model."""
        for variable in self.model.weights:
            variable.assign(arrays[f"model/{variable.path}"])
        for variable in self.optimizer.variables:
            variable.assign(arrays[f"optimizer/{variable.path}"])
        for variable, averaged in zip(self.model.weights, self.average, strict=True):
            averaged.assign(arrays[f"average/{variable.path}"])

    def averaged_weights(self) -> dict[str, np.ndarray]:
        """The averaged weights by the model's own names: what is evaluated and exported."""
        return {
            variable.path: averaged.numpy()
            for variable, averaged in zip(self.model.weights, self.average, strict=True)
        }
