"""What an episode came to survives robomimic: success, rewards and true ends."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasets.formats import to_robomimic
from datasets.store.store import EpisodeStore
from perception.errors import InputError
from tests.helpers.foreign_data import as_store, write_robomimic
from tests.helpers.made_up import PLAIN, episode

h5py: Any = pytest.importorskip("h5py")

OURS = {
    "identity": {
        "env": {"success_at": "end", "episode_steps": 30}, "behaviour": {"kind": "scripted"},
    },
    "task": "made-up", "cameras": {},
}  # fmt: skip


def written(path: Path, *, terminals: bool) -> EpisodeStore:
    """Three episodes: an early success and late failure, a success that ended it, one to the limit.

    Terminals are recorded, or can be told from the limit of 30 steps.
    """
    with EpisodeStore.writing(path, PLAIN, OURS) as store:
        for seed, (steps, reached) in enumerate([(20, [3]), (25, [24]), (30, [])]):
            one = episode(steps, seed)
            successes, ends = np.zeros((2, steps), bool)
            successes[reached], ends[-1] = True, steps == 25
            one = replace(one, recording=replace(one.recording, successes=successes))
            store.append(replace(one, further={"terminal": ends}) if terminals else one)
    return EpisodeStore.open(path)


@pytest.mark.parametrize("terminals", [True, False])
def test_a_store_comes_back_from_robomimic(tmp_path: Path, terminals: bool) -> None:
    store = written(tmp_path / "s.zarr", terminals=terminals)
    to_robomimic.write(store, tmp_path / "out.hdf5")
    back = as_store(tmp_path / "out.hdf5", tmp_path / "back.zarr", "task=mine", "error_mm=0")
    assert back.episode_ends.tolist() == store.episode_ends.tolist()
    for name in ("success", "reward", "action", "state", "sim_state", "point_cloud"):
        np.testing.assert_array_equal(back.read(name), store.read(name))
    ended = [44] if terminals else [19, 44]  # Shorter than the limit: it ended by itself.
    assert np.flatnonzero(back.read("terminal")).tolist() == ended
    with h5py.File(tmp_path / "out.hdf5") as file:  # Success counts at the end here.
        assert [bool(file[f"data/demo_{i}"].attrs["success"]) for i in range(3)] == [0, 1, 0]
    to_robomimic.write(back, tmp_path / "again.hdf5")
    with h5py.File(tmp_path / "out.hdf5") as one, h5py.File(tmp_path / "again.hdf5") as other:
        for key in ("dones", "success", "rewards", "next_obs/point_cloud"):
            for name in one["data"]:
                np.testing.assert_array_equal(
                    one[f"data/{name}/{key}"], other[f"data/{name}/{key}"]
                )


def test_dones_of_others_stay_what_they_are(tmp_path: Path) -> None:
    source = write_robomimic(tmp_path / "theirs.hdf5")
    store = as_store(source, tmp_path / "s.zarr")
    to_robomimic.write(store, tmp_path / "out.hdf5")
    with h5py.File(source) as one, h5py.File(tmp_path / "out.hdf5") as other:
        np.testing.assert_array_equal(one["data/demo_10/dones"], other["data/demo_1/dones"])
        assert "dones" not in other["data"].attrs
        assert "success" not in other["data/demo_1"]
        assert "success" not in other["data/demo_1"].attrs


def test_success_by_attribute_is_that_of_the_last_step(tmp_path: Path) -> None:
    """As Isaac Lab writes it."""
    source = write_robomimic(tmp_path / "theirs.hdf5")
    with h5py.File(source, "r+") as file:
        file["data/demo_2"].attrs["success"] = True
        file["data/demo_10"].attrs["success"] = False
    store = as_store(source, tmp_path / "s.zarr")
    assert np.flatnonzero(store.read("success")).tolist() == [4]


@pytest.mark.parametrize(
    ("value", "message"),
    [(None, "demo_2 has an attribute success, demo_10 has none"), ("False", "0 or 1 is expected")],
)
def test_an_attribute_that_says_nothing_is_refused(
    tmp_path: Path, value: object, message: str
) -> None:
    source = write_robomimic(tmp_path / "theirs.hdf5")
    with h5py.File(source, "r+") as file:
        file["data/demo_2"].attrs["success"] = True
        if value is not None:
            file["data/demo_10"].attrs["success"] = value
    with pytest.raises(InputError, match=message):
        as_store(source, tmp_path / "s.zarr")
    assert not (tmp_path / "s.zarr").exists()
