"""python detect_with_onnx.py photo.jpg [model.onnx]     needs: numpy pillow onnxruntime

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
name = sys.argv[2] if len(sys.argv) > 2 else "model.onnx"
side = facts["input_size"]
photo = ImageOps.exif_transpose(Image.open(sys.argv[1])).convert("RGB")
square = photo.resize((side, side), Image.Resampling.BILINEAR)
model = onnxruntime.InferenceSession(here / name, providers=["CPUExecutionProvider"])
pixels = np.asarray(square, np.float32)[None]  # 0..255: the model normalises
boxes, scores = (value[0] for value in model.run(["boxes", "scores"], {"image": pixels}))

for label, item in enumerate(facts["labels"]):  # suppress within each label, best first
    order = np.argsort(-scores[:, label])
    order = order[scores[order, label] >= item.get("score_threshold", facts["score_threshold"])]
    while order.size:
        best, rest = boxes[order[0]], boxes[order[1:]]
        sides = np.minimum(best[2:], rest[:, 2:]) - np.maximum(best[:2], rest[:, :2])
        overlap = np.prod(np.maximum(sides, 0), axis=1)
        areas = np.prod(rest[:, 2:] - rest[:, :2], axis=1) + np.prod(best[2:] - best[:2])
        pixels = np.clip(best, 0, 1) * (photo.size * 2)
        print(item["name"], f"{scores[order[0], label]:.4f}", *np.round(pixels, 2), sep="\t")
        order = order[1:][overlap <= facts["iou_threshold"] * (areas - overlap)]
