"""Environments of Gymnasium: as their own library has them, exactly restored, and seen."""

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from datasets.store.store import EpisodeStore
from envs.gymnasium_mujoco.simulator import GymnasiumSimulator
from envs.make import make_scene, make_simulator
from perception.errors import InputError
from tests.conftest import task_config
from tests.helpers.commands import refuse, succeed
from tests.policy.pipeline.without_page import train_without_page

OWN = "tests.helpers.own.gymnasium_task:OwnWind-v0"
WORLDS = [
    "Pusher-v5", "Reacher-v5", "FetchPickAndPlace-v4", "FetchSlideDense-v4", "HandReach-v3",
    "HandManipulateEgg_ContinuousTouchSensors-v1", "AdroitHandRelocate-v1", "PointMaze_UMaze-v3",
    "AntMaze_UMaze-v5", "Humanoid-v5", "HalfCheetah-v5", OWN,
]  # fmt: skip
FETCH = "gymnasium-FetchPush-v4"


def world(name: str, *overrides: str) -> GymnasiumSimulator:
    made = make_simulator(task_config(f"gymnasium-{name}", *overrides))
    assert isinstance(made, GymnasiumSimulator)
    return made


@pytest.mark.parametrize("name", WORLDS)
def test_a_world_is_what_gymnasium_makes_of_it_and_restores_exactly(name: str) -> None:
    one, other = (world(name, "env.success=none") for _ in range(2))
    plain, rng = gym.make(name).unwrapped, np.random.default_rng(1)
    other.reset(7)
    other.step(rng.uniform(-1, 1, other.action_size))
    other.reset(5)
    one.reset(5)
    # Whatever came before, the seed's episode is the one of a fresh environment ...
    np.testing.assert_array_equal(one.save_state(), other.save_state())
    plain.reset(seed=5)
    low, high = (bound.astype(float) for bound in (plain.action_space.low, plain.action_space.high))
    for _ in range(5):
        action = rng.uniform(-1, 1, one.action_size)
        one.scene_state()  # Looking leaves everything as it is.
        outcome = one.step(action)
        _, reward, terminated, _, _ = plain.step((low + high) / 2 + (high - low) / 2 * action)
        assert (outcome.reward, outcome.terminated) == (reward, terminated)
    # ... and a saved state goes on exactly elsewhere.
    other.reset(6)
    other.restore_state(one.save_state())
    for _ in range(10):
        np.testing.assert_array_equal(one.save_state(), other.save_state())
        np.testing.assert_array_equal(one.scene_state(), other.scene_state())
        np.testing.assert_array_equal(one.features(), other.features())
        action = rng.uniform(-1, 1, one.action_size)
        assert one.step(action) == other.step(action)


def test_looking_changes_nothing() -> None:
    simulator = world("FetchPush-v4")
    simulator.reset(3)
    simulator.step(np.ones(4))
    before = simulator.save_state()
    simulator.scene_state()
    np.testing.assert_array_equal(simulator.save_state(), before)


def test_the_goal_is_seen_and_the_handle_of_the_arm_is_not() -> None:
    config = task_config(FETCH, "env.view.points=2048", "env.view.colour=true")
    simulator = make_simulator(config)
    scene = make_scene(simulator, config)
    for seed in range(3):
        simulator.reset(seed)
        cloud, goal = scene.points(simulator.scene_state()), simulator._env.goal
        red = cloud[(cloud[:, 3:] == [1, 0, 0]).all(axis=1), :3]
        assert np.linalg.norm(red - goal, axis=1).max() < 0.021  # On the mark of 2 cm radius.
        assert not (cloud[:, 3:] == np.round([0, 0.5 * 255, 0]) / 255).all(axis=1).any()
        handle = simulator.model.body("robot0:mocap").mocapid[0]
        assert scene.data.mocap_pos[handle, 2] < -100
        assert simulator.data.mocap_pos[handle, 2] > -1


def test_actions_are_stretched_to_the_range_of_the_environment() -> None:
    simulator = world("Pusher-v5")
    simulator.step(np.array([1, -1, 0.5, 0, 0, 0, 9]))
    assert simulator.data.ctrl.tolist() == [2, -2, 1, 0, 0, 0, 2]


def test_robot_states_are_the_entries_named() -> None:
    pusher = world("Pusher-v5")
    np.testing.assert_array_equal(pusher.robot_state(), pusher.features()[:17])
    fetch = world("FetchPush-v4")
    own = [*range(3), 9, 10, *range(20, 25)]
    np.testing.assert_array_equal(fetch.robot_state(), fetch.features()[own])
    np.testing.assert_array_equal(fetch.hand(), fetch.data.site("robot0:grip").xpos)
    chosen = world("Pusher-v5", "env.gymnasium.robot_state=[[2,4]]", "env.gymnasium.hand=null")
    np.testing.assert_array_equal(chosen.robot_state(), chosen.features()[2:4])
    np.testing.assert_array_equal(chosen.hand(), chosen.data.body("tips_arm").xpos)


def test_success_is_what_the_environment_says() -> None:
    simulator = world("FetchReach-v4")
    simulator.reset(0)
    assert not simulator.step(np.zeros(4)).success
    simulator._env.goal = simulator._env._get_obs()["achieved_goal"].copy()
    assert simulator.step(np.zeros(4)).success


def test_success_is_a_sum_of_rewards_from_which_on_it_counts() -> None:
    rule = ("env.success=return", "env.gymnasium.success_return=0.9", "env.reward_scale=0.01")
    simulator = world(OWN, *rule)
    for _ in range(2):  # The sum starts anew with the episode.
        simulator.reset(0)
        total, said = 0.0, []
        for _ in range(30):
            outcome = simulator.step(np.ones(1))
            total += 100 * outcome.reward
            said.append(outcome.success)
            assert outcome.success == (total >= 0.9)
        assert not said[0]
        assert said[-1]


REFUSED = {
    "env.task=Pushr-v5": "Did you mean: `Pusher`?",
    "env.task=CartPole-v1": "no MuJoCo world",
    "env.task=FrankaKitchen-v1": "arrays of numbers",
    "env.task=nowhere:Pusher-v5": "No module named 'nowhere'",
    "env.task=FetchReach-v1": "mujoco_py",
    "env.gymnasium.hand=paw": "is no site or body of it; there are",
    "env.gymnasium.robot_state=[[0,3],[9,99]]": "[9, 99] is no range of the observation's 23",
    "env.success=return": "needs env.gymnasium.success_return=",
    "env.success=dp3": "has no rule 'dp3'",
}


@pytest.mark.parametrize("override", REFUSED)
def test_what_does_not_fit_is_named(override: str) -> None:
    key = override if override.startswith("env.task") else "env.task=Pusher-v5"
    with pytest.raises(InputError) as refused:
        make_simulator(task_config("gymnasium", key, override))
    assert REFUSED[override] in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_environment_that_says_nothing_of_success_is_told_so() -> None:
    with pytest.raises(InputError, match=r"is_success or success in info .*env.success=none"):
        world("Ant-v5")


@pytest.mark.parametrize("key", ["env.success=info", "+env.gymnasium.hand=palm"])
def test_keys_of_gymnasium_are_refused_elsewhere(key: str) -> None:
    with pytest.raises(InputError, match="Gymnasium's environments"):
        task_config("adroit-door", key)


def test_a_world_is_collected_trained_and_viewed(tmp_path: Path) -> None:
    data, run = tmp_path / "fetch.zarr", tmp_path / "run"
    task = ("env=gymnasium", "env.task=FetchReach-v4", "env.episode_steps=8", "points=64")
    here = ("workers=0", "episodes=2")
    succeed("datasets/collect.py", *task, "behaviour=random", *here, f"out={data}")
    made = EpisodeStore.open(data)
    assert made.env.name == "gymnasium-FetchReach-v4"
    assert made.env.gymnasium is not None
    assert made.read_episode(0).points.shape == (8, 64, 3)
    succeed("datasets/view.py", f"data={data}", f"out={tmp_path / 'data.html'}")
    short = (
        "pretrain.steps=2",
        "pretrain.batch=4",
        "finetune=ppo_bc",
        "finetune.episodes=4",
        "denoiser=unet-small",
    )
    small = ("finetune.initial_episodes=1", "finetune.initial_limit=2", "finetune.gradient_steps=2")
    few = ("threads=1", "envs=2", *here)
    once = "finetune.evaluate_every=0"
    train_without_page(f"data={data}", f"out={run}", *few, *short, *small, once)
    succeed("policy/view.py", f"checkpoint={run}", f"out={tmp_path / 'played.html'}")
    assert (tmp_path / "played.html").stat().st_size > 100_000
    said = refuse("policy/evaluate.py", f"checkpoint={run}", f"out={tmp_path}", "env=adroit-pen")
    assert "gymnasium-FetchReach-v4" in said
