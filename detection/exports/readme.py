"""The README of a bundle: what is in it, how it is used, and how like the trained model it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]

_TEXT = """\
# A detector, made by Boxloop

Finds: {labels}. Input: a photo, stretched to {side} x {side} pixels. Show boxes from a score of
{threshold:.2f} on. Two boxes of one label are one where their IoU is over {iou}.

## Files

| file | what it is |
|---|---|
{files}

## Use

- `detect_with_litert.py` detects on a photo with numpy, pillow and ai-edge-litert alone:
  `python detect_with_litert.py photo.jpg`. It is short: take it into your own program.
  `detect_with_onnx.py`, where there is a `model.onnx`, does so with onnxruntime.
- LiteRT: `image` float32 `[1, {side}, {side}, 3]` in, RGB, 0 to 255; `scores` `[1, boxes, labels]`
  and `boxes` `[1, boxes, 4]` (xmin, ymin, xmax, ymax, 0 to 1) out, before suppression.
- SavedModel, frozen graph and ONNX: one uint8 photo as it is, `[1, height, width, 3]`, RGB, in
  (`input_tensor`, in the frozen graph `image_tensor:0`); `detection_boxes` (ymin, xmin, ymax, xmax,
  0 to 1), `detection_scores`, `detection_classes` (the ids of label_map.pbtxt) and `num_detections`
  out, as the TensorFlow Object Detection API has them, best first, padded with zeros. The
  SavedModel and the frozen graph take batches of photos of one size.
{older}
## How like the trained model each export is

{proof}
"""

_OLDER_ONNX = """\
- The `model.onnx` that is here is of an older form: it takes and gives what LiteRT does. Exported
  again, it takes photos.
"""

_ANY_SIZE_TEXT = """\
# A detector, made by Boxloop

Finds: {labels}. Input: a photo of any size; the model resizes it to a shorter side of {side}
pixels itself. Show boxes from a score of {threshold:.2f} on. Suppression is in the model: two boxes
of one label are one where their IoU is over {iou}.

## Files

| file | what it is |
|---|---|
{files}

## Use

- Every form takes one uint8 photo as it is, `[1, height, width, 3]`, RGB, and answers as the
  TensorFlow Object Detection API does: `detection_boxes` (ymin, xmin, ymax, xmax, 0 to 1),
  `detection_scores`, `detection_classes` (the ids of label_map.pbtxt) and `num_detections`, best
  first, padded with zeros. The input is called `input_tensor`, that of the frozen graph
  `image_tensor:0`; the SavedModel and the frozen graph take batches of photos of one size.
- `detect_with_onnx.py`, where there is a `model.onnx`, detects on a photo with numpy, pillow and
  onnxruntime alone: `python detect_with_onnx.py photo.jpg`. `detect_with_litert.py`, where there is
  a `model.tflite`, does so with ai-edge-litert. Both are short: take them into your own program.

## How like the trained model each export is

{proof}
"""

_HEAD = """\
Each was run on real photos, and held against the trained model. A box agrees where its IoU with the
trained model's box and the difference of their scores are within the tolerance. AP is that on these
photos, the trained model's in brackets; – where their boxes are not known.

| export | photos | boxes | agree | median IoU | lowest IoU | largest score difference | AP | AP50 | tolerance |
|---|---|---|---|---|---|---|---|---|---|
"""  # noqa: E501


def bundle_readme(facts: dict[str, Any], artefacts: Sequence[Row], rows: Sequence[Row]) -> str:
    """The text, from model.json's facts and artefacts and the rows of exports.json."""
    names = [item["display_name"] or item["name"] for item in facts["labels"]]
    files = "\n".join(f"| `{one['path']}` | {one.get('about', '')} |" for one in artefacts)
    is_square = facts.get("architecture", "ssd") == "ssd"
    return (_TEXT if is_square else _ANY_SIZE_TEXT).format(
        labels=", ".join(names).replace("|", "/"),
        side=facts["input_size"],
        threshold=facts["score_threshold"],
        iou=facts["iou_threshold"],
        files=files,
        older=_OLDER_ONNX if has_onnx_of_squares(facts, rows) else "",
        proof=_proof(rows) if rows else "They were not compared.",
    )


def has_onnx_of_squares(facts: dict[str, Any], rows: Sequence[Row]) -> bool:
    """Whether a bundle's ONNX is of the older form, without resize and suppression.

    An SSD's that takes photos is compared on photos, too.
    """
    names = {row["artefact"] for row in rows}
    is_ssd = facts.get("architecture", "ssd") == "ssd"
    return is_ssd and "onnx" in names and "onnx, own resize" not in names


def _proof(rows: Sequence[Row]) -> str:
    lines = [
        f"| {row['artefact']} | {row['pictures']} | {row['boxes']} | {_number(row.get('share'))} "
        f"| {_number(row.get('median_iou'))} | {_number(row['lowest_iou'])} "
        f"| {_number(row['largest_score_difference'])} | {_beside(row, 'ap')} "
        f"| {_beside(row, 'ap_50')} | {_tolerance(row)} |"
        for row in rows
    ]
    return _HEAD + "\n".join(lines)


def _tolerance(row: Row) -> str:
    words = f"IoU {row['iou_tolerance']}, score ± {row['score_tolerance']}"
    if "share_tolerance" in row:
        words = f"{row['share_tolerance']:.0%} with {words}; AP - {row['ap_loss_tolerance']}"
    return words


def _beside(row: Row, name: str) -> str:
    """The export's number, and the trained model's in brackets."""
    if row.get(name) is None or row.get(f"trained_{name}") is None:
        return _number(row.get(name))
    return f"{row[name]:.4f} ({row[f'trained_{name}']:.4f})"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
