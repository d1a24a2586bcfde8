"""The Faster R-CNN model: two stages and what lies between them (Ren et al. 2015)."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from detection.models.faster_rcnn.anchors import clip_to_window, make_anchors
from detection.models.faster_rcnn.config import FasterRcnnConfig
from detection.models.faster_rcnn.inception_v2 import Extractor
from detection.models.faster_rcnn.operators import TENSORFLOW, Operators
from detection.models.faster_rcnn.proposals import absolute, propose, relative

FIRST_SCOPE, SECOND_SCOPE = "FirstStageFeatureExtractor", "SecondStageFeatureExtractor"
CODE_SIZE = 4
RELU_MOST = 6.0
Tensors = dict[str, tf.Tensor]


@keras.saving.register_keras_serializable(package="boxloop")
class FasterRcnn(keras.Model):
    """A Faster R-CNN with an Inception v2 extractor, as ``config`` says. Weights are random.

    ``first_stage``: pictures ``[B, H, W, 3]`` in -1..1 to ``features`` ``[B, H/16, W/16, 576]``,
    ``box_codes`` ``[B, A, 4]`` and ``objectness`` ``[B, A, 2]`` (logits: background, object).
    ``second_stage``: crops ``[N, 7, 7, 576]`` to ``box_codes`` ``[N, C, 4]`` and ``class_logits``
    ``[N, 1 + C]`` (background first). Batch norms always use their stored statistics, in training,
    too, as the API trains it.
    """

    def __init__(self, config: FasterRcnnConfig, **options: Any) -> None:
        super().__init__(**{"name": "faster_rcnn_inception_v2", **options})
        self.config = config
        self.first_stage = _first_stage(config)
        self.second_stage = _second_stage(config, self.first_stage.output["features"].shape[-1])
        self.built = True

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "config": self.config.as_json()}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> FasterRcnn:
        values = dict(config)
        return cls(FasterRcnnConfig.from_json(values.pop("config")), **values)

    def predict_regions(self, images: tf.Tensor) -> Tensors:
        """The first stage's answers to normalised pictures, with ``anchors`` ``[A, 4]`` in pixels.

        The anchors are not clipped to the pictures.
        """
        outputs = dict(self.first_stage(images, training=False))
        grid = tf.shape(outputs["features"])
        outputs["anchors"] = make_anchors(grid[1], grid[2], self.config)
        return outputs

    def classify(
        self, features: tf.Tensor, boxes_rel_yxyx: tf.Tensor, operators: Operators = TENSORFLOW
    ) -> Tensors:
        """The second stage's answers for boxes ``[B, N, 4]``, relative to the padded picture.

        ``box_codes`` ``[B, N, C, 4]`` and ``class_logits`` ``[B, N, 1 + C]``.
        """
        crops = crop_and_pool(features, boxes_rel_yxyx, self.config, operators)
        outputs = self.second_stage(crops, training=False)
        shape = tf.shape(boxes_rel_yxyx)
        classes = self.config.num_classes
        codes = tf.reshape(outputs["box_codes"], [shape[0], shape[1], classes, CODE_SIZE])
        logits = tf.reshape(outputs["class_logits"], [shape[0], shape[1], classes + 1])
        return {"box_codes": codes, "class_logits": logits}

    def predict_boxes(
        self, images: tf.Tensor, image_shapes: tf.Tensor, operators: Operators = TENSORFLOW
    ) -> Tensors:
        """Both stages on normalised pictures ``[B, H, W, 3]``, as they run at detection.

        ``image_shapes`` ``[B, 2]``: height and width of each picture without its padding. Returns
        the first stage's ``features``, ``rpn_box_codes``, ``objectness`` and ``anchors``, clipped
        to the pictures; ``proposals`` ``[B, P, 4]`` in pixels, ``num_proposals`` ``[B]``, and
        ``box_codes`` and ``class_logits`` of ``classify``.
        """
        first = self.predict_regions(images)
        size = tf.shape(images)
        anchors = clip_to_window(first["anchors"], size[1], size[2])
        proposals, count = propose(
            first["box_codes"],
            first["objectness"],
            anchors,
            image_shapes,
            self.config,
            operators.suppress,
        )
        padded = tf.tile(size[None, 1:3], [size[0], 1])
        boxes_rel = relative(proposals, padded)
        return {
            "features": first["features"],
            "rpn_box_codes": first["box_codes"],
            "objectness": first["objectness"],
            "anchors": anchors,
            "proposals": absolute(boxes_rel, padded),
            "num_proposals": count,
            **self.classify(first["features"], boxes_rel, operators),
        }


def crop_and_pool(
    features: tf.Tensor,
    boxes_rel_yxyx: tf.Tensor,
    config: FasterRcnnConfig,
    operators: Operators = TENSORFLOW,
) -> tf.Tensor:
    """The features in each box of ``[B, N, 4]``: ``[B * N, S, S, channels]``, S 7 as published.

    Bilinear crops of ``crop_size``, then a max pool: the API's stand-in for RoI pooling (Girshick
    2015, section 2.1).
    """
    crops = operators.crop(features, boxes_rel_yxyx, config.crop_size)
    return tf.nn.max_pool2d(crops, config.pool_kernel, config.pool_stride, "VALID")


def _first_stage(config: FasterRcnnConfig) -> keras.Model:
    image = keras.Input((None, None, 3), name="image")
    features = Extractor(FIRST_SCOPE, config.width).first_stage(image)
    x = keras.layers.Conv2D(
        config.rpn_depth,
        config.rpn_kernel,
        padding="same",
        kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.01),
        name="Conv",
    )(features)
    x = keras.layers.ReLU(RELU_MOST, name="Conv.Relu6")(x)
    scope, count = "FirstStageBoxPredictor", config.anchors_per_cell
    codes = _predictor(x, count * CODE_SIZE, f"{scope}.BoxEncodingPredictor")
    logits = _predictor(x, count * 2, f"{scope}.ClassPredictor")
    outputs = {
        "features": features,
        "box_codes": keras.layers.Reshape((-1, CODE_SIZE), dtype="float32", name=f"{scope}.codes")(
            codes
        ),
        "objectness": keras.layers.Reshape((-1, 2), dtype="float32", name=f"{scope}.logits")(
            logits
        ),
    }
    return keras.Model(image, outputs, name="first_stage")


def _predictor(x: keras.KerasTensor, outputs: int, name: str) -> keras.KerasTensor:
    start = keras.initializers.TruncatedNormal(stddev=0.01)
    return keras.layers.Conv2D(outputs, 1, kernel_initializer=start, dtype="float32", name=name)(x)


def _second_stage(config: FasterRcnnConfig, channels: int) -> keras.Model:
    side = (config.crop_size - config.pool_kernel) // config.pool_stride + 1
    crops = keras.Input((side, side, channels), name="crops")
    x = Extractor(SECOND_SCOPE, config.width).second_stage(crops)
    x = keras.layers.GlobalAveragePooling2D(name="SecondStageBoxPredictor.AvgPool")(x)
    scope = "SecondStageBoxPredictor"
    count = config.num_classes
    codes = _dense(x, count * CODE_SIZE, f"{scope}.BoxEncodingPredictor")
    outputs = {
        "box_codes": keras.layers.Reshape(
            (count, CODE_SIZE), dtype="float32", name=f"{scope}.codes"
        )(codes),
        "class_logits": _dense(x, count + 1, f"{scope}.ClassPredictor"),
    }
    return keras.Model(crops, outputs, name="second_stage")


def _dense(x: keras.KerasTensor, outputs: int, name: str) -> keras.KerasTensor:
    # The zoo's configuration: uniform, by the mean of fan in and out (Glorot & Bengio 2010).
    start = keras.initializers.VarianceScaling(1.0 / 3.0, "fan_avg", "uniform")
    return keras.layers.Dense(outputs, kernel_initializer=start, dtype="float32", name=name)(x)
