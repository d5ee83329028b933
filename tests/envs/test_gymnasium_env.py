"""The tasks keep Gymnasium's contract."""

import sys
from dataclasses import replace
from typing import Any, cast

import gymnasium as gym
import metaworld.env_dict
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from configs.command.tables import table
from envs.gymnasium_env import PointCloudEnv
from envs.make import make_simulator
from envs.robosuite import library
from envs.vector.chunked_env import ChunkedTask
from perception.errors import InputError
from tests.conftest import task_config

IDS = [
    ("sodp/adroit-door-v0", {}),
    ("sodp/adroit-hammer-v0", {"points": 128}),
    ("sodp/adroit-pen-v0", {"points": 64, "colour": True}),
    ("sodp/metaworld-v0", {"task": "reach"}),
    ("sodp/metaworld-drawer-open-v0", {"points": 64}),
    ("sodp/gymnasium-Pusher-v5-v0", {"points": 64}),
    ("sodp/gymnasium-v0", {"task": "FetchReach-v4", "points": 64}),
]


@pytest.mark.filterwarnings("ignore:.*Box observation space.*infinity")
@pytest.mark.parametrize(("name", "options"), IDS)
def test_the_checker_of_gymnasium_passes(name: str, options: dict[str, object]) -> None:
    env = gym.make(name, render_mode="rgb_array", **options)
    check_env(env.unwrapped)
    env.reset(seed=0)
    picture = env.render()
    assert isinstance(picture, np.ndarray)
    assert picture.shape == (360, 480, 3)
    assert picture.std() > 10


def test_an_episode_ends_after_its_steps() -> None:
    env = gym.make("sodp/adroit-pen-v0", points=32)
    env.reset(seed=0)
    hold = np.zeros(24, np.float32)
    for _ in range(50):
        seen, reward, terminated, truncated, info = env.step(hold)
        if terminated or truncated:
            break
    assert truncated or terminated
    assert set(seen) == {"point_cloud", "agent_pos"}
    assert isinstance(reward, float)
    assert info["success"] in (True, False)
    assert info["is_success"] == info["success"]


def test_every_task_of_metaworld_has_an_id() -> None:
    ids = {name for name in gym.registry if name.startswith("sodp/metaworld-")}
    named = {
        f"sodp/metaworld-{task.removesuffix('-v3')}-v0"
        for task in metaworld.env_dict.ALL_V3_ENVIRONMENTS
    }
    assert ids == named | {"sodp/metaworld-v0"}


def test_every_task_of_the_other_families_has_an_id_and_names_the_extra_where_it_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert {f"sodp/robosuite-{name}-v0" for name in ("lift", "can", "square")} <= set(gym.registry)
    worlds = table("gymnasium_mujoco-worlds").keys() - {"any"}
    assert {f"sodp/gymnasium-{name}-v0" for name in worlds} <= set(gym.registry)
    assert not [name for name in gym.registry if name.startswith("sodp/") and "any" in name]
    monkeypatch.setitem(sys.modules, "robosuite", None)
    monkeypatch.setattr("envs.robosuite.simulator.load", library.load.__wrapped__)
    with pytest.raises(InputError, match=r"needs robosuite: pip install -e '.\[robosuite\]'"):
        gym.make("sodp/robosuite-lift-v0")


@pytest.mark.parametrize(("name", "options"), IDS[1:])
def test_a_picture_stands_as_an_upright_camera_sees_it(
    name: str, options: dict[str, object]
) -> None:
    env = cast(PointCloudEnv, gym.make(name, render_mode="rgb_array", **options).unwrapped)
    env.reset(seed=0)
    picture = env.render().astype(float)
    scene, size = env.scene, (480, 360)
    camera = scene.camera(scene.view.cameras[0], size)
    if camera.world_from_camera[2, 1] > 0.1:  # It hangs: turn it about its optical axis.
        turned = camera.world_from_camera @ np.diag([-1.0, -1.0, 1.0, 1.0])
        camera = replace(camera, world_from_camera=turned)
    assert camera.world_from_camera[2, 1] <= 1e-9  # What is down in the picture is down.
    seen = scene._zbuffer.picture(scene.data, camera).astype(float)
    assert (np.abs(picture - seen) > 8).mean() < 0.02
    assert (np.abs(picture[::-1, ::-1] - seen) > 8).mean() > 0.1


BAD: list[tuple[Any, str]] = [
    ([0.0, 0.0, np.nan, 0.0], "is nan in dimension 2"),
    ([0.0, np.inf, 0.0, 0.0], "is inf in dimension 1"),
    ([0.0, 0.0, 0.0], r"of shape \(4,\), not \(3,\)"),
    ([[0.0, 0.0, 0.0, 0.0]], r"of shape \(4,\), not \(1, 4\)"),
    (["a", "b", "c", "d"], "must hold real numbers"),
    ([1j, 0, 0, 0], "must hold real numbers"),
    ([True, False, True, False], "must hold real numbers"),
    (None, "must hold real numbers"),
]


@pytest.fixture(scope="module")
def reach() -> PointCloudEnv:
    env = gym.make("sodp/metaworld-v0", task="reach", points=16).unwrapped
    return cast(PointCloudEnv, env)


@pytest.mark.parametrize(("action", "message"), BAD)
def test_an_action_that_is_none_is_refused_and_nothing_moves(
    reach: PointCloudEnv, action: object, message: str
) -> None:
    reach.reset(seed=0)
    reach.step(np.zeros(4))
    before = reach.simulator.save_state()
    array = np.array(action)
    with pytest.raises(InputError, match=f"The action of step 1 .*{message}"):
        reach.step(array)
    np.testing.assert_array_equal(reach.simulator.save_state(), before)


def test_every_way_to_act_refuses_what_is_not_finite() -> None:
    chunk = np.zeros((3, 28), np.float32)
    chunk[2, 7] = np.nan
    task = ChunkedTask(task_config("adroit-door", "env.view.points=16"), history=1)
    task.reset(0)
    with pytest.raises(InputError, match="of step 2 is nan in dimension 7"):
        task.step(chunk)
    with pytest.raises(InputError, match="is nan in dimension 7"):
        task.simulator.step(chunk[2])


@pytest.mark.parametrize("task", ["adroit-pen", "metaworld-push"])
def test_what_lies_beyond_one_counts_as_one(task: str) -> None:
    outcomes = []
    for scale in (1.0, 7.0):
        simulator = make_simulator(task_config(task))
        simulator.reset(0)
        signs = np.sign(np.random.default_rng(0).normal(size=(5, simulator.action_size)))
        rewards = [simulator.step(scale * sign).reward for sign in signs]
        outcomes.append((rewards, simulator.scene_state().tolist()))
    assert outcomes[0] == outcomes[1]
