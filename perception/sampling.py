"""Farthest-point sampling: few points that cover a cloud evenly.

One function, several back-ends. All of them are exact: they start at point 0, then always take the
point farthest from those taken (ties go to the first). They return the indices in ascending order,
because pixel order compresses better and a max-pooled encoder does not look at the order.
"""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from perception import kernels
from perception.errors import InputError


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
        InputError: The back-end is unknown or not installed.
        ValueError: There are fewer points than asked for.
    """
    if not 1 <= count <= len(points):
        raise ValueError(f"Cannot choose {count} of {len(points)} points")
    if backend not in BACKENDS:
        raise InputError(f"sampling={backend} is unknown; choose one of {', '.join(BACKENDS)}")
    return np.sort(BACKENDS[backend](np.ascontiguousarray(points[:, :3], np.float32), count))


def farthest_points_batched(
    points: Float[torch.Tensor, "batch point axis"], count: int
) -> Int[torch.Tensor, "batch count"]:
    """Do the same for a batch of clouds of one size, on the device where they are.

    On a GPU PyTorch3D does the work where `pytorch3d.ops` imports; elsewhere plain Torch does.
    """
    points = points[..., :3].float()
    if points.is_cuda and _importable("pytorch3d.ops"):
        chosen = _pytorch3d_batched(points, count)
    else:
        chosen = _torch_batched(points, count)
    return chosen.sort(dim=1).values


def _numba(points: Float[np.ndarray, "point 3"], count: int) -> Int[np.ndarray, " count"]:
    x, y, z = np.ascontiguousarray(points.T)
    return np.asarray(kernels.farthest_points_blocked(x, y, z, count, 0))


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
    return np.asarray(_pytorch3d_batched(torch.from_numpy(points)[None], count)[0])


def _torch(points: Float[np.ndarray, "point 3"], count: int) -> Int[np.ndarray, " count"]:
    return np.asarray(_torch_batched(torch.from_numpy(points)[None], count)[0])


def _pytorch3d_batched(
    points: Float[torch.Tensor, "batch point 3"], count: int
) -> Int[torch.Tensor, "batch count"]:
    ops = _import("pytorch3d.ops")
    _, chosen = ops.sample_farthest_points(points, K=count, random_start_point=False)
    return torch.as_tensor(chosen)


def _torch_batched(
    points: Float[torch.Tensor, "batch point 3"], count: int
) -> Int[torch.Tensor, "batch count"]:
    x, y, z = points.unbind(-1)
    distance = torch.full_like(x, torch.inf)
    chosen = torch.zeros(len(points), count, dtype=torch.long, device=points.device)
    rows = torch.arange(len(points), device=points.device)
    for step in range(1, count):
        last = chosen[:, step - 1]
        dx, dy, dz = (axis - axis[rows, last, None] for axis in (x, y, z))
        distance = torch.minimum(distance, dx * dx + dy * dy + dz * dz)
        chosen[:, step] = distance.argmax(dim=1)
    return chosen


def _importable(module: str) -> bool:
    try:
        importlib.import_module(module)
    except (ImportError, OSError):  # OSError: the package is there, a library of its is not.
        return False
    return True


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
