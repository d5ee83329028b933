"""robosuite's tasks: as the library has them, exactly restored, seen, scripted, and trained on."""

import os
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from configs.command import compose_part
from datasets.store.store import EpisodeStore
from envs.config import EnvConfig
from envs.make import make_scene, make_simulator
from envs.robosuite import library
from envs.robosuite.simulator import RobosuiteSimulator
from envs.robosuite.tasks import TASKS
from envs.simulator import GOAL, HAND, OBJECT
from perception.errors import InputError
from perception.point_cloud import Box, inside
from tests.conftest import task_config
from tests.helpers.commands import succeed
from tests.helpers.replaying import replay_episode

CAMERAS = ("agentview", "frontview", "sideview", "robot0_eye_in_hand")
FEATURES = {"lift": 19, "can": 23, "square": 23}
Made = dict[str, RobosuiteSimulator]


@pytest.fixture(scope="module")
def installed() -> None:
    try:
        library.load()
    except InputError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def made(installed: None) -> Made:
    """One simulator of each task: to compile the arm takes seconds."""
    return {name: simulator(name) for name in TASKS}


@pytest.fixture(scope="module")
def others(made: Made) -> Made:
    """A second one of each, with shaped rewards."""
    shaped = "env.robosuite.reward_shaping=true"
    return {name: simulator(name, shaped) for name in made}


def simulator(name: str, *overrides: str) -> RobosuiteSimulator:
    one = make_simulator(task_config(f"robosuite-{name}", *overrides))
    assert isinstance(one, RobosuiteSimulator)
    return one


@pytest.mark.parametrize("task", TASKS)
def test_a_saved_state_goes_on_bit_for_bit_elsewhere(made: Made, others: Made, task: str) -> None:
    one, other, rng = made[task], others[task], np.random.default_rng(1)
    one.reset(5)
    start = one.save_state()
    for _ in range(6):
        one.step(rng.uniform(-1, 1, one.action_size))
    halfway = one.save_state()
    actions = rng.uniform(-1, 1, (6, one.action_size))
    expected = [follow(one, action) for action in actions]
    other.reset(6)
    other.step(rng.uniform(-1, 1, other.action_size))
    other.restore_state(halfway)
    np.testing.assert_array_equal(other.save_state(), halfway)
    for action, numbers in zip(actions, expected, strict=True):
        np.testing.assert_array_equal(follow(other, action), numbers)
    # And whatever came before, a seed's episode is the same.
    np.random.seed(0)  # noqa: NPY002 (the global generator must not matter)
    before = np.random.get_state()[1]  # noqa: NPY002
    other.reset(5)
    np.testing.assert_array_equal(other.save_state(), start)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    other.reset(6)
    assert not np.array_equal(other.scene_state(), start[: len(other.scene_state())])


def follow(one: RobosuiteSimulator, action: np.ndarray) -> np.ndarray:
    outcome = one.step(action)
    return np.concatenate([[outcome.success], one.features(), one.save_state(), one.scene_state()])


@pytest.mark.parametrize("task", TASKS)
def test_a_task_is_what_robosuite_makes_of_it(others: Made, task: str) -> None:
    robosuite: Any = library.load()
    plain = robosuite.make(
        TASKS[task].name,
        robots="Panda",
        has_offscreen_renderer=False,
        use_camera_obs=False,
        renderer="mujoco",
        hard_reset=False,
        reward_shaping=True,
    )
    shaped = others[task]
    shaped.reset(3)
    # Models differ by the size of the cube, which is drawn as they are made.
    plain.reset()
    np.testing.assert_array_equal(plain.sim.model._model.qpos0, shaped.model.qpos0)
    for name in ("geom_size", "geom_rbound", "geom_aabb", "body_mass", "body_inertia"):
        getattr(plain.sim.model._model, name)[:] = getattr(shaped.model, name)
    np.random.seed(3)  # noqa: NPY002
    plain.reset()
    for controller in plain.robots[0].part_controllers.values():
        controller.new_update = True  # Else it goes by the arm without its fingers at first.
    rng = np.random.default_rng(2)
    for _ in range(4):
        action = rng.uniform(-1, 1, 7)
        outcome = shaped.step(action)
        _, reward, _, _ = plain.step(action)
        np.testing.assert_array_equal(plain.sim.data.qpos, shaped.data.qpos)
        assert outcome.reward == reward
        assert 0 < reward < 1
    plain.sim.forward()  # They are of the last sub-step's start, too.
    for _ in range(2):  # What is relative to the hand is measured one look late.
        seen = plain._get_observations(force_update=True)
    own = ("robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos", "object-state")
    wanted = np.concatenate([seen[name] for name in own])
    assert len(wanted) == FEATURES[task]
    np.testing.assert_allclose(shaped.features(), wanted, atol=1e-5)
    np.testing.assert_array_equal(shaped.robot_state(), shaped.features()[:9])


@pytest.mark.parametrize("task", TASKS)
def test_hand_object_and_goal_are_seen_in_the_box_by_every_camera(made: Made, task: str) -> None:
    one, roles = made[task], made[task].roles()
    env = task_config(f"robosuite-{task}")
    scene, box = make_scene(one, env), Box(env.view.crop_low, env.view.crop_high)
    for seed in (1000, 1001):
        one.reset(seed)
        assert inside(np.stack(list(vars(one.places()).values())), box).all()
        shown = scene.roles(one.scene_state(), roles)
        assert (shown == HAND).sum() >= 30
        assert (shown == OBJECT).sum() >= 5
        assert (shown == GOAL).any() == (TASKS[task].goal is not None)
    drawn = {part.index for part in scene._zbuffer.parts if part.kind == "geom"}
    names = {one.model.geom(index).name for index in drawn}
    assert not {name for name in names if "collision" in name or "Visual" in name}
    assert all(part.kind == "geom" for part in scene._zbuffer.parts)
    for camera in CAMERAS:
        assert len(np.unique(scene.picture(camera, (48, 48)))) > 10


@pytest.mark.parametrize("task", TASKS)
def test_the_script_succeeds(made: Made, task: str) -> None:
    one = made[task]
    one.reset(100)
    steps = 0
    while not one.step(one.scripted_action()).success and steps < 200:
        steps += 1
    assert steps < 150


def test_actions_move_the_hand_as_far_as_its_path_says(made: Made) -> None:
    one = made["lift"]
    one.reset(0)
    actions = np.tile([0.5, -0.5, 0.2, 0, 0, 0, -1], (10, 1))
    path = one.hand_path(one.hand(), actions)
    for action in actions:
        one.step(action)
    assert np.linalg.norm(path[-1] - one.hand()) < 0.2 * np.linalg.norm(path[-1] - path[0])


@pytest.mark.usefixtures("installed")
def test_opengl_and_windows_are_left_alone() -> None:
    assert os.environ.get("MUJOCO_GL") != "egl"
    assert not {"cv2", "OpenGL"} & set(sys.modules)


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (("env.task=stack",), "no task 'stack' here; choose env.task from lift, can, square"),
        (("env.task=lift", "env.success=dp3"), "env.success is info"),
    ],
)
def test_what_does_not_fit_is_named(overrides: tuple[str, ...], text: str) -> None:
    with pytest.raises(InputError, match=text):
        make_simulator(compose_part(EnvConfig, "env", "robosuite", list(overrides)))


def test_its_keys_are_refused_elsewhere() -> None:
    with pytest.raises(InputError, match="robosuite's tasks alone"):
        task_config("adroit-door", "+env.robosuite.reward_shaping=true")


def test_where_it_is_missing_a_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "robosuite"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if "robosuite" not in path])
    monkeypatch.setitem(sys.modules, "robosuite", None)
    with pytest.raises(InputError, match=r"needs robosuite.*pip install -e '\.\[robosuite\]'"):
        library.load.__wrapped__()


@pytest.mark.filterwarnings("ignore:.*Box observation space.*infinity")
@pytest.mark.usefixtures("installed")
def test_the_checker_of_gymnasium_passes() -> None:
    name = "envs.gymnasium_env:sodp/robosuite-lift-v0"
    env = gym.make(name, points=64, render_mode="rgb_array")
    check_env(env.unwrapped)
    env.reset(seed=0)
    picture = env.render()
    assert isinstance(picture, np.ndarray)
    assert picture.std() > 10


@pytest.mark.usefixtures("installed")
def test_a_task_is_collected_trained_and_viewed(tmp_path: Path) -> None:
    data, run = tmp_path / "lift.zarr", tmp_path / "run"
    task = ("env=robosuite", "env.task=lift", "env.episode_steps=6", "points=64")
    here = ("workers=0", "episodes=2")
    succeed("datasets/collect.py", *task, "behaviour=scripted", *here, f"out={data}")
    store = EpisodeStore.open(data)
    assert store.env.name == "robosuite-lift"
    assert store.env.robosuite is not None
    assert store.read_episode(0).points.shape == (6, 64, 3)
    assert store.identity["behaviour"]["random_share"] == [0.0, 0.4]  # Of the scripts' own table.
    assert replay_episode(store, 1).all()
    succeed("datasets/view.py", f"data={data}", f"out={tmp_path / 'data.html'}")
    short = ("pretrain.steps=2", "pretrain.batch=4", "finetune=ppo_bc", "finetune.episodes=2")
    small = ("finetune.initial_episodes=1", "finetune.initial_limit=1", "finetune.gradient_steps=2")
    few = ("threads=1", "envs=2", "denoiser=unet-small", "finetune.evaluate_every=0", *here)
    succeed("policy/train.py", f"data={data}", f"out={run}", *few, *short, *small)
    succeed("policy/view.py", f"checkpoint={run}", f"out={tmp_path / 'played.html'}")
    assert (tmp_path / "played.html").stat().st_size > 50_000
