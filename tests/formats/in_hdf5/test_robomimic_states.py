"""robomimic's demonstrations of robosuite's tasks are restored, state by state, and drawn."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasets.store.store import EpisodeStore
from envs.make import make_scene, make_simulator
from envs.robosuite import library
from envs.robosuite.simulator import RobosuiteSimulator
from perception.errors import InputError
from tests.conftest import task_config
from tests.helpers.foreign_data import as_store

h5py: Any = pytest.importorskip("h5py")
LIFT = ("env=robosuite", "env.task=lift", "points=32", "workers=0")
STEPS = (5, 4)


@pytest.fixture(scope="module")
def simulator() -> RobosuiteSimulator:
    try:
        library.load()
    except InputError as missing:
        pytest.skip(str(missing))
    made = make_simulator(task_config("robosuite-lift", "env.view.points=32"))
    assert isinstance(made, RobosuiteSimulator)
    return made


@pytest.fixture
def theirs(simulator: RobosuiteSimulator, tmp_path: Path) -> Path:
    """What robomimic's `dataset_states_to_obs.py` writes of robosuite's own flattened states."""
    path, rng, env = tmp_path / "low_dim.hdf5", np.random.default_rng(0), simulator._env
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = json.dumps({"env_name": "Lift", "type": 1})
        for index, steps in enumerate(STEPS):
            simulator.reset(index)
            demo, seen = data.create_group(f"demo_{index}"), []
            demo.attrs["model_file"] = env.model.get_xml()
            actions = rng.uniform(-1, 1, (steps, 7))
            for action in actions:
                seen.append((env.sim.get_state().flatten(), simulator.robot_state()))
                simulator.step(action)
            states, readings = (np.array(part) for part in zip(*seen, strict=True))
            demo["states"], demo["actions"] = states, actions
            demo["obs/robot0_eef_pos"] = readings[:, :3]
            demo["obs/robot0_eef_quat"] = readings[:, 3:7]
            demo["obs/robot0_gripper_qpos"] = readings[:, 7:]
            demo["rewards"] = np.eye(steps)[-1]
    return path


def test_states_become_clouds(simulator: RobosuiteSimulator, theirs: Path, tmp_path: Path) -> None:
    store = as_store(theirs, tmp_path / "ours.zarr", *LIFT, "error_mm=0")
    assert store.env.name == "robosuite-lift"
    assert store.episode_ends.tolist() == np.cumsum(STEPS).tolist()
    assert store.attributes["conversion"]["states"] == "as recorded"
    scene = make_scene(simulator, store.env)
    with h5py.File(theirs) as file:
        recorded = file["data/demo_0/states"][:]
        np.testing.assert_allclose(
            store.read("state")[:5, :3], file["data/demo_0/obs/robot0_eef_pos"], atol=1e-6
        )
        np.testing.assert_array_equal(
            store.read("action")[:5], file["data/demo_0/actions"][:].astype(np.float32)
        )
    np.testing.assert_array_equal(store.read("sim_state")[:5, : recorded.shape[1]], recorded)
    drawn = scene.points(store.read("sim_state")[3])
    np.testing.assert_array_equal(store.read("point_cloud")[3], drawn.astype(np.float32))
    assert store.read("success").tolist() == [False] * 4 + [True] + [False] * 3 + [True]
    assert store.read("reward").sum() == 2


@pytest.mark.parametrize(
    ("key", "values", "message"),
    [
        ("states", np.zeros((5, 71)), "demo_1: states is .4, 32., but .5, 71. in demo_0"),
        ("actions", None, "lacks actions"),
        ("states", np.full((5, 32), 1e12), "demo_0: states holds numbers beyond"),
    ],
)
def test_what_cannot_be_restored_is_refused_whole(
    theirs: Path, tmp_path: Path, key: str, values: np.ndarray | None, message: str
) -> None:
    with h5py.File(theirs, "r+") as file:
        del file["data/demo_0"][key]
        if values is not None:
            file["data/demo_0"][key] = values
    with pytest.raises(InputError, match=message):
        as_store(theirs, tmp_path / "ours.zarr", *LIFT)
    assert not (tmp_path / "ours.zarr").exists()


def test_another_task_s_states_are_refused(theirs: Path, tmp_path: Path) -> None:
    other = ("env=robosuite", "env.task=can", *LIFT[2:])
    with pytest.raises(InputError, match="robosuite-can has states of 71 numbers, this one 32"):
        as_store(theirs, tmp_path / "ours.zarr", *other)


def test_without_a_task_of_robosuite_it_is_said_how_to_draw_them(
    theirs: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="drawn with env=robosuite"):
        as_store(theirs, tmp_path / "ours.zarr")


def test_a_store_of_states_opens_and_is_drawn_as_collected_ones_are(
    theirs: Path, tmp_path: Path
) -> None:
    as_store(theirs, tmp_path / "ours.zarr", *LIFT)
    store = EpisodeStore.open(tmp_path / "ours.zarr")
    assert store.identity["behaviour"] == {"kind": "recorded"}
    assert set(store.attributes["cameras"]) == {"agentview"}
