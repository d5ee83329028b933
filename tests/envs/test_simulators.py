"""The tasks: exact state, their contracts, and nothing that depends on the past."""

import subprocess
import sys
from pathlib import Path

import mujoco
import numpy as np
import pytest

from envs.make import make_scene, make_simulator
from envs.metaworld.simulator import EDITED_FIELDS, MetaWorldSimulator, task_names
from perception.errors import InputError
from tests.conftest import ROOT, task_config
from tests.helpers.continue_episode import follow

ADROIT = ["adroit-door", "adroit-hammer", "adroit-pen"]
SOME = [
    *ADROIT, "metaworld-reach", "metaworld-drawer-open", "metaworld-pick-place",
    "gymnasium-Pusher-v5", "gymnasium-FetchPickAndPlace-v4",
]  # fmt: skip


def test_a_restored_state_goes_on_bit_for_bit_in_a_fresh_process(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    saved: dict[str, np.ndarray] = {"names": np.array(SOME)}
    expected = {}
    for name in SOME:
        config = task_config(name)
        simulator = make_simulator(config)
        simulator.reset(3)
        for _ in range(10):
            simulator.step(rng.uniform(-1, 1, simulator.action_size))
        actions = rng.uniform(-1, 1, (20, simulator.action_size))
        saved[f"{name}/state"], saved[f"{name}/actions"] = simulator.save_state(), actions
        expected[name] = follow(simulator, config, actions)
    np.savez(tmp_path / "saved.npz", **saved)
    script = ROOT / "tests" / "helpers" / "continue_episode.py"
    subprocess.run([sys.executable, script, tmp_path / "saved.npz", tmp_path], check=True)
    for name in SOME:
        with np.load(tmp_path / f"{name}.npz", allow_pickle=False) as followed:
            for part, values in expected[name].items():
                np.testing.assert_array_equal(followed[part], values, err_msg=f"{name}: {part}")


@pytest.fixture(scope="module", params=task_names())
def pair(request: pytest.FixtureRequest) -> tuple[MetaWorldSimulator, MetaWorldSimulator]:
    """Two simulators of each of Meta-World's tasks."""
    config = task_config(f"metaworld-{request.param}")
    return MetaWorldSimulator(config), MetaWorldSimulator(config)


def test_every_meta_world_task_restores_exactly_and_forgets_the_past(
    pair: tuple[MetaWorldSimulator, MetaWorldSimulator],
) -> None:
    one, other = pair
    rng = np.random.default_rng(1)
    for seed in (7, 8):
        other.reset(seed)
        other.step(rng.uniform(-1, 1, 4))
    # The same seed gives the same episode whatever came before ...
    one.reset(5)
    other.reset(5)
    np.testing.assert_array_equal(one.save_state(), other.save_state())
    # ... and a saved state goes on exactly elsewhere.
    for _ in range(5):
        one.step(rng.uniform(-1, 1, 4))
    other.reset(6)
    other.restore_state(one.save_state())
    np.testing.assert_array_equal(one.features(), other.features())
    for _ in range(15):
        action = rng.uniform(-1, 1, 4)
        assert one.step(action) == other.step(action)
        np.testing.assert_array_equal(one.features(), other.features())
        np.testing.assert_array_equal(one.scene_state(), other.scene_state())


def test_a_meta_world_reset_moves_only_what_the_layout_records(
    pair: tuple[MetaWorldSimulator, MetaWorldSimulator],
) -> None:
    simulator, _ = pair
    simulator.reset(0)
    before = {
        name: np.copy(getattr(simulator.model, name)) for name in model_arrays(simulator.model)
    }
    simulator.reset(12345)
    recorded = {(edit.field, edit.row) for edit in simulator.layout.edits}
    for name, old in before.items():
        rows = np.flatnonzero(
            (getattr(simulator.model, name) != old).reshape(len(old), -1).any(axis=1)
        )
        assert {(name, int(row)) for row in rows} <= recorded
    assert {edit.field for edit in simulator.layout.edits} <= set(EDITED_FIELDS)


def model_arrays(model: mujoco.MjModel) -> list[str]:
    names = [
        n for n in dir(model) if n.startswith(("body_", "geom_", "site_", "jnt_", "eq_", "cam_"))
    ]
    return [
        n for n in names if isinstance(getattr(model, n), np.ndarray) and getattr(model, n).ndim
    ]


@pytest.mark.parametrize("name", SOME)
def test_seeds_give_different_episodes_and_only_seeds_do(name: str) -> None:
    simulator = make_simulator(task_config(name))
    simulator.reset(1)
    first = simulator.scene_state()
    simulator.reset(2)
    assert not np.array_equal(simulator.scene_state(), first)
    np.random.seed(0)  # noqa: NPY002 (the global generator must not matter)
    simulator.reset(1)
    np.testing.assert_array_equal(simulator.scene_state(), first)


@pytest.mark.parametrize(
    ("name", "actions", "robot_state", "steps"),
    [
        ("adroit-door", 28, 24, 100),
        ("adroit-hammer", 26, 24, 100),
        ("adroit-pen", 24, 24, 50),
        ("metaworld-reach", 4, 9, 200),
    ],
)
def test_sizes_are_those_of_dp3(name: str, actions: int, robot_state: int, steps: int) -> None:
    config = task_config(name)
    simulator = make_simulator(config)
    simulator.reset(0)
    assert simulator.action_size == actions
    assert simulator.robot_state().shape == (robot_state,)
    assert config.episode_steps == steps
    cloud = make_scene(simulator, config).points(simulator.scene_state())
    assert cloud.shape == (512, 3)
    assert cloud.dtype == np.float32


def test_the_door_reward_has_the_original_sign() -> None:
    config = task_config("adroit-door", "env.reward_scale=1.0", "env.action_repeat=1")
    simulator = make_simulator(config)
    simulator.reset(0)
    reward = simulator.step(np.zeros(28)).reward
    env = simulator._env
    mujoco.mj_forward(simulator.model, simulator.data)
    palm = env.data.site_xpos[env.grasp_site_id]
    handle = env.data.site_xpos[env.handle_site_id]
    angle, speed = env.data.qpos[env.door_hinge_addrs].item(), (env.data.qvel**2).sum()
    expected = -0.1 * np.linalg.norm(palm - handle) - 0.1 * (angle - 1.57) ** 2 - 1e-5 * speed
    assert np.linalg.norm(palm - handle) > 0.3  # The sign is worth 0.06.
    assert reward == pytest.approx(expected, abs=1e-3)


def test_rewards_of_repeated_actions_are_summed_and_scaled() -> None:
    action = np.random.default_rng(0).uniform(-1, 1, 28)
    whole = make_simulator(task_config("adroit-door"))
    single = make_simulator(
        task_config("adroit-door", "env.action_repeat=1", "env.reward_scale=1.0")
    )
    whole.reset(4)
    single.reset(4)
    apart = [single.step(action).reward for _ in range(2)]
    assert whole.step(action).reward == pytest.approx(sum(apart) / 20, rel=1e-9)


def test_a_door_counts_as_open_beyond_dp3s_angle() -> None:
    for rule, angle, success in [("dp3", 1.38, False), ("dp3", 1.45, True), ("farama", 1.38, True)]:
        simulator = make_simulator(task_config("adroit-door", f"env.success={rule}"))
        simulator.reset(0)
        address = simulator.model.joint("door_hinge").qposadr[0]
        simulator.data.qpos[address] = angle
        assert simulator.step(np.zeros(28)).success is success


def test_a_dropped_pen_ends_the_episode() -> None:
    simulator = make_simulator(task_config("adroit-pen"))
    simulator.reset(0)
    assert not simulator.step(np.zeros(24)).terminated
    simulator.data.joint("OBJTx").qpos[0] += 1.0  # Beside the table: it falls.
    ended = [simulator.step(np.zeros(24)).terminated for _ in range(40)]
    assert ended[-1]


def test_each_meta_world_reset_draws_a_goal_of_its_own() -> None:
    simulator = make_simulator(task_config("metaworld-reach"))
    goals = set()
    for seed in range(60):
        simulator.reset(seed)
        goals.add(tuple(simulator.features()[-3:]))
    assert len(goals) == 60  # Not one of 50 frozen ones.


def test_the_first_look_after_a_reset_is_not_stale() -> None:
    for name in ("metaworld-drawer-open", "metaworld-window-open", "adroit-door"):
        simulator = make_simulator(task_config(name))
        simulator.reset(11)
        before = simulator.features()
        mujoco.mj_forward(simulator.model, simulator.data)
        np.testing.assert_array_equal(simulator.features()[:18], before[:18])
        positions = simulator.data.xpos.copy()
        mujoco.mj_kinematics(simulator.model, simulator.data)
        np.testing.assert_array_equal(simulator.data.xpos, positions)


def test_a_picture_taken_live_is_the_picture_taken_from_the_record() -> None:
    config = task_config("adroit-door")
    simulator = make_simulator(config)
    live, later = make_scene(simulator, config), make_scene(simulator, config)
    simulator.reset(0)
    rng = np.random.default_rng(0)
    states, clouds = [], []
    for _ in range(5):
        simulator.step(rng.uniform(-1, 1, 28))
        states.append(simulator.scene_state())
        clouds.append(live.points(states[-1]))
    for state, cloud in reversed(list(zip(states, clouds, strict=True))):
        np.testing.assert_array_equal(later.points(state), cloud)


def test_scripted_policies_solve_their_tasks() -> None:
    for name in ("metaworld-reach", "metaworld-drawer-open"):
        simulator = make_simulator(task_config(name))
        assert isinstance(simulator, MetaWorldSimulator)
        simulator.reset(0)
        assert any(simulator.step(simulator.scripted_action()).success for _ in range(150))


@pytest.mark.parametrize(("group", "task"), [("adroit-door", "dor"), ("metaworld-nothing", "")])
def test_an_unknown_task_lists_those_there_are(group: str, task: str) -> None:
    overrides = [f"env.task={task}"] if task else []
    with pytest.raises(InputError, match=r"drawer-open|hammer"):
        make_simulator(task_config(group, *overrides))


def test_a_state_of_another_task_is_refused() -> None:
    door, pen = (make_simulator(task_config(name)) for name in ("adroit-door", "adroit-pen"))
    with pytest.raises(ValueError, match="numbers"):
        pen.restore_state(door.save_state())
