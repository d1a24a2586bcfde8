"""TFRecords of a frozen revision: what training reads, and what people take elsewhere."""

import hashlib
from pathlib import Path
from typing import Any

from django.core.files.storage import default_storage

from detection.formats.tfrecord import RecordWriter, encode_example
from detection.images import upright_jpeg_bytes
from detection.label_map import LabelMap, LabelMapItem, write_label_map
from detection.types import Box, LabelledImage
from webapp.datasets.freezing import read_manifest
from webapp.datasets.models import DatasetRevision, Image

IMAGES_A_SHARD = 500
