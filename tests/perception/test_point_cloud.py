"""From depth to cloud: Open3D and its twin agree, short clouds are real, cameras fuse."""

from dataclasses import replace

import numpy as np
import pytest

from envs.config import with_view
from envs.make import make_scene, make_simulator
from perception import point_cloud as cloud_module
from perception.camera import Pinhole
from perception.errors import InputError
from perception.point_cloud import (
    Box,
    View,
    fuse,
    inside,
    numba_points,
    numpy_points,
    open3d_points,
    resolve_geometry,
)
from tests.conftest import needs_open3d, task_config
from tests.perception.test_camera import random_pose
from tests.perception.test_lens import random_lens

EVERYWHERE = Box((-100.0, -100.0, -100.0), (100.0, 100.0, 100.0))


def random_view(seed: int, *, colour: bool) -> View:
    rng = np.random.default_rng(seed)
    camera = Pinhole.from_fovy(50.0, (40, 30), world_from_camera=random_pose(seed))
    depth_m = rng.uniform(0.2, 3, (30, 40)).astype(np.float32)
    depth_m[rng.uniform(size=depth_m.shape) < 0.2] = 0
    picture = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8) if colour else None
    return View(camera, depth_m, picture)


@needs_open3d
@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_open3d_and_its_twin_agree_to_rounding(seed: int, colour: bool) -> None:
    view = random_view(seed, colour=colour)
    box = Box((-2.0, -2.0, -2.0), (2.0, 2.0, 2.0))
    theirs, ours = open3d_points(view, box), numpy_points(view, box)
    assert ours.shape == theirs.shape
    assert len(ours) > 100
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    np.testing.assert_allclose(ours[:, :3], theirs[:, :3], atol=1e-12)
    np.testing.assert_array_equal(numba_points(view, box), theirs.astype(np.float32))


@needs_open3d
@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_lenses_that_are_off_centre_are_lifted_alike(seed: int, colour: bool) -> None:
    view = random_view(seed, colour=colour)
    lens = random_lens(np.random.default_rng(seed), (40, 30))
    pose = view.camera.world_from_camera
    view = replace(view, camera=Pinhole.from_intrinsics(lens, (40, 30), pose))
    theirs, ours = open3d_points(view, EVERYWHERE), numpy_points(view, EVERYWHERE)
    assert len(ours) > 100
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-6)
    np.testing.assert_array_equal(numba_points(view, EVERYWHERE), theirs.astype(np.float32))


@needs_open3d
@pytest.mark.parametrize("task", ["adroit-door", "adroit-pen", "metaworld-drawer-open"])
def test_rendered_tasks_give_the_same_clouds_whatever_lifts_them(task: str) -> None:
    config = task_config(task)
    simulator = make_simulator(config)
    scene = make_scene(simulator, config)
    box = Box(config.view.crop_low, config.view.crop_high)
    rng = np.random.default_rng(0)
    for seed in range(3):
        simulator.reset(seed)
        for _ in range(5):
            simulator.step(rng.uniform(-1, 1, simulator.action_size))
        scene.put(simulator.scene_state())
        views = scene.look(config.view.cameras)
        theirs, compiled, plain = (
            fuse(views, box, 512, geometry=geometry) for geometry in ("open3d", "numba", "numpy")
        )
        np.testing.assert_array_equal(compiled, theirs)
        np.testing.assert_allclose(plain, theirs, atol=1e-6)


def test_only_what_is_inside_the_box_is_kept() -> None:
    view = random_view(3, colour=False)
    middle = numpy_points(view, EVERYWHERE).mean(axis=0)
    box = Box(tuple(middle - 0.5), tuple(middle + 0.5))
    points = fuse([view], box, 64, geometry="numpy")
    assert 0 < len(numpy_points(view, box)) < len(numpy_points(view, EVERYWHERE))
    assert inside(points, Box(tuple(middle - 0.5001), tuple(middle + 0.5001))).all()
    box = Box((-1.0, 0.0, -0.5), (1.0, 1.0, 0.5))
    assert inside(np.array([[1.0, 1.0, 0.5], [1.0, 1.0, 0.51]]), box).tolist() == [True, False]


def test_a_short_cloud_repeats_its_own_points() -> None:
    view = random_view(0, colour=False)
    own = numpy_points(view, EVERYWHERE).astype(np.float32)
    filled = fuse([view], EVERYWHERE, 5000, geometry="numpy")
    assert filled.shape == (5000, 3)
    assert {p.tobytes() for p in filled} == {p.tobytes() for p in own}


def test_a_cloud_of_several_cameras_holds_points_of_each() -> None:
    config = with_view(task_config("adroit-door"), None, ("top", "vil_camera"), None)
    simulator = make_simulator(config)
    scene = make_scene(simulator, config)
    simulator.reset(0)
    fused = scene.points(simulator.scene_state())
    box = Box(config.view.crop_low, config.view.crop_high)
    scene.put(simulator.scene_state())
    each = [numpy_points(view, box).astype(np.float32) for view in scene.look(config.view.cameras)]
    from_first, from_second = (
        (np.abs(fused[:, None] - points[None]).max(axis=2).min(axis=1) < 1e-6).sum()
        for points in each
    )
    assert fused.shape == (512, 3)
    assert from_first > 50
    assert from_second > 50
    assert from_first + from_second >= 512


def test_colour_rides_with_its_point() -> None:
    view = random_view(1, colour=True)
    points = fuse([view], EVERYWHERE, 100, geometry="numpy")
    assert points.shape == (100, 6)
    assert points[:, 3:].min() >= 0
    assert points[:, 3:].max() <= 1
    everything = {p.tobytes() for p in numpy_points(view, EVERYWHERE).astype(np.float32)}
    assert {p.tobytes() for p in points} <= everything


def test_an_empty_box_says_so() -> None:
    with pytest.raises(InputError, match="No point lies inside"):
        fuse([random_view(0, colour=False)], Box((50.0,) * 3, (51.0,) * 3), 8, geometry="numpy")


def test_a_missing_open3d_is_missed_only_by_who_asks_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> None:
        raise ImportError("libusb-1.0.so.0 is missing")

    monkeypatch.setattr(cloud_module, "_open3d", fail)
    resolve_geometry.cache_clear()
    try:
        assert len(fuse([random_view(0, colour=False)], EVERYWHERE, 8)) == 8
        with pytest.raises(InputError, match=r"apt-get install.*geometry=numba gives the same"):
            resolve_geometry("open3d")
    finally:
        resolve_geometry.cache_clear()
    with pytest.raises(InputError, match="choose one of auto, numba, open3d, numpy"):
        resolve_geometry("cuda")


@pytest.mark.parametrize(
    ("low", "high", "message"),
    [
        ((1.0, 1.0, 1.0), (-1.0, -1.0, -1.0), "along x: crop_low 1.0 must be less than crop_high"),
        ((-1.0, 0.5, -1.0), (1.0, 0.4, 1.0), "along y: crop_low 0.5 must be less than crop_high"),
        ((-1.0, -1.0, 0.2), (1.0, 1.0, 0.2), "along z: crop_low 0.2 must be less than crop_high"),
        ((np.nan, -1.0, -1.0), (1.0, 1.0, 1.0), "finite along x, not nan"),
        ((-1.0, -1.0, -1.0), (1.0, np.inf, 1.0), "finite along y, not -1.0 .crop_low. to inf"),
    ],
)
def test_a_box_has_an_inside(
    low: tuple[float, float, float], high: tuple[float, float, float], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Box(low, high)


def test_a_task_with_its_crop_turned_round_is_refused_before_it_is_drawn() -> None:
    with pytest.raises(InputError, match=r"crop_low=.* must lie below .*crop_high"):
        task_config("adroit-door", "env.view.crop_low=[0,0,2]")


def test_an_empty_cloud_says_where_points_are() -> None:
    with pytest.raises(InputError, match=r"within \(.*\) to \(.*\); move crop_low"):
        fuse([random_view(0, colour=False)], Box((50.0,) * 3, (51.0,) * 3), 8, geometry="numpy")
    blind = replace(random_view(0, colour=False), depth_m=np.zeros((30, 40), np.float32))
    with pytest.raises(InputError, match="see nothing at all"):
        fuse([blind], EVERYWHERE, 8, geometry="numpy")


@pytest.mark.parametrize("count", [0, -1])
def test_a_cloud_has_points(count: int) -> None:
    with pytest.raises(InputError, match="at least 1 point"):
        fuse([random_view(0, colour=False)], EVERYWHERE, count, geometry="numpy")


@needs_open3d
@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf, -1.0, 0.0, 1000.0])
def test_pixels_without_a_depth_are_no_points_either_way(odd: float) -> None:
    view = random_view(0, colour=False)
    depth_m = np.full((30, 40), 0.5, np.float32)
    depth_m[:2] = odd
    shown = replace(view, depth_m=depth_m)
    for lift in (open3d_points, numba_points, numpy_points):
        assert len(lift(shown, EVERYWHERE)) == 28 * 40


def test_images_that_would_be_lifted_to_wrong_places_are_refused() -> None:
    camera = random_view(0, colour=False).camera
    with pytest.raises(InputError, match="metres as floating point numbers, not uint16"):
        View(camera, np.full((30, 40), 500, np.uint16))
    with pytest.raises(InputError, match=r"depth image is \(40, 30\), the camera \(30, 40\)"):
        View(camera, np.ones((40, 30), np.float32))
    with pytest.raises(InputError, match="of uint8, not"):
        View(camera, np.ones((30, 40), np.float32), np.ones((30, 40, 3), np.float32))
