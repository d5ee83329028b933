"""Minari's Adroit datasets become a store, with states or without."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasets.formats.incoming.importer import read_drifts
from perception.errors import InputError
from tests.formats.in_hdf5.test_uneven_demonstrations import write_minari_by_hand
from tests.helpers.foreign_data import JOINTS, converted, write_minari

h5py: Any = pytest.importorskip("h5py")


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
    rewards = np.array(buffers[1]["rewards"]) * store.env.reward_scale
    np.testing.assert_allclose(store.read("reward")[12:], rewards, rtol=1e-6)
    assert not store.read("terminal").any()  # Truncated, not terminated.


@pytest.mark.parametrize("storage", ["arrow", "parquet"])
def test_arrow_and_parquet_are_read_as_hdf5_is(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = []
    for kind in ("hdf5", storage):
        write_minari(monkeypatch, tmp_path / kind, steps=3, with_states=True, storage=kind)
        stores.append(converted(tmp_path / kind / "tiny/door-v0", tmp_path / f"{kind}.zarr"))
    one, other = stores
    assert other.episode_ends.tolist() == one.episode_ends.tolist()
    for name in one.names:
        np.testing.assert_array_equal(other.read(name), one.read(name), name)
    (file,) = (tmp_path / storage / "tiny/door-v0/data/1").glob("part-0.*")
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(InputError, match=r"data/1 is damaged"):
        converted(tmp_path / storage / "tiny/door-v0", tmp_path / "s.zarr")


def test_a_dataset_that_minari_has_not_got_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    with pytest.raises(InputError, match="minari download D4RL/door/human-v2"):
        converted("minari:D4RL/door/human-v2", tmp_path / "s.zarr")


def test_success_and_terminals_are_what_minari_recorded(tmp_path: Path) -> None:
    source = write_minari_by_hand(tmp_path / "theirs")
    with h5py.File(source / "data/main_data.hdf5", "r+") as file:
        for name, steps in (("episode_0", 4), ("episode_1", 6)):
            file[f"{name}/infos/success"] = np.arange(steps + 1) == 3  # The first is the reset's.
            file[f"{name}/rewards"][:] = 2
        file["episode_1/terminations"][5] = 1
    store = converted(source, tmp_path / "s.zarr", "env.success=farama", "points=16")
    assert np.flatnonzero(store.read("success")).tolist() == [2, 6]
    assert np.flatnonzero(store.read("terminal")).tolist() == [9]
    np.testing.assert_allclose(store.read("reward"), 2 * store.env.reward_scale)
    with h5py.File(source / "data/main_data.hdf5", "r+") as file:
        del file["episode_0/infos/success"], file["episode_1/infos/success"]
    with pytest.raises(InputError, match=r"choose env\.success=dp3"):
        converted(source, tmp_path / "t.zarr", "env.success=farama")
