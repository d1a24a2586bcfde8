"""One step of training: the loss of a batch, its gradients, the optimizer, the weight average."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import keras
import numpy as np
import tensorflow as tf

from detection.models.ssd import box_coder
from detection.models.ssd.anchors import anchors_to_xyxy, make_anchors
from detection.models.ssd.assignment import assign
from detection.models.ssd.losses import detection_loss
from detection.training.ahead import split_at_fixed, with_features
from detection.training.devices import is_on_gpu
from detection.training.optimizer import AdamW, assign_flat, flat_values, pull_towards

WEIGHT_DECAY = 0.01
CLIP_NORM = 5.0
AVERAGE_DECAY = 0.998
# Of which there are as many as the picture of a batch that has most.
GROUND_TRUTH = {"boxes_xyxy", "classes", "is_box", "is_ignored"}

Batch = dict[str, tf.Tensor]


class GradientStep:
    """Trains ``model`` a batch at a time, by the ``loss`` that a subclass gives.

    ``average`` holds an exponential moving average of the model's weights, which evaluates better
    than the weights of any one step. With a ``strategy`` of several replicas (in whose scope the
    model was made) each takes its part of the batch; loss and gradients are those of the whole.
    """

    def __init__(
        self,
        model: keras.Model,
        strategy: tf.distribute.Strategy | None = None,
        clip_norm: float = CLIP_NORM,
    ) -> None:
        add_in_order()
        self.model = model
        self._strategy = strategy or tf.distribute.get_strategy()
        # Keras wraps TensorFlow's variables; the graph below is built of the latter.
        self._trainable: list[tf.Variable] = [v.value for v in model.trainable_variables]
        self._weights: list[tf.Variable] = [v.value for v in model.weights]
        is_matrix = [len(variable.shape) > 1 for variable in self._trainable]
        with self._strategy.scope():
            self.optimizer = AdamW(self._trainable, is_matrix, WEIGHT_DECAY, clip_norm)
            self._average = [tf.Variable(v.numpy(), trainable=False) for v in model.weights]
        # Nothing in a step needs AutoGraph, which would take as long as the tracing itself.
        self._compiled = tf.function(self._step, autograph=False)
        self._is_traced = False

    def __call__(self, batch: Batch, learning_rate: float) -> float:
        """Learn from ``batch`` (see ``input_pipeline.training_batches``); returns its loss."""
        tensors = {name: batch[name] for name in batch if name != "picture"}
        if not self._is_traced:
            self._trace(tensors)
        return float(self._compiled(tensors, tf.constant(learning_rate, tf.float32)))

    def _trace(self, batch: Batch) -> None:
        """Make one graph for any number of boxes: each takes as long as many steps."""
        signature = {}
        for name, tensor in batch.items():
            shape = tensor.shape.as_list()
            if name in GROUND_TRUTH:
                shape[1] = None
            signature[name] = tf.TensorSpec(shape, tensor.dtype)
        self._compiled.get_concrete_function(signature, tf.TensorSpec([], tf.float32))
        self._is_traced = True

    def ahead(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """``batches`` with what of the step can be done before its turn."""
        return iter(batches)

    def loss(self, batch: Batch, *, training: bool) -> tf.Tensor:
        """The batch's scalar loss; in a replica, its part of it."""
        raise NotImplementedError

    def _step(self, batch: Batch, learning_rate: tf.Tensor) -> tf.Tensor:
        losses = self._strategy.run(self._replica_step, args=(batch, learning_rate))
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, losses, axis=None)

    def _replica_step(self, batch: Batch, learning_rate: tf.Tensor) -> tf.Tensor:
        context = tf.distribute.get_replica_context()
        replicas = context.num_replicas_in_sync
        if replicas > 1:
            first = context.replica_id_in_sync_group
            batch = {name: values[first::replicas] for name, values in batch.items()}
        if replicas > 1:
            with tf.GradientTape() as tape:
                loss = self.loss(batch, training=True)
            gradients = tape.gradient(loss, self._trainable)
            gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        else:
            loss = self.loss(batch, training=True)
            # What a tensor gets from several uses is added two by two; a tape adds it by one AddN.
            by_twos = tf.AggregationMethod.EXPERIMENTAL_TREE
            gradients = tf.gradients(loss, self._trainable, aggregation_method=by_twos)
        self.optimizer.apply(gradients, learning_rate)
        step = tf.cast(self.optimizer.step, tf.float32)
        decay = tf.minimum(AVERAGE_DECAY, (1.0 + step) / (10.0 + step))
        for average, weight in zip(self._average, self._weights, strict=True):
            pull_towards(average, weight.read_value(), 1.0 - decay)
        return loss

    def state(self) -> dict[str, np.ndarray]:
        """Everything that the next step depends on, by name."""
        arrays = {f"model/{v.path}": v.numpy() for v in self.model.weights}
        arrays |= {f"optimizer/{name}": value for name, value in self.optimizer.state().items()}
        arrays["average"] = flat_values(self._average)
        return arrays

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Take up ``state`` again. Raises KeyError or ValueError when it is of another model."""
        for variable in self.model.weights:
            variable.assign(arrays[f"model/{variable.path}"])
        prefix = "optimizer/"
        self.optimizer.restore(
            {name.removeprefix(prefix): arrays[name] for name in arrays if name.startswith(prefix)}
        )
        assign_flat(self._average, arrays["average"])

    def averaged_weights(self) -> dict[str, np.ndarray]:
        """The averaged weights by the model's own names: what is evaluated and exported."""
        pairs = zip(self.model.weights, self._average, strict=True)
        return {variable.path: average.numpy() for variable, average in pairs}


def add_in_order() -> None:
    """Keep TensorFlow from joining sums to one AddN, for the whole process.

    AddN adds in the order in which its parts are ready. That changes the last bit from run to run,
    and a hundred steps later the run. Sums of two are the same in either order.
    """
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})


class TrainingStep(GradientStep):
    """The step of an SSD."""

    def __init__(
        self,
        model: keras.Model,
        input_size: int,
        strategy: tf.distribute.Strategy | None = None,
    ) -> None:
        super().__init__(model, strategy)
        anchors = make_anchors(input_size)
        self.anchors = tf.constant(anchors)
        self.anchors_xyxy = tf.constant(anchors_to_xyxy(anchors))
        # A GPU is not left idle by a step, and several take their features from their own images.
        many = self._strategy.num_replicas_in_sync > 1
        self._parts = None if is_on_gpu() or many else split_at_fixed(model)

    def ahead(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """``batches``, with fixed features in place of the images where layers are fixed."""
        return with_features(batches, self._parts[0]) if self._parts else iter(batches)

    def loss(self, batch: Batch, *, training: bool) -> tf.Tensor:
        """The batch's scalar loss; in a replica, its part of it."""
        if self._parts is not None and "features" in batch:
            outputs = self._parts[1](batch["features"], training=training)
        else:
            outputs = self.model(batch["images"], training=training)
        logits = tf.cast(outputs["class_logits"], tf.float32)
        predicted = box_coder.decode(tf.cast(outputs["box_codes"], tf.float32), self.anchors)
        assignment = assign(
            tf.stop_gradient(tf.sigmoid(logits)),
            tf.stop_gradient(predicted),
            self.anchors_xyxy,
            batch["boxes_xyxy"],
            batch["classes"],
            batch["is_box"],
            batch["is_ignored"],
        )
        total, positives = detection_loss(
            logits,
            predicted,
            assignment.class_targets,
            tf.gather(batch["boxes_xyxy"], assignment.box_index, batch_dims=1),
            assignment.box_weights,
            assignment.ignored,
        )
        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync > 1:
            positives = context.all_reduce(tf.distribute.ReduceOp.SUM, positives)
        return total / tf.maximum(positives, 1.0)
