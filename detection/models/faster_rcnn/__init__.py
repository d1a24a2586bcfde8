"""Faster R-CNN on Inception v2 (Ren et al. 2015; Szegedy et al. 2015), one concept a file.

The names are those of the TensorFlow Object Detection API's ``faster_rcnn_inception_v2`` and its
pipeline.config. Boxes in this package are ``ymin, xmin, ymax, xmax`` in pixels of the resized
picture, unless their name says ``rel``.
"""
