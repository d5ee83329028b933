"""What a task's camera sees is shown and counted as a collected cloud would have it."""

import re
from pathlib import Path

import numpy as np
import pytest

from datasets.cameras.sight import look_with
from envs.make import make_scene, make_simulator
from perception.point_cloud import Box
from tests.conftest import task_config
from tests.helpers.commands import refuse, succeed
from visualizer.boxes import box_edges

LOOK = "datasets/cameras/look.py"


def test_one_camera_and_all_of_them_are_shown(tmp_path: Path) -> None:
    page = tmp_path / "seen" / "door.html"
    said = succeed(LOOK, "camera=all", "points=64", f"out={page}")
    assert re.findall(r"^camera (\w+): .* of 64 points", said, re.MULTILINE) == [
        "fixed",
        "vil_camera",
        "top",
    ]
    assert said.splitlines()[-1] == f"look at {page}, or {page.with_suffix('.png')}"
    assert "on the hand" in page.read_text()
    assert page.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    away = ("env.view.crop_low=[2,2,2]", "env.view.crop_high=[3,3,3]")
    nothing = succeed(LOOK, "camera=top", *away, f"out={page}")
    assert "camera top: 0 of 7,056 points (0.0%) in the crop box" in nothing
    assert "In space" not in page.read_text()


def test_the_cameras_are_listed_where_none_or_a_wrong_one_is_named(tmp_path: Path) -> None:
    out = f"out={tmp_path / 'a.html'}"
    assert "has the cameras fixed, vil_camera, top: give camera=" in succeed(LOOK, out)
    wrong = refuse(LOOK, out, "camera=[top,side]")
    assert "no camera side; choose one of fixed, vil_camera, top, or all" in wrong
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["adroit-door", "metaworld-drawer-open"])
def test_what_is_counted_is_what_the_cloud_holds(name: str) -> None:
    env = task_config(name, "env.view.points=128")
    simulator = make_simulator(env)
    scene = make_scene(simulator, env)
    simulator.reset(3)
    state = simulator.scene_state()
    cloud = scene.points(state)
    (camera,) = env.view.cameras
    looked = look_with(scene, simulator, camera)
    np.testing.assert_array_equal(looked.sight.cloud, cloud)
    box = Box(env.view.crop_low, env.view.crop_high)
    assert looked.kept == looked.sight.in_box(box).sum()
    on = np.bincount(scene.roles(state, simulator.roles()), minlength=4)
    assert [count for _, count in looked.on.values()] == [c for c in on[1:] if c]
    assert all(in_box >= in_cloud for in_box, in_cloud in looked.on.values())


def test_a_box_has_twelve_edges() -> None:
    edges = box_edges(Box((0, 0, 0), (1, 2, 3)))
    lengths = np.sort(np.linalg.norm(edges[:, 1] - edges[:, 0], axis=1))
    assert lengths.tolist() == [1] * 4 + [2] * 4 + [3] * 4
    assert len(np.unique(edges.reshape(12, -1), axis=0)) == 12
