"""Compiled loops: farthest-point sampling that skips what cannot change, and parts of the encoder.

Distances are compiled without fast-math, so that they have the same bits in the other back-ends.
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


# Of the encoder. Sums may be taken in another order (reassoc), so that vectors can be used.
# bfloat16 comes as its bits (uint16), which are the upper half of a float32's.
_by_vectors = njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})


@no_type_check
@_by_vectors
def _widen(line, wide):
    for f in range(line.shape[0]):
        wide[f] = np.uint32(line[f]) << np.uint32(16)


@no_type_check
@_by_vectors
def _normalise_rectify_line(line, weight, bias, epsilon):
    size = line.shape[0]
    share = np.float32(1) / np.float32(size)
    total, squares = np.float32(0), np.float32(0)
    for f in range(size):
        total += line[f]
    mean = total * share
    for f in range(size):
        line[f] -= mean
        squares += line[f] * line[f]
    scale = np.float32(1) / np.sqrt(squares * share + np.float32(epsilon))
    for f in range(size):
        line[f] = max(line[f] * scale * weight[f] + bias[f], np.float32(0))


@no_type_check
@_by_vectors
def normalise_rectify(values, weight, bias, epsilon):
    """Apply LayerNorm and ReLU in place to (row, feature) float32: one pass instead of three."""
    for row in range(values.shape[0]):
        _normalise_rectify_line(values[row], weight, bias, epsilon)


@no_type_check
@_by_vectors
def normalise_rectify_bfloat16(bits, weight, bias, epsilon):
    """Do the same to bfloat16: computed in float32 and rounded to nearest even, as in Torch."""
    size = bits.shape[1]
    wide = np.empty(size, np.uint32)
    values = wide.view(np.float32)
    for row in range(bits.shape[0]):
        line = bits[row]
        _widen(line, wide)
        _normalise_rectify_line(values, weight, bias, epsilon)
        for f in range(size):
            odd = (wide[f] >> np.uint32(16)) & np.uint32(1)
            line[f] = np.uint16((wide[f] + np.uint32(0x7FFF) + odd) >> np.uint32(16))


@no_type_check
@_by_vectors
def _keep_larger(best, index, line, point):
    for f in range(line.shape[0]):
        larger = line[f] > best[f]
        best[f] = line[f] if larger else best[f]
        index[f] = np.int32(point) if larger else index[f]


@no_type_check
@_by_vectors
def first_maximum(features):
    """Find the maxima of (cloud, point, feature) float32 over the points; ties go to the first.

    Returns (cloud, feature): the maxima, and the points they are of.
    """
    clouds, points, size = features.shape
    maxima, winners = np.empty((clouds, size), np.float32), np.empty((clouds, size), np.int64)
    index = np.empty(size, np.int32)
    for cloud in range(clouds):
        best = maxima[cloud]
        best[:], index[:] = features[cloud, 0], 0
        for point in range(1, points):
            _keep_larger(best, index, features[cloud, point], point)
        winners[cloud] = index
    return maxima, winners


@no_type_check
@_by_vectors
def first_maximum_bfloat16(bits):
    """Do the same for bfloat16."""
    clouds, points, size = bits.shape
    maxima, winners = np.empty((clouds, size), np.float32), np.empty((clouds, size), np.int64)
    wide, index = np.empty(size, np.uint32), np.empty(size, np.int32)
    values = wide.view(np.float32)
    for cloud in range(clouds):
        best = maxima[cloud]
        _widen(bits[cloud, 0], wide)
        best[:], index[:] = values, 0
        for point in range(1, points):
            _widen(bits[cloud, point], wide)
            _keep_larger(best, index, values, point)
        winners[cloud] = index
    return maxima, winners
