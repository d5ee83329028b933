"""Farthest-point sampling: every back-end does what the definition says."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.errors import InputError
from perception.sampling import BACKENDS, farthest_points
from tests.conftest import needs_open3d

has_wheel = pytest.mark.skipif(sys.version_info >= (3, 13), reason="fpsample has no wheel here")
EXACT = [
    "numba",
    "torch",
    pytest.param("fpsample", marks=has_wheel),
    pytest.param("open3d", marks=needs_open3d),
]


def by_definition(points: np.ndarray, count: int) -> np.ndarray:
    """Sample by the letter: O(count x points), float32 as the back-ends compute."""
    distance = np.full(len(points), np.inf, np.float32)
    chosen = [0]
    for _ in range(count - 1):
        x, y, z = (points - points[chosen[-1]]).T
        distance = np.minimum(distance, x * x + y * y + z * z)
        chosen.append(int(distance.argmax()))
    return np.sort(chosen)


def cloud(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 3)).astype(np.float32)


@pytest.mark.parametrize("backend", EXACT)
@pytest.mark.parametrize(("total", "count"), [(100, 1), (100, 100), (700, 64), (3000, 512)])
def test_every_backend_agrees_index_for_index(backend: str, total: int, count: int) -> None:
    points = cloud(total + count, total)
    expected = by_definition(points, count)
    np.testing.assert_array_equal(farthest_points(points, count, backend=backend), expected)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), side=st.integers(3, 12), share=st.floats(0.05, 1.0))
def test_ties_go_to_the_first(seed: int, side: int, share: float) -> None:
    # A grid is nothing but ties; the skipped blocks must not change which comes first.
    axis = np.arange(side, dtype=np.float32)
    grid = np.stack(np.meshgrid(axis, axis, axis), -1).reshape(-1, 3)
    points = grid[np.random.default_rng(seed).permutation(len(grid))]
    count = max(1, int(share * len(points)))
    expected = by_definition(points, count)
    np.testing.assert_array_equal(farthest_points(points, count), expected)
    np.testing.assert_array_equal(farthest_points(points, count, backend="torch"), expected)


@pytest.mark.parametrize("backend", EXACT)
def test_on_ties_every_backend_still_covers_as_well(backend: str) -> None:
    axis = np.arange(12, dtype=np.float32)
    grid = np.stack(np.meshgrid(axis, axis, axis), -1).reshape(-1, 3)

    def radius(chosen: np.ndarray) -> float:
        return float(np.linalg.norm(grid[:, None] - grid[chosen][None], axis=2).min(1).max())

    ours = radius(farthest_points(grid, 100))
    assert radius(farthest_points(grid, 100, backend=backend)) <= 1.3 * ours


def test_colour_does_not_move_a_point() -> None:
    points = cloud(0, 500)
    coloured = np.concatenate([points, np.random.default_rng(1).uniform(size=(500, 3))], axis=1)
    coloured = coloured.astype(np.float32)
    np.testing.assert_array_equal(farthest_points(coloured, 50), farthest_points(points, 50))


def test_impossible_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="Cannot choose 5 of 4"):
        farthest_points(cloud(0, 4), 5)
    with pytest.raises(InputError, match="choose one of auto, numba"):
        farthest_points(cloud(0, 4), 2, backend="magic")


def test_auto_is_one_of_the_exact_ones() -> None:
    assert BACKENDS["auto"] is BACKENDS["numba"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_positions_that_are_not_finite_are_refused(value: float) -> None:
    points = np.zeros((20, 3), np.float32)
    points[7, 1] = value
    with pytest.raises(InputError, match="Positions must be finite"):
        farthest_points(points, 4)
