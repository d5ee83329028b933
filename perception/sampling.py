"""Farthest-point sampling: few points that cover a cloud evenly.

One function, several back-ends. All of them are exact: they start at point 0, then always take the
point farthest from those taken (ties go to the first). They return the indices in ascending order,
because pixel order compresses better and a max-pooled encoder does not look at the order.
"""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from perception.errors import InputError
from perception.sampling_kernel import farthest_points_blocked


def farthest_points(
    points: Float[np.ndarray, "point axis"], count: int, *, backend: str = "auto"
) -> Int[np.ndarray, " count"]:
    """Choose `count` of the points by farthest-point sampling.

    Args:
        points: Positions in metres in the first three columns; further columns are ignored.
        count: How many to choose, at most as many as there are.
        backend: One of `BACKENDS`, or `auto`: the fastest that needs nothing but Numba.

    Returns:
        Their indices, ascending.

    Raises:
        InputError: The back-end is unknown or not installed; a position is not finite.
        ValueError: There are fewer points than asked for.
    """
    if not 1 <= count <= len(points):
        raise ValueError(f"Cannot choose {count} of {len(points)} points")
    if backend not in BACKENDS:
        raise InputError(f"sampling={backend} is unknown; choose one of {', '.join(BACKENDS)}")
    if not np.isfinite(points[:, :3]).all():
        raise InputError("Positions must be finite: from what is not a number nothing is farthest")
    return np.sort(BACKENDS[backend](np.ascontiguousarray(points[:, :3], np.float32), count))


def _numba(points: Float[np.ndarray, "point 3"], count: int) -> Int[np.ndarray, " count"]:
    return np.asarray(farthest_points_blocked(np.ascontiguousarray(points.T), count, 0))


def _fpsample(points: Float[np.ndarray, "point 3"], count: int) -> Int[np.ndarray, " count"]:
    fpsample = _import("fpsample")
    return np.asarray(fpsample.fps_sampling(points, count, start_idx=0)).astype(np.int64)


def _open3d(points: Float[np.ndarray, "point 3"], count: int) -> Int[np.ndarray, " count"]:
    """Sample with Open3D's legacy cloud (its tensor API is 60 to 600 times slower)."""
    open3d = _import("open3d")
    cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(points.astype(np.float64)))
    indices = np.arange(len(points), dtype=np.float64)
    # Open3D returns points, not indices: let each carry its index where a normal would be.
    cloud.normals = open3d.utility.Vector3dVector(np.repeat(indices[:, None], 3, axis=1))
    chosen = cloud.farthest_point_down_sample(count, start_index=0)
    return np.asarray(chosen.normals)[:, 0].astype(np.int64)


def _pytorch3d(points: Float[np.ndarray, "point 3"], count: int) -> Int[np.ndarray, " count"]:
    _import("pytorch3d.ops")
    return _of_torch("pytorch3d", points, count)


def _torch(points: Float[np.ndarray, "point 3"], count: int) -> Int[np.ndarray, " count"]:
    return _of_torch("torch", points, count)


def _of_torch(
    name: str, points: Float[np.ndarray, "point 3"], count: int
) -> Int[np.ndarray, " count"]:
    from perception.sampling_torch import choose  # noqa: PLC0415 (Torch, which no other needs)

    return choose(name, points, count)


def _import(module: str) -> Any:  # noqa: ANN401 (an optional library without types)
    try:
        return importlib.import_module(module)
    except (ImportError, OSError) as error:
        raise InputError(
            f"sampling={module.partition('.')[0]} does not import here ({error});"
            " sampling=numba needs nothing else"
        ) from error


BACKENDS: dict[str, Callable[[Float[np.ndarray, "point 3"], int], Int[np.ndarray, " count"]]] = {
    "auto": _numba,
    "numba": _numba,
    "fpsample": _fpsample,
    "open3d": _open3d,
    "pytorch3d": _pytorch3d,
    "torch": _torch,
}
