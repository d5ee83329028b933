"""Adroit as DAPG, D4RL and Minari keep it becomes a store: exact states, honest replays."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from configs.command import compose
from datasets.collection.rerender import render_again
from datasets.formats.converter import ConvertConfig, convert
from datasets.formats.importer import read_drifts
from datasets.store.store import EpisodeStore
from datasets.windows import load_windows
from envs.adroit.recovery import recover
from envs.adroit.restore import DRAWN, Moment, place
from envs.adroit.simulator import AdroitSimulator
from perception.errors import InputError
from tests.conftest import task_config
from tests.datasets.test_render import render_config

h5py: Any = pytest.importorskip("h5py")

TASKS = ("door", "hammer", "pen")
JOINTS = 30  # Of the door, and as many velocities behind them.


def convert_config(source: Path | str, to: Path, *overrides: str) -> ConvertConfig:
    own = [f"from={source}", f"to={to}", "workers=0", "points=64"]
    return compose(ConvertConfig, "convert", [*own, *overrides])


def converted(source: Path | str, to: Path, *overrides: str) -> EpisodeStore:
    convert(convert_config(source, to, *overrides))
    return EpisodeStore.open(to)


def simulator_of(task: str) -> AdroitSimulator:
    return AdroitSimulator(task_config(f"adroit-{task}", "env.action_repeat=1"))


def drawn_of(simulator: AdroitSimulator) -> np.ndarray:
    (edit,) = simulator.layout.edits
    return getattr(simulator.model, edit.field)[edit.row].copy()


def make_demo(task: str, seed: int, steps: int) -> dict[str, Any]:
    """Act at random in our simulator, and keep it as DAPG does."""
    simulator, rng = simulator_of(task), np.random.default_rng(seed)
    simulator.reset(seed)
    start = {"qpos": simulator.data.qpos.copy(), "qvel": simulator.data.qvel.copy()}
    start[DRAWN[task]] = drawn_of(simulator)
    actions = rng.uniform(-1.3, 1.3, (steps, simulator.action_size))
    observations, rewards = [simulator.observation()], []
    for action in np.clip(actions, -1, 1).astype(np.float32):
        rewards.append(simulator.step(action).reward)
        observations.append(simulator.observed)
    return {
        "observations": np.array(observations[:-1]),
        "actions": actions,
        "rewards": np.array(rewards),
        "init_state_dict": start,
    }


def write_dapg(path: Path, task: str, *, episodes: int = 2, steps: int = 14) -> list[Any]:
    demos = [make_demo(task, seed, steps + seed) for seed in range(episodes)]
    path.write_bytes(pickle.dumps(demos, 2))
    return demos


def write_d4rl(path: Path, store: EpisodeStore) -> dict[str, np.ndarray]:
    """Keep a store of the door as D4RL would have."""
    states = store.read("sim_state")
    ends = np.zeros(store.steps, bool)
    ends[store.episode_ends - 1] = True
    arrays = {
        "observations": np.zeros((store.steps, 39)),
        "actions": store.read("action"),
        "rewards": store.read("reward"),
        "terminals": np.zeros(store.steps, bool),
        "timeouts": ends,
        "infos/qpos": states[:, 1 : 1 + JOINTS],
        "infos/qvel": states[:, 1 + JOINTS : 1 + 2 * JOINTS],
        "infos/door_body_pos": states[:, -3:],
    }
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values
    return arrays


def write_minari(
    monkeypatch: pytest.MonkeyPatch, root: Path, *, steps: int, with_states: bool
) -> list[Any]:
    """Let Minari itself write episodes of gymnasium-robotics' own door."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(root))
    minari = pytest.importorskip("minari")
    buffers = [_gymnasium_episode(seed, steps, with_states) for seed in range(2)]
    env = gymnasium.make("AdroitHandDoor-v1")
    minari.create_dataset_from_buffers(
        "tiny/door-v0",
        [minari.data_collector.EpisodeBuffer(**buffer) for buffer in buffers],
        env=env,
        algorithm_name="random",
        author="nobody",
        author_email="nobody@example.org",
        code_permalink="none",
    )
    env.close()
    return buffers


def _gymnasium_episode(seed: int, steps: int, with_states: bool) -> dict[str, Any]:
    env, rng = gymnasium.make("AdroitHandDoor-v1").unwrapped, np.random.default_rng(seed)
    observations, states = [env.reset(seed=seed)[0]], [env.get_env_state()]
    actions = rng.uniform(-1, 1, (steps, 28)).astype(np.float32)
    rewards = []
    for action in actions:
        observation, reward, *_ = env.step(action)
        observations.append(observation)
        rewards.append(float(reward))
        states.append(env.get_env_state())
    infos = {name: np.array([state[name] for state in states]) for name in states[0]}
    return {
        "observations": np.array(observations),
        "actions": actions,
        "rewards": rewards,
        "terminations": [False] * steps,
        "truncations": [False] * (steps - 1) + [True],
        "infos": {"state": infos} if with_states else {"success": np.zeros(steps + 1, bool)},
    }


@pytest.mark.parametrize("task", TASKS)
def test_a_start_is_found_from_its_observation(task: str) -> None:
    simulator = simulator_of(task)
    for seed in range(2):
        simulator.reset(seed)
        qpos, drawn = simulator.data.qpos.copy(), drawn_of(simulator)
        found = recover(simulator, task, simulator.observation())
        np.testing.assert_allclose(found.qpos, qpos, atol=1e-9)
        np.testing.assert_allclose(found.drawn, drawn, atol=1e-9)


@pytest.mark.parametrize("task", TASKS)
def test_a_pose_is_found_beside_a_known_state(task: str) -> None:
    simulator, rng = simulator_of(task), np.random.default_rng(3)
    simulator.reset(3)
    known = Moment(simulator.data.qpos.copy(), simulator.data.qvel.copy(), drawn_of(simulator))
    posed = Moment(known.qpos + rng.uniform(-0.05, 0.05, known.qpos.size), known.qvel, known.drawn)
    place(simulator, posed)
    seen = simulator.observation()
    found = recover(simulator, task, seen, known=known)
    place(simulator, found)
    np.testing.assert_allclose(simulator.observation(), seen, atol=1e-7)
    if task != "pen":  # A pen's roll about its own length shows nowhere.
        np.testing.assert_allclose(found.qpos, posed.qpos, atol=1e-7)


def test_another_tasks_observation_has_no_start() -> None:
    simulator = simulator_of("door")
    simulator.reset(0)
    with pytest.raises(InputError, match="No moment of door has the first observation"):
        recover(simulator, "door", np.full(39, 5.0))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("start", ["state", "observation"])
def test_demonstrations_replay_to_what_was_recorded(tmp_path: Path, task: str, start: str) -> None:
    demos = write_dapg(tmp_path / "demos.pickle", task)
    own = (f"env=adroit-{task}", f"start={start}")
    store = converted(tmp_path / "demos.pickle", tmp_path / "s.zarr", *own)
    assert store.episode_ends.tolist() == [14, 29]
    assert store.read("point_cloud").shape == (29, 64, 3)
    np.testing.assert_allclose(store.read("reward")[:14], demos[0]["rewards"], atol=1e-5)
    assert np.abs(store.read("action")).max() == 1
    drifts = read_drifts(store.path)
    assert len(drifts) == 2
    assert max(drift.largest for drift in drifts) < (1e-12 if start == "state" else 1e-4)


def test_a_replay_says_how_far_it_drifts(tmp_path: Path) -> None:
    demos = [make_demo("door", seed, 12) for seed in range(2)]
    demos[1]["observations"][5:, 3] += 0.25
    (tmp_path / "demos.pickle").write_bytes(pickle.dumps(demos))
    store = converted(tmp_path / "demos.pickle", tmp_path / "s.zarr")
    said = store.attributes["conversion"]
    assert said["format"] == "dapg"
    assert said["name"] == "demos.pickle"
    assert len(said["sha256"]) == 64
    assert said["drift"]["largest"][0] < 1e-4
    np.testing.assert_allclose(
        [said["drift"][name][1] for name in ("median", "largest", "last")], 0.25, atol=1e-3
    )


def test_recorded_states_give_the_clouds_of_collecting_bit_for_bit(
    tiny_store: Path, tmp_path: Path
) -> None:
    collected = EpisodeStore.open(tiny_store)
    write_d4rl(tmp_path / "door.hdf5", collected)
    store = converted(tmp_path / "door.hdf5", tmp_path / "s.zarr", "workers=1")
    kept = np.ones(collected.steps, bool)
    kept[collected.episode_ends - 1] = False  # An episode's last action leads nowhere.
    assert store.episode_ends.tolist() == [11, 22, 33, 44]
    for name in ("point_cloud", "state", "action", "reward", "success"):
        np.testing.assert_array_equal(store.read(name), collected.read(name)[kept])
    # All but the time, which D4RL does not keep.
    np.testing.assert_array_equal(
        store.read("sim_state")[:, 1:], collected.read("sim_state")[kept][:, 1:]
    )


def test_a_success_is_that_of_the_state_after_the_action(tiny_store: Path, tmp_path: Path) -> None:
    arrays = write_d4rl(tmp_path / "door.hdf5", EpisodeStore.open(tiny_store))
    with h5py.File(tmp_path / "door.hdf5", "r+") as file:
        qpos = arrays["infos/qpos"].copy()
        qpos[[6, 11], 28] = 1.5  # The hinge, beyond 1.4 rad.
        file["infos/qpos"][:] = qpos
    store = converted(tmp_path / "door.hdf5", tmp_path / "s.zarr")
    assert np.flatnonzero(store.read("success")).tolist() == [5, 10]


def test_episodes_end_where_terminals_or_timeouts_say(tiny_store: Path, tmp_path: Path) -> None:
    write_d4rl(tmp_path / "door.hdf5", EpisodeStore.open(tiny_store))
    with h5py.File(tmp_path / "door.hdf5", "r+") as file:
        file["terminals"][4] = True
        file["timeouts"][47] = False  # The last episode was cut off: it ends with the file.
    store = converted(tmp_path / "door.hdf5", tmp_path / "s.zarr")
    assert np.diff(store.episode_ends, prepend=0).tolist() == [4, 6, 11, 11, 11]


def test_a_minari_dataset_replays_from_its_first_observation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffers = write_minari(monkeypatch, tmp_path, steps=12, with_states=False)
    store = converted("minari:tiny/door-v0", tmp_path / "s.zarr")
    assert store.episode_ends.tolist() == [12, 24]
    np.testing.assert_array_equal(store.read("action")[:12], buffers[0]["actions"])
    drifts = read_drifts(store.path)
    assert max(drift.largest for drift in drifts) < 1e-4
    joints = store.read("sim_state")[:12, 2:29]  # As the observations show them.
    np.testing.assert_allclose(joints, buffers[0]["observations"][:12, :27], atol=1e-4)


def test_a_minari_dataset_with_states_is_put_as_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffers = write_minari(monkeypatch, tmp_path, steps=12, with_states=True)
    store = converted(tmp_path / "tiny" / "door-v0", tmp_path / "s.zarr")
    assert store.episode_ends.tolist() == [12, 24]
    states = buffers[1]["infos"]["state"]
    np.testing.assert_array_equal(store.read("sim_state")[12:, 1 : 1 + JOINTS], states["qpos"][:-1])
    np.testing.assert_allclose(store.read("reward")[12:], buffers[1]["rewards"], rtol=1e-6)


@pytest.fixture(params=["dapg", "d4rl"])
def source(request: pytest.FixtureRequest, tiny_store: Path, tmp_path: Path) -> Path:
    """Give a file of either kind."""
    path = tmp_path / ("demos.pickle" if request.param == "dapg" else "door.hdf5")
    if request.param == "dapg":
        write_dapg(path, "door")
    else:
        write_d4rl(path, EpisodeStore.open(tiny_store))
    return path


def test_a_converted_store_is_drawn_again_and_trained_on(source: Path, tmp_path: Path) -> None:
    store = converted(source, tmp_path / "s.zarr")
    render_again(render_config(store.path, tmp_path / "same.zarr"))
    render_again(render_config(store.path, tmp_path / "fewer.zarr", "points=16"))
    same, fewer = (EpisodeStore.open(tmp_path / f"{n}.zarr") for n in ("same", "fewer"))
    np.testing.assert_array_equal(same.read("point_cloud"), store.read("point_cloud"))
    assert same.attributes["identity"] == store.attributes["identity"]
    assert same.attributes["conversion"] == store.attributes["conversion"]
    assert fewer.read("point_cloud").shape[1] == 16
    assert store.attributes["task"] == "adroit-door"
    windows = load_windows([store.path], history=2, horizon=4, chunk=3)
    assert windows.observations.points.shape[1:] == (64, 3)


Spoil = Callable[[Any], None]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda file: file.pop("infos/qvel"), "lacks infos/qvel; it has actions"),
        (lambda file: file.pop("rewards"), "lacks rewards"),
        (lambda file: file.pop("terminals"), "lacks terminals"),
        (lambda file: file["actions"].write_direct(np.full((48, 28), np.nan, np.float32)), "NaN"),
    ],
)
def test_spoilt_files_are_refused(
    tiny_store: Path, tmp_path: Path, spoil: Spoil, message: str
) -> None:
    write_d4rl(tmp_path / "door.hdf5", EpisodeStore.open(tiny_store))
    with h5py.File(tmp_path / "door.hdf5", "r+") as file:
        spoil(file)
    with pytest.raises(InputError, match=message):
        converted(tmp_path / "door.hdf5", tmp_path / "s.zarr")


def test_files_of_another_task_are_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="are those of door: choose env=adroit-door"):
        converted(source, tmp_path / "s.zarr", "env=adroit-hammer")
    with pytest.raises(InputError, match="is data of Adroit"):
        converted(source, tmp_path / "s.zarr", "env=metaworld")


def test_demonstrations_without_a_start_are_refused(tmp_path: Path) -> None:
    demo = make_demo("door", 0, 5)
    del demo["init_state_dict"]["door_body_pos"]
    (tmp_path / "demos.pickle").write_bytes(pickle.dumps([demo]))
    with pytest.raises(InputError, match="lacks door_body_pos; it has qpos, qvel"):
        converted(tmp_path / "demos.pickle", tmp_path / "s.zarr")
    del demo["actions"]
    (tmp_path / "demos.pickle").write_bytes(pickle.dumps([demo]))
    with pytest.raises(InputError, match="lacks actions; it has observations"):
        converted(tmp_path / "demos.pickle", tmp_path / "s.zarr")


def test_a_dataset_that_minari_has_not_got_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    with pytest.raises(InputError, match="minari download D4RL/door/human-v2"):
        converted("minari:D4RL/door/human-v2", tmp_path / "s.zarr")
