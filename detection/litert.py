"""Convert a detector to LiteRT: one file that detects in milliseconds on a CPU."""

from __future__ import annotations

import tempfile

import keras
import tensorflow as tf

from detection.models.ssd import box_coder
from detection.models.ssd.anchors import make_anchors
from detection.models.ssd.detector import normalise


def to_litert(model: keras.Model, input_size: int) -> bytes:
    """The SSD ``model`` as a LiteRT float32 flatbuffer with signature ``serving_default``.

    In: ``image`` float32 ``[1, S, S, 3]``, RGB 0..255, the photo stretched bilinearly to a square.
    Out: ``scores`` ``[1, A, C]`` in 0..1 (C model class indices) and ``boxes`` ``[1, A, 4]``,
    decoded relative ``xmin, ymin, xmax, ymax``, not clipped. Threshold and NMS are the caller's
    (``detection.models.ssd.postprocessing``): they are faster outside.
    """
    anchors = tf.constant(make_anchors(input_size))

    def serve(image: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = model(normalise(image), training=False)
        return {
            "scores": tf.sigmoid(outputs["class_logits"]),
            "boxes": box_coder.decode(outputs["box_codes"], anchors),
        }

    # By Keras's own archive: a plain tf.Module leaves the weights out of the flatbuffer.
    archive = keras.export.ExportArchive()
    archive.track(model)
    image = tf.TensorSpec([1, input_size, input_size, 3], tf.float32, name="image")
    archive.add_endpoint("serving_default", serve, input_signature=[image])
    with tempfile.TemporaryDirectory() as folder:
        archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        return bytes(converter.convert())
