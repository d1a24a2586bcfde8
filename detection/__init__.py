"""Boxloop's detection engine: data formats, training, evaluation, export and inference.

Nothing here knows the web application. Heavy libraries are imported only by the modules that
need them, so that reading a format costs no TensorFlow.
"""
