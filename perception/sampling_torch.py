"""Farthest-point sampling by PyTorch3D and by plain Torch; see `perception/sampling.py`."""

import importlib

import numpy as np
import torch
from jaxtyping import Float, Int


def choose(
    backend: str, points: Float[np.ndarray, "point 3"], count: int
) -> Int[np.ndarray, " count"]:
    """Choose from one cloud with `pytorch3d` or `torch`."""
    chosen = BACKENDS[backend](torch.from_numpy(points)[None], count)
    return np.asarray(chosen[0])


def _pytorch3d(
    points: Float[torch.Tensor, "batch point 3"], count: int
) -> Int[torch.Tensor, "batch count"]:
    ops = importlib.import_module("pytorch3d.ops")
    _, chosen = ops.sample_farthest_points(points, K=count, random_start_point=False)
    return torch.as_tensor(chosen)


def _torch(
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


BACKENDS = {"pytorch3d": _pytorch3d, "torch": _torch}
