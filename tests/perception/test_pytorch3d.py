"""PyTorch3D agrees with what stands in for it; runs where a PyTorch3D that works is installed."""

import importlib

import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from perception.sampling import farthest_points

INSTALL = "pip install 'torch===2.12.0' numpy easypytorch3d==0.7.9.post1"

try:
    importlib.import_module("pytorch3d.ops")
    loss = importlib.import_module("pytorch3d.loss")
    problem = None
except (ImportError, OSError) as error:  # Its CUDA build imports without CUDA; its ops do not.
    problem = error

pytestmark = pytest.mark.skipif(
    problem is not None,
    reason=f"pytorch3d.ops does not import here ({problem}); docs/troubleshooting.md: {INSTALL}",
)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("points", "count"), [(1, 1), (16, 16), (17, 5), (257, 64), (3000, 512), (7056, 512)]
)
def test_pytorch3d_and_numba_choose_the_same_points(points: int, count: int, seed: int) -> None:
    cloud = np.random.default_rng(seed).normal(size=(points, 3))
    assert_same_choice(cloud, count)


@pytest.mark.parametrize("count", [5, 64, 200, 575, 576])
@pytest.mark.parametrize("spacing_m", [1.0, 0.01])  # Exact in binary, and rounded.
def test_equal_distances_are_settled_alike(spacing_m: float, count: int) -> None:
    axes = np.meshgrid(np.arange(24), np.arange(24), [0], indexing="ij")
    assert_same_choice(np.stack(axes, axis=-1).reshape(-1, 3) * spacing_m, count)


def test_repeated_points_are_settled_alike_even_when_no_new_one_is_left() -> None:
    places = np.random.default_rng(0).normal(size=(100, 3))
    assert_same_choice(np.tile(places, (3, 1)), 150)


@pytest.mark.parametrize(("points", "count"), [(257, 64), (3000, 512)])
def test_chamfer_distance_to_the_chosen_points_is_the_mean_squared_gap(
    points: int, count: int
) -> None:
    cloud = np.random.default_rng(0).normal(size=(points, 3))
    whole = torch.from_numpy(cloud).float()
    chosen = whole[torch.from_numpy(farthest_points(cloud, count))]
    theirs, _ = loss.chamfer_distance(whole[None], chosen[None])
    torch.testing.assert_close(theirs, chamfer_distance(whole, chosen))
    torch.testing.assert_close(theirs, squared_gaps(whole, chosen).mean())  # A subset: one-sided.


def assert_same_choice(cloud: Float[np.ndarray, "point 3"], count: int) -> None:
    """Compare coverage first: should a build settle ties otherwise, that must still be equal."""
    ours = farthest_points(cloud, count, backend="numba")
    theirs = farthest_points(cloud, count, backend="pytorch3d")
    points = torch.from_numpy(cloud).float()
    assert squared_gaps(points, points[ours]).max() == squared_gaps(points, points[theirs]).max()
    np.testing.assert_array_equal(ours, theirs)


def squared_gaps(
    points: Float[Tensor, "point 3"], others: Float[Tensor, "other 3"]
) -> Float[Tensor, " point"]:
    """Give each point's squared distance to the nearest of the others."""
    return (points[:, None] - others).square().sum(dim=-1).amin(dim=1)


def chamfer_distance(
    one: Float[Tensor, "point 3"], other: Float[Tensor, "other 3"]
) -> Float[Tensor, ""]:
    """Give the mean squared gap from each cloud to the other, added up."""
    return squared_gaps(one, other).mean() + squared_gaps(other, one).mean()
