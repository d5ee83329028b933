"""Compiled loops of the max-pooled encoder: LayerNorm with ReLU, and the maximum over the points.

Sums may be taken in another order, so that vectors can be used. bfloat16 comes as its bits
(uint16), which are the upper half of a float32's.
"""

from typing import no_type_check

import numpy as np
from jaxtyping import Float32, Int, Int32, UInt16, UInt32

from perception.compiled import by_vectors

Line = Float32[np.ndarray, " feature"]


@no_type_check
@by_vectors
def normalise_rectify(
    values: Float32[np.ndarray, "row feature"], weight: Line, bias: Line, epsilon: float
) -> None:
    """Apply LayerNorm and ReLU in place: one pass instead of three."""
    for row in range(values.shape[0]):
        _normalise_rectify_line(values[row], weight, bias, epsilon)


@no_type_check
@by_vectors
def normalise_rectify_bfloat16(
    bits: UInt16[np.ndarray, "row feature"], weight: Line, bias: Line, epsilon: float
) -> None:
    """Do the same to bfloat16: computed in float32 and rounded to nearest even, as in Torch."""
    size = bits.shape[1]
    wide = np.empty(size, np.uint32)
    values = wide.view(np.float32)
    for row in range(bits.shape[0]):
        line = bits[row]
        _widen(line, wide)
        _normalise_rectify_line(values, weight, bias, epsilon)
        _narrow(wide, line)


@no_type_check
@by_vectors
def first_maximum(
    features: Float32[np.ndarray, "cloud point feature"],
) -> tuple[Float32[np.ndarray, "cloud feature"], Int[np.ndarray, "cloud feature"]]:
    """Give the maxima over the points, and the points they are of; ties go to the first."""
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
@by_vectors
def first_maximum_bfloat16(
    bits: UInt16[np.ndarray, "cloud point feature"],
) -> tuple[Float32[np.ndarray, "cloud feature"], Int[np.ndarray, "cloud feature"]]:
    """Do the same for bfloat16; the maxima come as float32."""
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


@no_type_check
@by_vectors
def _normalise_rectify_line(line: Line, weight: Line, bias: Line, epsilon: float) -> None:
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
@by_vectors
def _widen(line: UInt16[np.ndarray, " feature"], wide: UInt32[np.ndarray, " feature"]) -> None:
    for f in range(line.shape[0]):
        wide[f] = np.uint32(line[f]) << np.uint32(16)


@no_type_check
@by_vectors
def _narrow(wide: UInt32[np.ndarray, " feature"], line: UInt16[np.ndarray, " feature"]) -> None:
    """Round to nearest even."""
    for f in range(line.shape[0]):
        odd = (wide[f] >> np.uint32(16)) & np.uint32(1)
        line[f] = np.uint16((wide[f] + np.uint32(0x7FFF) + odd) >> np.uint32(16))


@no_type_check
@by_vectors
def _keep_larger(best: Line, index: Int32[np.ndarray, " feature"], line: Line, point: int) -> None:
    for f in range(line.shape[0]):
        larger = line[f] > best[f]
        best[f] = line[f] if larger else best[f]
        index[f] = np.int32(point) if larger else index[f]
