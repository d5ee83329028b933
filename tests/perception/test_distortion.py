"""A lens that bends straight lines, and the picture with its lines straight again."""

import numpy as np
import pytest

from perception.camera import Pinhole, unproject
from perception.distortion import Coefficients, Undistortion, distort
from perception.errors import InputError

SIZE = (320, 240)
LENS = np.array([[250.0, 0, 150.0], [0, 260.0, 125.0], [0, 0, 1]])
LENSES: list[Coefficients] = [
    (0.0, 0.0, 0.0, 0.0, 0.0),
    (-0.28, 0.09, 0.001, -0.002, -0.01),  # A barrel, as wide lenses are.
    (0.12, -0.2, -0.0004, 0.0003, 0.1),  # A cushion.
]


def camera() -> Pinhole:
    return Pinhole.from_intrinsics(LENS, SIZE, np.eye(4))


def undistorted(x: np.ndarray, y: np.ndarray, of: Coefficients) -> tuple[np.ndarray, np.ndarray]:
    """Turn `distort` round by fixed points, as OpenCV's undistortPoints does."""
    ideal_x, ideal_y = x, y
    for _ in range(100):
        seen_x, seen_y = distort(ideal_x, ideal_y, of)
        ideal_x, ideal_y = ideal_x + x - seen_x, ideal_y + y - seen_y
    return ideal_x, ideal_y


@pytest.mark.parametrize("of", LENSES)
def test_distorted_and_undistorted_is_where_it_was(of: Coefficients) -> None:
    fx, fy, cx, cy = camera().lens
    u, v = np.meshgrid(np.arange(SIZE[0], dtype=float), np.arange(SIZE[1], dtype=float))
    x, y = undistorted((u - cx) / fx, (v - cy) / fy, of)
    again_x, again_y = distort(x, y, of)
    assert np.abs(cx + fx * again_x - u).max() < 0.01
    assert np.abs(cy + fy * again_y - v).max() < 0.01


def test_a_worked_case_of_opencvs_formula() -> None:
    # r^2 = 0.25: radial 1 + 0.1 / 4 + 0.2 / 16 + 0.3 / 64; tangential 2 p1 x y + p2 (r^2 + 2 x^2).
    x, y = distort(np.array([0.3]), np.array([0.4]), (0.1, 0.2, 0.01, 0.02, 0.3))
    radial = 1 + 0.025 + 0.0125 + 0.0046875
    assert x[0] == pytest.approx(0.3 * radial + 2 * 0.01 * 0.12 + 0.02 * (0.25 + 0.18))
    assert y[0] == pytest.approx(0.4 * radial + 0.01 * (0.25 + 0.32) + 2 * 0.02 * 0.12)


@pytest.mark.parametrize("of", LENSES)
def test_a_slanted_plane_is_a_plane_again(of: Coefficients) -> None:
    # Depth of the plane z = 1 + 0.3 x, as a lens sees it, pixel by pixel.
    fx, fy, cx, cy = camera().lens
    u, v = np.meshgrid(np.arange(SIZE[0], dtype=float), np.arange(SIZE[1], dtype=float))
    x, _ = undistorted((u - cx) / fx, (v - cy) / fy, of)
    seen_m = 1 / (1 - 0.3 * x)
    table = Undistortion.of(camera(), np.array(of))
    points = unproject(table.apply(seen_m), camera())
    off_m = np.abs(points[:, 2] - 1 - 0.3 * points[:, 0])
    # Half a real pixel aside, which at the edges is nearly an ideal one, at the depth's slope; a
    # fifth of what is wrong without it.
    assert off_m.max() <= 1 / fx * 0.3 * seen_m.max() ** 2 + 1e-9
    if any(of):
        bent = unproject(seen_m, camera())
        assert off_m.max() < 0.2 * np.abs(bent[:, 2] - 1 - 0.3 * bent[:, 0]).max()
    else:
        np.testing.assert_array_equal(table.apply(seen_m), seen_m)


def test_colours_move_with_their_depth_and_a_table_is_made_once() -> None:
    rng = np.random.default_rng(0)
    grey = rng.integers(1, 256, (240, 320, 1), dtype=np.uint8)
    table = Undistortion.of(camera(), np.array(LENSES[1]))
    assert Undistortion.of(camera(), np.array(LENSES[1])) is table
    moved = table.apply(np.repeat(grey, 3, axis=2))
    np.testing.assert_array_equal(moved[..., 0], table.apply(grey[..., 0]))
    cushion = Undistortion.of(camera(), np.array(LENSES[2]))
    assert (cushion.source < 0).any()
    assert not cushion.apply(grey[..., 0])[cushion.source < 0].any()


def test_corners_beyond_the_fold_of_a_wide_lens_show_nothing() -> None:
    of = (-0.28, 0.0, 0.0, 0.0, 0.0)  # It folds where 1 = 3 * 0.28 r^2.
    wide = Pinhole.from_intrinsics(
        np.array([[130.0, 0, 160], [0, 130, 120], [0, 0, 1]]), SIZE, np.eye(4)
    )
    u, v = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    radius = np.hypot(u - 160, v - 120) / 130
    source = Undistortion.of(wide, np.array(of)).source
    assert (source[radius > np.sqrt(1 / 0.84) + 1e-9] < 0).all()
    assert (source[radius < np.sqrt(1 / 0.84) - 1e-9] >= 0).all()
    np.testing.assert_array_equal(
        source[119:122, 159:162], v[119:122, 159:162] * 320 + u[119:122, 159:162]
    )


@pytest.mark.parametrize(
    ("of", "message"),
    [
        (np.zeros(4), r"five coefficients \(k1, k2, p1, p2, k3\), not float64 of \(4,\)"),
        (np.array(["a"] * 5), "five coefficients"),
        (np.array([np.nan, 0, 0, 0, 0]), "five finite"),
        (np.array([-5.0, 0, 0, 0, 0]), "would fold its picture"),
    ],
)
def test_what_is_no_lens_is_refused(of: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Undistortion.of(camera(), of)
