"""DAPG's demonstrations become a store: honest replays."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from datasets.formats.importer import read_drifts
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
