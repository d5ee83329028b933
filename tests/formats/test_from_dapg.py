"""DAPG's demonstrations become a store: honest replays."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasets.formats.incoming.importer import read_drifts
from perception.errors import InputError
from tests.helpers.foreign_data import TASKS, converted, make_demo, write_dapg


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


def demo(**changes: object) -> dict[str, Any]:
    start = {"qpos": np.zeros(30), "qvel": np.zeros(30), "door_body_pos": np.zeros(3)}
    tables = {"observations": np.zeros((4, 39)), "actions": np.zeros((4, 28))}
    return {**tables, "init_state_dict": start, **changes}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"actions": np.full((4, 28), np.nan)}, "actions holds NaN or infinity at step 0"),
        ({"actions": np.array([["a"] * 28] * 4)}, "actions is no table of numbers"),
        ({"init_state_dict": [1, 2]}, "init_state_dict is no dictionary"),
        ({"init_state_dict": {"qpos": np.zeros(30)}}, "init_state_dict lacks qvel"),
        (
            {"init_state_dict": {**demo()["init_state_dict"], "qpos": np.array(["a"])}},
            "qpos holds no numbers",
        ),
        (
            {"init_state_dict": {**demo()["init_state_dict"], "qvel": np.full(30, np.inf)}},
            "qvel holds NaN or numbers beyond",
        ),
        (
            {"init_state_dict": {**demo()["init_state_dict"], "door_body_pos": np.zeros(2)}},
            r"\[1\].*A state of this task has 30 joints, 30 velocities and 3",
        ),
    ],
)
def test_damaged_demonstrations_are_refused_before_any_is_replayed(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    (tmp_path / "demos.pickle").write_bytes(pickle.dumps([demo(), demo(**changes)], 2))
    with pytest.raises(InputError, match=f"demos.pickle.*{message}"):
        converted(tmp_path / "demos.pickle", tmp_path / "s.zarr", "start=state")
    assert not (tmp_path / "s.zarr").exists()
