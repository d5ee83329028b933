"""robomimic's clouds become a store: its keys, and what it cannot give."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasets.windows import load_windows
from perception.errors import InputError
from tests.helpers.foreign_data import STEPS, as_store, clouds, write_robomimic

h5py: Any = pytest.importorskip("h5py")


def test_robomimics_data_becomes_a_store(tmp_path: Path) -> None:
    source = write_robomimic(tmp_path / "theirs.hdf5")
    store = as_store(source, tmp_path / "ours.zarr", "error_mm=0")
    assert store.episode_ends.tolist() == [5, STEPS]  # By number: demo_2 before demo_10.
    np.testing.assert_array_equal(store.read("point_cloud")[:3, :, :3], clouds()[:3, :, :3])
    with h5py.File(source) as file:
        demo = file["data/demo_2"]
        np.testing.assert_array_equal(store.read("sim_state")[:5], demo["states"])
        np.testing.assert_array_equal(
            store.read("state")[:5, :3], demo["obs/robot0_eef_pos"][:].astype(np.float32)
        )
    assert store.read("state").shape == (STEPS, 9)
    assert "success" not in store.names  # `dones` may mean no more than an end.
    assert np.flatnonzero(store.read("done")).tolist() == [4, 11]
    assert "not recorded" in store.attributes["conversion"]["successes"]
    assert store.read("reward")[:5].tolist() == [0, 1, 2, 3, 4]
    assert store.attributes["conversion"]["env_args"]["env_name"] == "Lift"
    assert len(load_windows([store.path], history=2, horizon=4, chunk=3)) > 0


def test_robomimics_keys_can_be_named(tmp_path: Path) -> None:
    angles = np.arange(STEPS * 7, dtype=float).reshape(STEPS, 7)
    source = write_robomimic(tmp_path / "theirs.hdf5", cloud="cloud", angles=angles)
    named = ("point_key=cloud", "state_keys=[angles,robot0_eef_pos]")
    store = as_store(source, tmp_path / "ours.zarr", *named)
    np.testing.assert_array_equal(store.read("state")[:, :7], angles)
    assert store.read("state").shape == (STEPS, 10)


def test_robomimics_images_are_refused_and_what_is_missing_is_said(tmp_path: Path) -> None:
    pictures = np.zeros((STEPS, 8, 8, 3), np.uint8)
    source = write_robomimic(tmp_path / "theirs.hdf5", cloud="cloud", agentview_image=pictures)
    with pytest.raises(InputError, match="depth images and the cameras' intrinsics are missing"):
        as_store(source, tmp_path / "ours.zarr")


def spoil_robomimic(path: Path, key: str, values: np.ndarray | None) -> None:
    with h5py.File(path, "r+") as file:
        del file[key]
        if values is not None:
            file[key] = values


@pytest.mark.parametrize(
    ("key", "values", "message"),
    [
        ("data/demo_2/actions", None, "lacks actions; it has dones"),
        ("data/demo_2/rewards", np.zeros(3), "5 actions, but 3 of rewards"),
        ("data/demo_2/obs/robot0_eef_pos", None, "name the robot's state by state_keys="),
    ],
)
def test_spoilt_robomimic_files_are_refused(
    tmp_path: Path, key: str, values: np.ndarray | None, message: str
) -> None:
    source = write_robomimic(tmp_path / "theirs.hdf5")
    spoil_robomimic(source, key, values)
    with pytest.raises(InputError, match=message):
        as_store(source, tmp_path / "ours.zarr")
