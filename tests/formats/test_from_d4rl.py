"""D4RL's data becomes a store: exact states."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasets.store.store import EpisodeStore
from perception.errors import InputError
from tests.helpers.foreign_data import converted, write_d4rl

h5py: Any = pytest.importorskip("h5py")


def test_recorded_states_give_the_clouds_of_collecting_bit_for_bit(
    tiny_store: Path, tmp_path: Path
) -> None:
    collected = EpisodeStore.open(tiny_store)
    write_d4rl(tmp_path / "door.hdf5", collected)
    store = converted(tmp_path / "door.hdf5", tmp_path / "s.zarr", "workers=1")
    kept = np.ones(collected.steps, bool)
    kept[collected.episode_ends - 1] = False  # An episode's last action leads nowhere.
    assert store.episode_ends.tolist() == [11, 22, 33, 44]
    for name in ("point_cloud", "state", "action", "success"):
        np.testing.assert_array_equal(store.read(name), collected.read(name)[kept])
    np.testing.assert_allclose(store.read("reward"), collected.read("reward")[kept], rtol=1e-6)
    assert "reward_scale (0.05)" in store.attributes["conversion"]["rewards"]
    assert not store.read("terminal").any()
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
