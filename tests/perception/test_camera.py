"""Project and unproject are inverse, and a camera sees a cube where it is."""

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.config import CameraConfig
from envs.rendering.camera_checks import check_camera, check_lens
from envs.rendering.scene import compile_with_cameras
from envs.rendering.zbuffer import ZBuffer
from perception.camera import Pinhole, project, unproject, upright
from perception.errors import InputError

HALF = 0.1  # Of the cube's side, in metres.
CUBE = """<mujoco><worldbody>
  <geom type="box" size="0.1 0.1 0.1" pos="0.2 -0.1 0.3" euler="10 20 30"/>
</worldbody></mujoco>"""


def random_pose(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    pose = np.eye(4)
    pose[:3, :3] = rotation * np.sign(np.linalg.det(rotation))
    pose[:3, 3] = rng.uniform(-2, 2, 3)
    return pose


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    fovy_deg=st.floats(20, 100),
    width=st.integers(2, 60),
    height=st.integers(2, 60),
)
def test_project_undoes_unproject(seed: int, fovy_deg: float, width: int, height: int) -> None:
    camera = Pinhole.from_fovy(fovy_deg, (width, height), world_from_camera=random_pose(seed))
    depth_m = np.random.default_rng(seed).uniform(0.1, 5, (height, width))
    pixels, depth_again = project(unproject(depth_m, camera), camera)
    u, v = np.meshgrid(np.arange(width), np.arange(height))
    np.testing.assert_allclose(pixels, np.stack([u.ravel(), v.ravel()], 1), atol=1e-9 * width * 1e3)
    np.testing.assert_allclose(depth_again, depth_m.ravel(), rtol=1e-9)


def test_the_middle_pixel_of_a_worked_case() -> None:
    # Looking down from 2 m with x to the right: camera y and z are world -y and -z.
    pose = np.diag([1.0, -1.0, -1.0, 1.0])
    pose[2, 3] = 2.0
    camera = Pinhole.from_fovy(90.0, (3, 3), world_from_camera=pose)
    assert camera.focal_px == pytest.approx(1.5)
    points = unproject(np.full((3, 3), 2.0), camera).reshape(3, 3, 3)
    np.testing.assert_allclose(points[1, 1], [0, 0, 0], atol=1e-12)
    # One pixel to the right and one down: 2 m / 1.5 px.
    np.testing.assert_allclose(points[2, 2], [4 / 3, -4 / 3, 0], atol=1e-12)


def test_what_was_not_hit_has_no_point() -> None:
    camera = Pinhole.from_fovy(60.0, (2, 2), world_from_camera=np.eye(4))
    depth_m = np.array([[0.0, 1.0], [2.0, 9.0]])
    assert len(unproject(depth_m, camera)) == 3
    assert len(unproject(depth_m, camera, limit_m=9.0)) == 2


def test_an_image_of_another_size_is_refused() -> None:
    camera = Pinhole.from_fovy(60.0, (4, 2), world_from_camera=np.eye(4))
    with pytest.raises(ValueError, match=r"\(2, 4\)"):
        unproject(np.ones((4, 2)), camera)


def cube_seen_from(direction: tuple[int, int, int], size: int) -> np.ndarray:
    """Render the cube's depth from one metre away, and lift it to the cube's own frame."""
    model = mujoco.MjModel.from_xml_string(CUBE)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    cube, rotation = data.geom_xpos[0], data.geom_xmat[0].reshape(3, 3)
    outward = rotation @ np.array(direction) / np.linalg.norm(direction)
    right = np.cross(outward, rotation @ [0.1, 0.2, 1.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(-outward, right), -outward], axis=1)
    pose[:3, 3] = cube + outward
    camera = Pinhole.from_fovy(40.0, (size, size), world_from_camera=pose)
    depth_m, _ = ZBuffer(model).render(data, camera)
    return (unproject(depth_m, camera) - cube) @ rotation


@pytest.mark.parametrize("direction", [(1, 1, 1), (-1, 1, 1), (1, -1, -1)])
def test_a_rendered_cube_has_its_size_and_place(direction: tuple[int, int, int]) -> None:
    points = cube_seen_from(direction, 240)
    # Every point lies on the surface (float32 inverse depth: micrometres) ...
    on_surface = np.abs(np.abs(points).max(axis=1) - HALF)
    assert on_surface.max() < 1e-5
    # ... and each of the seven corners in view has a point within a pixel's footprint: on faces
    # seen at 55 degrees, its diagonal at the far side over the cosine.
    footprint = np.sqrt(2) * 1.1 * 2 * np.tan(np.deg2rad(20)) / 240 * np.sqrt(3)
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * HALF
    nearest = np.linalg.norm(points[None] - corners[:, None], axis=2).min(axis=1)
    hidden = (corners @ direction).argmin()
    assert np.delete(nearest, hidden).max() < footprint
    assert nearest[hidden] > 10 * footprint


def test_two_cameras_agree_on_the_cube() -> None:
    views = [cube_seen_from(direction, 200) for direction in ((1, 1, 1), (-1, 1, 1))]
    # Both see the upper face: the points of one lie among those of the other.
    first, second = (points[np.abs(points[:, 2] - HALF) < 1e-5] for points in views)
    assert min(len(first), len(second)) > 500
    distance = np.linalg.norm(second[:, None] - first[None], axis=2).min(axis=1)
    assert distance.max() < 0.007  # Pixels are about 4 mm apart on that face.


def test_cameras_are_added_and_moved_by_name() -> None:
    import gymnasium_robotics  # noqa: PLC0415

    root = gymnasium_robotics.__path__[0]
    path = f"{root}/envs/assets/adroit_hand/adroit_door.xml"
    added = CameraConfig((0.0, 0.0, 1.5), (0.0, 0.0, 0.0, 1.0), 45.0)
    moved = CameraConfig((0.0, -1.0, 1.0), None, None)
    model = compile_with_cameras(path, {"top": added, "vil_camera": moved})
    np.testing.assert_allclose(model.camera("top").pos, [0, 0, 1.5])
    np.testing.assert_allclose(model.camera("vil_camera").pos, [0, -1, 1])
    assert model.ncam == 3


def test_pictures_of_a_camera_that_hangs_upside_down_are_turned() -> None:
    pictures = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    turned = {}
    for down_z in (-1.0, 1.0):  # Looking along world y.
        pose = np.eye(4)
        pose[:3, :3] = np.array([[-down_z, 0, 0], [0, 0, 1], [0, down_z, 0]])
        turned[down_z] = upright(pictures, Pinhole.from_fovy(45, (2, 2), world_from_camera=pose))
    np.testing.assert_array_equal(turned[-1.0], pictures)
    np.testing.assert_array_equal(turned[1.0][0, 0, 0], pictures[0, 1, 1])


@pytest.mark.parametrize("fovy_deg", [0.0, -5.0, 180.0, 200.0, np.nan, np.inf])
def test_a_field_of_view_is_less_than_half_a_turn(fovy_deg: float) -> None:
    with pytest.raises(InputError, match="between 0 and 180 degrees"):
        Pinhole.from_fovy(fovy_deg, (4, 4), world_from_camera=np.eye(4))


@pytest.mark.parametrize("size", [(0, 4), (4, 0), (-4, -4)])
def test_an_image_without_pixels_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="shows nothing"):
        Pinhole(*size, 1.0, np.eye(4))


@pytest.mark.parametrize("focal_px", [0.0, -1.0, np.nan, np.inf])
def test_a_focal_length_is_positive(focal_px: float) -> None:
    with pytest.raises(InputError, match="focal length must be more than 0"):
        Pinhole(4, 4, focal_px, np.eye(4))


@pytest.mark.parametrize(
    ("row", "column", "value"),
    [
        (0, 3, np.nan),
        (2, 3, np.inf),
        (0, 0, np.nan),
        (0, 0, -1.0),
        (1, 1, 0.0),
        (0, 1, 0.5),
        (3, 0, 1.0),
    ],
)
def test_a_pose_is_a_rotation_and_a_position(row: int, column: int, value: float) -> None:
    pose = np.eye(4)
    pose[row, column] = value
    with pytest.raises(InputError, match="pose must be a rotation"):
        Pinhole(4, 4, 1.0, pose)


def test_a_pose_says_what_is_wrong_with_it() -> None:
    with pytest.raises(InputError, match="mirrors the world"):
        Pinhole(4, 4, 1.0, np.diag([1.0, -1.0, 1.0, 1.0]))
    with pytest.raises(InputError, match="is it transposed"):
        Pinhole(4, 4, 1.0, random_pose(0).T)
    with pytest.raises(InputError, match="not of length 1 at right angles"):
        Pinhole(4, 4, 1.0, np.diag([2.0, 2.0, 2.0, 1.0]))


def test_a_camera_that_is_turned_nowhere_cannot_be_configured() -> None:
    with pytest.raises(InputError, match=r"quaternion=.* must not be all zeros"):
        CameraConfig(None, (0.0, 0.0, 0.0, 0.0), None)


CAMERAS: list[tuple[CameraConfig, str]] = [
    (CameraConfig((0.0, np.nan, 0.0), None, None), r"env\.cameras\.side\.position must be finite"),
    (CameraConfig(None, (np.nan, 0.0, 0.0, 1.0), None), r"env\.cameras\.side\.quaternion must be"),
    (CameraConfig(None, None, 0.0), r"env\.cameras\.side\.fovy_deg must lie between 0 and 180"),
    (CameraConfig(None, None, 200.0), r"env\.cameras\.side\.fovy_deg must lie between 0 and 180"),
]


@pytest.mark.parametrize(("camera", "message"), CAMERAS)
def test_a_configured_camera_is_one(camera: CameraConfig, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_camera("side", camera)


@pytest.mark.parametrize("lens", ["orthographic='true'", "sensorsize='1 1' resolution='9 9'"])
def test_only_pinholes_by_their_field_of_view_are_drawn(lens: str) -> None:
    model = mujoco.MjModel.from_xml_string(
        f"<mujoco><worldbody><camera name='own' {lens}/></worldbody></mujoco>"
    )
    with pytest.raises(InputError, match="only pinholes with a fovy"):
        check_lens(model, "own")


@pytest.mark.parametrize("model", ["nowhere.xml", "<mujoco><worldbody>"])
def test_a_model_that_does_not_open_is_named(model: str) -> None:
    with pytest.raises(InputError, match="model does not open"):
        compile_with_cameras(model, {})
