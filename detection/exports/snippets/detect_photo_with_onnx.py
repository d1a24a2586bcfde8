"""python detect_with_onnx.py photo.jpg     needs: numpy pillow onnxruntime

Detect with this folder's model; prints a line a box: label, score, xmin, ymin, xmax, ymax (pixels).
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

here = Path(__file__).parent
facts = json.loads((here / "model.json").read_text(encoding="utf-8"))
labels = {item["id"]: item for item in facts["labels"]}
photo = ImageOps.exif_transpose(Image.open(sys.argv[1])).convert("RGB")
model = onnxruntime.InferenceSession(here / "model.onnx", providers=["CPUExecutionProvider"])
names = ["num_detections", "detection_boxes", "detection_scores", "detection_classes"]
outputs = model.run(names, {"input_tensor": np.asarray(photo)[None]})  # resize and NMS are in it
found, *detections = (values[0] for values in outputs)
for box, score, label in zip(*(values[: int(found)] for values in detections), strict=True):
    item = labels[int(label)]
    if score >= item.get("score_threshold", facts["score_threshold"]):
        pixels = box[[1, 0, 3, 2]] * (photo.size * 2)
        print(item["name"], f"{score:.4f}", *np.round(pixels, 2), sep="\t")
