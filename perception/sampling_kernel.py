"""Compiled farthest-point sampling that skips what cannot change.

Distances are compiled without fast-math, so that they have the same bits in the other back-ends.
"""

from typing import no_type_check

import numpy as np
from jaxtyping import Float32, Int

from perception.compiled import exactly, exactly_inline

BLOCK = 16  # Points per block; measured best on depth images, whose neighbours are near in space.

Axes = Float32[np.ndarray, "3 point"]
Boxes = Float32[np.ndarray, "block 6"]
Point = tuple[np.float32, np.float32, np.float32]


@no_type_check
@exactly
def farthest_points_blocked(axes: Axes, count: int, start: int) -> Int[np.ndarray, " count"]:
    """Pick `count` indices, each the farthest from all picked before; ties go to the first.

    Exact: a block of consecutive points is skipped when its bounding box lies farther from the
    new pick than the farthest of its points lies from the old ones, so no distance can shrink.
    (Rounding is monotonic and the order of operations the same, so this holds to the last bit.)

    Args:
        axes: The points, axis by axis.
        count: Points to pick.
        start: The first to pick.
    """
    boxes = _bounding_boxes(axes)
    distance = np.full(axes.shape[1], np.float32(np.inf), np.float32)
    farthest = np.full(boxes.shape[0], np.float32(np.inf), np.float32)
    picked = np.empty(count, np.int64)
    pick = start
    for step in range(count):
        picked[step] = pick
        point = axes[0, pick], axes[1, pick], axes[2, pick]
        block = _update_blocks(axes, boxes, point, distance, farthest)
        pick = _find(distance, farthest[block], block)
    return picked


@no_type_check
@exactly
def _bounding_boxes(axes: Axes) -> Boxes:
    """Give the lowest and highest x, y and z of each block."""
    total = axes.shape[1]
    blocks = (total + BLOCK - 1) // BLOCK
    boxes = np.empty((blocks, 6), np.float32)
    for block in range(blocks):
        first, last = block * BLOCK, min(total, block * BLOCK + BLOCK)
        for axis in range(3):
            values = axes[axis, first:last]
            boxes[block, 2 * axis], boxes[block, 2 * axis + 1] = values.min(), values.max()
    return boxes


@no_type_check
@exactly
def _update_blocks(
    axes: Axes,
    boxes: Boxes,
    point: Point,
    distance: Float32[np.ndarray, " point"],
    farthest: Float32[np.ndarray, " block"],
) -> int:
    """Bring distances up to date with a new pick; give the block of the farthest point."""
    best, best_block = np.float32(-1), 0
    for block in range(boxes.shape[0]):
        if _squared_gap(boxes, block, point) < farthest[block]:
            farthest[block] = _update_block(axes, block, point, distance)
        if farthest[block] > best:
            best, best_block = farthest[block], block
    return best_block


@no_type_check
@exactly_inline
def _squared_gap(boxes: Boxes, block: int, point: Point) -> np.float32:
    """Give the squared distance from a point to a block's box."""
    zero = np.float32(0)
    px, py, pz = point
    gap_x = max(zero, boxes[block, 0] - px, px - boxes[block, 1])
    gap_y = max(zero, boxes[block, 2] - py, py - boxes[block, 3])
    gap_z = max(zero, boxes[block, 4] - pz, pz - boxes[block, 5])
    return gap_x * gap_x + gap_y * gap_y + gap_z * gap_z


@no_type_check
@exactly_inline
def _update_block(
    axes: Axes, block: int, point: Point, distance: Float32[np.ndarray, " point"]
) -> np.float32:
    """Bring one block's distances up to date; give the largest of them."""
    px, py, pz = point
    reach = np.float32(-1)
    for i in range(block * BLOCK, min(axes.shape[1], block * BLOCK + BLOCK)):
        dx, dy, dz = axes[0, i] - px, axes[1, i] - py, axes[2, i] - pz
        nearest = min(distance[i], dx * dx + dy * dy + dz * dz)
        distance[i] = nearest
        reach = max(reach, nearest)
    return reach


@no_type_check
@exactly
def _find(distance: Float32[np.ndarray, " point"], wanted: np.float32, block: int) -> int:
    """Give the first point of a block that is as far as wanted."""
    i = block * BLOCK
    while distance[i] != wanted:
        i += 1
    return i
