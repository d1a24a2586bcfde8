"""SSD's default boxes ("anchors"): a fixed grid of boxes that the model's outputs refer to.

Liu et al., "SSD: Single Shot MultiBox Detector" (2016), section 2.2, with the settings of the
TensorFlow detection zoo's ``ssdlite_mobilenet_v2_coco``: six feature maps, scales 0.2 to 0.95, and
a smaller first map (scale 0.1) with three anchors a cell. Pure numpy: needs no TensorFlow.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NUM_FEATURE_MAPS = 6
FIRST_FEATURE_STRIDE = 16
MIN_SCALE, MAX_SCALE = 0.2, 0.95
FIRST_MAP_SCALE = 0.1
ASPECT_RATIOS = (1.0, 2.0, 0.5, 3.0, 1.0 / 3.0)
FIRST_MAP_ASPECT_RATIOS = (1.0, 2.0, 0.5)

ANCHORS_PER_CELL = (3, 6, 6, 6, 6, 6)


def feature_map_sizes(input_size: int) -> list[int]:
    """Cells along one side of each feature map, for a square input of ``input_size`` pixels.

    Every stride-2 layer pads "same", so each halving rounds up: 300 gives 19, 10, 5, 3, 2, 1.
    """
    size = input_size
    for _ in range(FIRST_FEATURE_STRIDE.bit_length() - 1):
        size = -(-size // 2)
    sizes = []
    for _ in range(NUM_FEATURE_MAPS):
        sizes.append(size)
        size = -(-size // 2)
    return sizes


def cell_shapes() -> list[list[tuple[float, float]]]:
    """``(height, width)``, relative to the image, of each cell's anchors on each feature map."""
    scales = [
        MIN_SCALE + (MAX_SCALE - MIN_SCALE) * level / (NUM_FEATURE_MAPS - 1)
        for level in range(NUM_FEATURE_MAPS)
    ]
    maps: list[list[tuple[float, float]]] = []
    for level, scale in enumerate(scales):
        if level == 0:
            sized = list(zip((FIRST_MAP_SCALE, scale, scale), FIRST_MAP_ASPECT_RATIOS, strict=True))
        else:
            next_scale = scales[level + 1] if level + 1 < NUM_FEATURE_MAPS else 1.0
            sized = [(scale, ratio) for ratio in ASPECT_RATIOS]
            sized.append((float(np.sqrt(scale * next_scale)), 1.0))
        maps.append([(s / float(np.sqrt(r)), s * float(np.sqrt(r))) for s, r in sized])
    return maps


def make_anchors(input_size: int) -> NDArray[np.float32]:
    """All anchors for a square input: ``[num_anchors, 4]`` as relative ``cx, cy, width, height``.

    Order: feature map, row, column, anchor of the cell; 1917 anchors at 300. Relative to the
    image, and not clipped to it (as the zoo model was trained).
    """
    grids = []
    for size, shapes in zip(feature_map_sizes(input_size), cell_shapes(), strict=True):
        centres = (np.arange(size, dtype=np.float64) + 0.5) / size
        cy, cx = np.meshgrid(centres, centres, indexing="ij")
        grid = np.empty((size, size, len(shapes), 4))
        grid[..., 0] = cx[..., None]
        grid[..., 1] = cy[..., None]
        grid[..., 2] = [width for _, width in shapes]
        grid[..., 3] = [height for height, _ in shapes]
        grids.append(grid.reshape(-1, 4))
    return np.concatenate(grids).astype(np.float32)


def anchors_to_xyxy(anchors_cxcywh: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same anchors as relative ``xmin, ymin, xmax, ymax``."""
    centres, half = anchors_cxcywh[:, :2], anchors_cxcywh[:, 2:] / 2
    return np.concatenate([centres - half, centres + half], axis=1)
