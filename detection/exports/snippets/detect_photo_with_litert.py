"""python detect_with_litert.py photo.jpg     needs: numpy pillow ai-edge-litert

Detect with this folder's model; prints a line a box: label, score, xmin, ymin, xmax, ymax (pixels).
"""

import json
import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image, ImageOps

here = Path(__file__).parent
facts = json.loads((here / "model.json").read_text(encoding="utf-8"))
labels = {item["id"]: item for item in facts["labels"]}
photo = ImageOps.exif_transpose(Image.open(sys.argv[1])).convert("RGB")
interpreter = Interpreter(str(here / "model.tflite"))  # resize and NMS are in the model
outputs = interpreter.get_signature_runner()(input_tensor=np.asarray(photo)[None])
names = ["num_detections", "detection_boxes", "detection_scores", "detection_classes"]
found, *detections = (outputs[name][0] for name in names)
for box, score, label in zip(*(values[: int(found)] for values in detections), strict=True):
    item = labels[int(label)]
    if score >= item.get("score_threshold", facts["score_threshold"]):
        pixels = box[[1, 0, 3, 2]] * (photo.size * 2)
        print(item["name"], f"{score:.4f}", *np.round(pixels, 2), sep="\t")
