"""robomimic's HDF5, read as its SequenceDataset and its environment metadata are read."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasets.formats import to_robomimic
from datasets.store.store import EpisodeStore
from tests.formats.test_convert_out import made_store, pictured_store

h5py = pytest.importorskip("h5py")  # The extra `convert`.


def opened(path: Path) -> Any:  # noqa: ANN401
    """Open as SequenceDataset does."""
    return h5py.File(path, "r", swmr=True, libver="latest")


def test_a_sequence_dataset_finds_what_it_reads(tmp_path: Path) -> None:
    store = pictured_store(tmp_path, "cameras=[top,vil_camera]")
    to_robomimic.write(store, tmp_path / "out.hdf5")
    observed = {
        "state": "state",
        "point_cloud": "point_cloud",
        "top_image": "img_top",
        "vil_camera_image": "img_vil_camera",
    }
    kept = {"actions": "action", "rewards": "reward", "states": "sim_state"}
    with opened(tmp_path / "out.hdf5") as file:
        demos = sorted(file["data"], key=lambda name: int(name[5:]))
        assert demos == ["demo_0", "demo_1", "demo_2"]
        assert file["data"].attrs["total"] == store.steps
        for index, name in enumerate(demos):
            demo, rows = file[f"data/{name}"], store.rows(index)
            steps = demo.attrs["num_samples"]
            assert steps == rows.stop - rows.start
            for key, ours in {**{f"obs/{k}": n for k, n in observed.items()}, **kept}.items():
                np.testing.assert_array_equal(demo[key][()], store.read(ours, rows))
            assert demo["obs/top_image"].dtype == np.uint8
            depth = store.read("depth_top", rows)[..., None]
            np.testing.assert_array_equal(demo["obs/top_depth"][()], depth)
            assert not demo["dones"][()].any()  # The time was up: the door has no end of its own.
            for key in observed:
                later, now = demo[f"next_obs/{key}"][()], demo[f"obs/{key}"][()]
                np.testing.assert_array_equal(later[:-1], now[1:])
                np.testing.assert_array_equal(later[-1], now[-1])
            np.testing.assert_array_equal(demo["success"][()], store.read("success", rows))
        assert file["data"].attrs["dones"] == "terminals"


def test_the_task_is_described(tmp_path: Path, tiny_store: Path) -> None:
    to_robomimic.write(EpisodeStore.open(tiny_store), tmp_path / "out.hdf5")
    with opened(tmp_path / "out.hdf5") as file:
        told = json.loads(file["data"].attrs["env_args"])
        attributes = json.loads(file["store"][()])
    assert (told["env_name"], told["type"]) == ("adroit-door", 2)
    assert told["env_kwargs"]["config"]["episode_steps"] == 12
    assert attributes == EpisodeStore.open(tiny_store).attributes


@pytest.mark.parametrize(("episodes", "valid"), [(1, 0), (2, 1), (4, 1), (20, 2), (95, 10)])
def test_masks_divide_the_demonstrations(episodes: int, valid: int) -> None:
    parts = to_robomimic.split(episodes)
    assert len(parts["valid"]) == valid
    assert sorted([*parts["train"], *parts["valid"]]) == sorted(
        f"demo_{index}" for index in range(episodes)
    )
    assert parts == to_robomimic.split(episodes)


def test_masks_are_written_as_bytes(tmp_path: Path) -> None:
    to_robomimic.write(made_store(tmp_path / "s.zarr"), tmp_path / "out.hdf5")
    with opened(tmp_path / "out.hdf5") as file:
        read = {
            n: [e.decode("utf-8") for e in np.array(file[f"mask/{n}"][:])] for n in file["mask"]
        }
        assert read == to_robomimic.split(4)
        assert set(read["train"] + read["valid"]) == set(file["data"])


def test_what_was_never_recorded_is_left_out(tmp_path: Path) -> None:
    to_robomimic.write(made_store(tmp_path / "s.zarr", bare=True), tmp_path / "out.hdf5")
    with opened(tmp_path / "out.hdf5") as file:
        demo = file["data/demo_1"]
        assert sorted(demo) == ["actions", "dones", "next_obs", "obs", "states"]
        assert list(demo["obs"]) == ["state"]
        assert demo["states"].shape == (130, 0)
        assert not demo["dones"][()].any()
        assert file["data"].attrs["dones"] == "unknown"
