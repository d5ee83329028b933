"""Cameras of any matrix K: off-centre, and of pixels that are not square."""

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.rendering.zbuffer import ZBuffer
from perception.camera import Pinhole, project, unproject
from perception.errors import InputError
from tests.perception.test_camera import CUBE, random_pose


def random_lens(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """A matrix K, off-centre and of pixels that are not square, as calibration gives it."""
    (fx, fy), (cx, cy) = rng.uniform(10, 900, 2), rng.uniform(0, 1, 2) * size
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31), width=st.integers(1, 60), height=st.integers(1, 60))
def test_project_undoes_unproject_for_any_lens(seed: int, width: int, height: int) -> None:
    rng = np.random.default_rng(seed)
    lens = random_lens(rng, (width, height))
    camera = Pinhole.from_intrinsics(lens, (width, height), random_pose(seed))
    np.testing.assert_array_equal(camera.intrinsics, lens)
    depth_m = rng.uniform(0.1, 5, (height, width))
    points = unproject(depth_m, camera)
    pixels, depth_again = project(points, camera)
    u, v = np.meshgrid(np.arange(width), np.arange(height))
    np.testing.assert_allclose(pixels, np.stack([u.ravel(), v.ravel()], 1), atol=1e-6)
    np.testing.assert_allclose(depth_again, depth_m.ravel(), rtol=1e-9)
    # K itself, written out: K [x y z] = z [u v 1].
    seen = (points - camera.world_from_camera[:3, 3]) @ camera.world_from_camera[:3, :3]
    homogeneous = seen @ lens.T
    np.testing.assert_allclose(homogeneous[:, :2] / homogeneous[:, 2:], pixels, atol=1e-6)


def test_the_matrix_of_a_camera_by_its_field_of_view_gives_the_same_camera() -> None:
    plain = Pinhole.from_fovy(45.0, (84, 60), world_from_camera=random_pose(0))
    again = Pinhole.from_intrinsics(plain.intrinsics, (84, 60), plain.world_from_camera)
    assert again.lens == plain.lens


@pytest.mark.parametrize(
    "lens",
    [
        np.eye(4),
        np.array([[9.0, 0.1, 2], [0, 9, 2], [0, 0, 1]]),
        np.array([[9.0, 0, 0], [0, 9, 0], [2, 2, 1]]),
        np.array([["a"] * 3] * 3),
    ],
)
def test_a_matrix_that_is_no_cameras_is_refused(lens: np.ndarray) -> None:
    with pytest.raises(
        InputError, match=r"K must be .*\[\[fx, 0, cx\], \[0, fy, cy\], \[0, 0, 1\]\]"
    ):
        Pinhole.from_intrinsics(lens, (4, 4), np.eye(4))
    with pytest.raises(InputError, match="focal length must be more than 0"):
        Pinhole.from_intrinsics(np.diag([9.0, -9, 1]), (4, 4), np.eye(4))


def test_a_part_of_a_picture_is_drawn_as_an_off_centre_camera_draws_it() -> None:
    model = mujoco.MjModel.from_xml_string(CUBE)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    pose = np.diag([1.0, -1.0, -1.0, 1.0])
    pose[:3, 3] = 0.15, -0.05, 1.0
    whole = Pinhole.from_fovy(40.0, (120, 90), world_from_camera=pose)
    depth_m, labels = ZBuffer(model).render(data, whole)
    fx, fy, cx, cy = whole.lens
    for left, top, width, height in [(60, 20, 60, 40), (0, 50, 30, 40), (70, 0, 10, 90)]:
        lens = np.array([[fx, 0, cx - left], [0, fy, cy - top], [0, 0, 1]])
        part = Pinhole.from_intrinsics(lens, (width, height), pose)
        cut = np.s_[top : top + height, left : left + width]
        drawn_m, drawn = ZBuffer(model).render(data, part)
        # The edges of the picture's parts may be rounded to the other side.
        assert (drawn != labels[cut]).mean() < 0.01
        same = (drawn == labels[cut]) & (drawn >= 0)
        np.testing.assert_allclose(drawn_m[same], depth_m[cut][same], atol=1e-5)
    # Twice as many pixels along x alone: every second one is that of before.
    lens = np.array([[2 * fx, 0, 2 * cx], [0, fy, cy], [0, 0, 1]])
    wide = Pinhole.from_intrinsics(lens, (240, 90), pose)
    np.testing.assert_allclose(ZBuffer(model).render(data, wide)[0][:, ::2], depth_m, atol=1e-5)
