"""One step of training: the loss of a batch, its gradients, the optimizer, the weight average."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from detection.models.ssd import box_coder
from detection.models.ssd.anchors import anchors_to_xyxy, make_anchors
from detection.models.ssd.assignment import assign
from detection.models.ssd.losses import detection_loss
from detection.training.optimizer import AdamW, flatten

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
        # Keras wraps TensorFlow's variables; the graph below is built of the latter.
        self._trainable: list[tf.Variable] = [v.value for v in model.trainable_variables]
        self._weights: list[tf.Variable] = [v.value for v in model.weights]
        is_matrix = [len(variable.shape) > 1 for variable in self._trainable]
        self.optimizer = AdamW(self._trainable, is_matrix, WEIGHT_DECAY, CLIP_NORM)
        self._average = tf.Variable(flatten(self._weights), trainable=False)
        self._compiled = tf.function(self._step, reduce_retracing=True)

    def __call__(self, batch: Batch, learning_rate: float) -> float:
        """Learn from ``batch`` (see ``input_pipeline.training_batches``); returns its loss."""
        tensors = {name: batch[name] for name in batch if name != "picture"}
        return float(self._compiled(tensors, tf.constant(learning_rate, tf.float32)))

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

    def _step(self, batch: Batch, learning_rate: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = self.loss(batch, training=True)
        gradients = tape.gradient(loss, self._trainable)
        self.optimizer.apply(gradients, learning_rate)
        step = tf.cast(self.optimizer.step, tf.float32)
        decay = tf.minimum(AVERAGE_DECAY, (1.0 + step) / (10.0 + step))
        self._average.assign_sub((1.0 - decay) * (self._average - flatten(self._weights)))
        return loss

    def state(self) -> dict[str, np.ndarray]:
        """Everything that the next step depends on, by name."""
        arrays = {f"model/{v.path}": v.numpy() for v in self.model.weights}
        arrays |= {f"optimizer/{name}": value for name, value in self.optimizer.state().items()}
        arrays["average"] = self._average.numpy()
        return arrays

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Take up ``state`` again. Raises KeyError or ValueError when it is of another model."""
        for variable in self.model.weights:
            variable.assign(arrays[f"model/{variable.path}"])
        prefix = "optimizer/"
        self.optimizer.restore(
            {name.removeprefix(prefix): arrays[name] for name in arrays if name.startswith(prefix)}
        )
        self._average.assign(arrays["average"])

    def averaged_weights(self) -> dict[str, np.ndarray]:
        """The averaged weights by the model's own names: what is evaluated and exported."""
        weights, start = {}, 0
        average = self._average.numpy()
        for variable in self.model.weights:
            size = int(np.prod(variable.shape))
            weights[variable.path] = average[start : start + size].reshape(variable.shape)
            start += size
        return weights
