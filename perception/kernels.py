"""Compiled loops: farthest-point sampling that skips what cannot change, and a fast argmax.

Compiled without fast-math, so that a distance has the same bits here and in the other back-ends.
"""

from typing import no_type_check

import numpy as np
from numba import njit

BLOCK = 16  # Points per block; measured best on depth images, whose neighbours are near in space.


@no_type_check
@njit(cache=True, nogil=True)
def farthest_points_blocked(x, y, z, count, start):
    """Pick `count` indices, each the farthest from all picked before; ties go to the first.

    Exact: a block of consecutive points is skipped when its bounding box lies farther from the
    new pick than the farthest of its points lies from the old ones, so no distance can shrink.
    (Rounding is monotonic and the order of operations the same, so this holds to the last bit.)
    """
    total = x.shape[0]
    blocks = (total + BLOCK - 1) // BLOCK
    infinity = np.float32(np.inf)
    distance = np.full(total, infinity, np.float32)
    farthest = np.full(blocks, infinity, np.float32)
    box = np.empty((blocks, 6), np.float32)
    for block in range(blocks):
        first, last = block * BLOCK, min(total, block * BLOCK + BLOCK)
        box[block, 0], box[block, 1] = x[first:last].min(), x[first:last].max()
        box[block, 2], box[block, 3] = y[first:last].min(), y[first:last].max()
        box[block, 4], box[block, 5] = z[first:last].min(), z[first:last].max()

    picked = np.empty(count, np.int64)
    pick = start
    zero = np.float32(0)
    for step in range(count):
        picked[step] = pick
        px, py, pz = x[pick], y[pick], z[pick]
        best, best_block = np.float32(-1), 0
        for block in range(blocks):
            gap_x = max(zero, max(box[block, 0] - px, px - box[block, 1]))
            gap_y = max(zero, max(box[block, 2] - py, py - box[block, 3]))
            gap_z = max(zero, max(box[block, 4] - pz, pz - box[block, 5]))
            gap = gap_x * gap_x + gap_y * gap_y + gap_z * gap_z
            if gap < farthest[block]:
                reach = np.float32(-1)
                for i in range(block * BLOCK, min(total, block * BLOCK + BLOCK)):
                    dx, dy, dz = x[i] - px, y[i] - py, z[i] - pz
                    nearest = min(distance[i], dx * dx + dy * dy + dz * dz)
                    distance[i] = nearest
                    reach = max(reach, nearest)
                farthest[block] = reach
            if farthest[block] > best:
                best, best_block = farthest[block], block
        for i in range(best_block * BLOCK, min(total, best_block * BLOCK + BLOCK)):
            if distance[i] == best:
                pick = i
                break
    return picked


@no_type_check
@njit(cache=True, nogil=True)
def first_maximum(features):
    """Find, for (cloud, point, feature) float32, the first point of each feature's maximum."""
    clouds, points, size = features.shape
    winners = np.zeros((clouds, size), np.int64)
    for cloud in range(clouds):
        best = features[cloud, 0].copy()
        index = np.zeros(size, np.int32)
        for point in range(1, points):
            row = features[cloud, point]
            for f in range(size):
                larger = row[f] > best[f]
                best[f] = row[f] if larger else best[f]
                index[f] = np.int32(point) if larger else index[f]
        winners[cloud] = index
    return winners
