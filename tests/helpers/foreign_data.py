"""Data as other projects write it: DAPG, D4RL, Minari, DP3 and robomimic; and converting it."""

import pickle
from pathlib import Path
from typing import Any

import gymnasium
import numcodecs
import numpy as np
import pytest
import zarr

from configs.command import compose
from datasets.formats.converter import ConvertConfig, convert
from datasets.store.store import EpisodeStore
from envs.adroit.restore import DRAWN
from envs.adroit.simulator import AdroitSimulator
from tests.conftest import task_config

h5py: Any = pytest.importorskip("h5py")

TASKS = ("door", "hammer", "pen")
JOINTS = 30  # Of the door, and as many velocities behind them.
STEPS, POINTS = 12, 32
WHOLE: Any = {"write_empty_chunks": True}  # As zarr 2 writes, unless told otherwise.


def convert_config(source: Path | str, to: Path, *overrides: str) -> ConvertConfig:
    own = [f"from={source}", f"to={to}", "workers=0", "points=64"]
    return compose(ConvertConfig, "convert", [*own, *overrides])


def converted(source: Path | str, to: Path, *overrides: str) -> EpisodeStore:
    convert(convert_config(source, to, *overrides))
    return EpisodeStore.open(to)


def as_store(source: Path, to: Path, *overrides: str) -> EpisodeStore:
    """Convert recorded clouds, as many points as there are."""
    return converted(source, to, "points=null", *overrides)


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
    """Keep a store of the door as D4RL would have, whose rewards are not scaled."""
    states = store.read("sim_state")
    ends = np.zeros(store.steps, bool)
    ends[store.episode_ends - 1] = True
    arrays = {
        "observations": np.zeros((store.steps, 39)),
        "actions": store.read("action"),
        "rewards": store.read("reward").astype(np.float64) / store.env.reward_scale,
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
    monkeypatch: pytest.MonkeyPatch,
    root: Path,
    *,
    steps: int,
    with_states: bool,
    storage: str = "hdf5",
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
        data_format=storage,
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


def clouds(channels: int = 6, full: float = 255.0) -> np.ndarray:
    """Give clouds as DP3 keeps them: the fourth has but ten points, the rest is zeros."""
    rng = np.random.default_rng(0)
    made = rng.uniform(-1, 1, (STEPS, POINTS, channels)).astype(np.float32)
    made[..., 3:] = np.round(rng.uniform(0, full, (STEPS, POINTS, max(channels - 3, 0))), 3)
    made[3, 10:] = 0
    return made


def write_dp3(path: Path, *, points: np.ndarray | None = None, **more: np.ndarray) -> Path:
    """Write a dataset as DP3 does with zarr 2."""
    rng = np.random.default_rng(1)
    arrays = {
        "state": rng.normal(size=(STEPS, 24)).astype(np.float32),
        "action": rng.uniform(-1, 1, (STEPS, 28)).astype(np.float32),
        "point_cloud": clouds() if points is None else points,
        "img": rng.integers(0, 255, (STEPS, 8, 8, 3)).astype(np.uint8),
        **more,
    }
    group = zarr.open_group(path, mode="w", zarr_format=2)
    compressor = numcodecs.Blosc(cname="zstd", clevel=3, shuffle=1)
    for name, values in arrays.items():
        group.create_array(
            f"data/{name}",
            data=values,
            chunks=(100, *values.shape[1:]),
            compressors=compressor,
            config=WHOLE,
        )
    group.create_array("meta/episode_ends", data=np.array([5, STEPS]), compressors=compressor)
    return path


def write_robomimic(path: Path, *, cloud: str = "point_cloud", **obs: np.ndarray) -> Path:
    rng = np.random.default_rng(2)
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = '{"env_name": "Lift", "type": 1}'
        for name, rows in (("demo_10", slice(5, None)), ("demo_2", slice(0, 5))):
            demo = data.create_group(name)
            steps = len(clouds()[rows])
            demo.attrs["num_samples"] = steps
            demo["actions"] = rng.uniform(-1, 1, (steps, 28))
            demo["rewards"] = np.arange(steps, dtype=float)
            demo["dones"] = np.arange(steps) == steps - 1
            demo["states"] = rng.normal(size=(steps, 40))
            demo[f"obs/{cloud}"] = clouds()[rows]
            demo["obs/robot0_eef_pos"] = rng.normal(size=(steps, 3))
            demo["obs/robot0_eef_quat"] = rng.normal(size=(steps, 4))
            demo["obs/robot0_gripper_qpos"] = rng.normal(size=(steps, 2))
            for key, values in obs.items():
                demo[f"obs/{key}"] = values[rows]
    return path
