"""HDF5 that is damaged, half written or compressed by what is not here; and a disk that is full."""

import errno
import multiprocessing
import os
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasets.formats import to_robomimic
from datasets.formats.shared.hdf5 import reading, rows
from datasets.formats.shared.hdf5_writing import writing
from datasets.store.store import EpisodeStore
from perception.errors import InputError
from tests.helpers.made_up import episode, write

h5py: Any = pytest.importorskip("h5py")


def test_what_was_never_written_is_not_zeros(tmp_path: Path) -> None:
    path = tmp_path / "a.hdf5"
    with h5py.File(path, "w") as file:
        file.create_dataset("none", (5, 3), "f4")
        file.create_dataset("some", (10, 3), "f4", chunks=(2, 3), compression="gzip")[:4] = 1
        file.create_dataset("all", (10, 3), "f4", chunks=(4, 3))[:] = 1
    with reading(path) as file:
        assert rows(file, "all").sum() == 30
        with pytest.raises(InputError, match=r"none was written in part only \(0 of 1"):
            rows(file, "none")
        with pytest.raises(InputError, match=r"some was written in part only \(2 of 5"):
            rows(file, "some")


def test_a_compression_that_is_not_here_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.hdf5"
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=np.ones((10, 3)), compression="gzip")
    data = path.read_bytes()
    at = data.index(b"deflate\0") - 8  # Its number, length of its name, flags, count of values.
    path.write_bytes(data[:at] + (32015).to_bytes(2, "little") + data[at + 2 :])
    with reading(path) as file, pytest.raises(InputError, match="write it again with gzip"):
        rows(file, "a")


def test_damage_is_named_wherever_it_sits(tmp_path: Path) -> None:
    """Every tenth byte of a small file is turned round, and all is read: right, or one line."""
    path, odd = tmp_path / "a.hdf5", tmp_path / "b.hdf5"
    with h5py.File(path, "w") as file:
        file.create_dataset("demo/a", data=np.ones((30, 3)), compression="gzip", fletcher32=True)
    data, refused = path.read_bytes(), []
    for at in range(0, len(data), 10):
        odd.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        try:
            with reading(odd) as file:
                rows(file, "demo/a")
        except InputError as error:
            refused.append(str(error))
    assert len(refused) > 20
    assert all("b.hdf5" in text for text in refused)


def export_to_a_small_disk(store: Path, out: Path, said: Path) -> None:
    """Export with files limited to 100 KB; exit with the errno, having said all to a file."""
    os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT), 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    try:
        to_robomimic.write(EpisodeStore.open(store), out)
    except OSError as error:
        os._exit(error.errno or 0 if error.filename == str(out) else 0)
    os._exit(0)


@pytest.mark.parametrize("episodes", [20, 1])  # Full within, and at the end.
def test_a_disk_that_is_full_is_one_error(tmp_path: Path, episodes: int) -> None:
    store, out, said = tmp_path / "s.zarr", tmp_path / "out.hdf5", tmp_path / "said"
    write(store, *(episode(60, seed) for seed in range(episodes)))
    process = multiprocessing.get_context("fork").Process(
        target=export_to_a_small_disk, args=(store, out, said)
    )
    process.start()
    process.join()
    assert process.exitcode == errno.EFBIG
    assert "Traceback" not in said.read_text()
    assert "Exception" not in said.read_text()
    assert not list(tmp_path.glob("*out.hdf5*.partial"))
    assert not out.exists()


def test_a_device_that_is_full_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left on device: 'a name'"):
        fill(tmp_path / "full.hdf5")


def fill(path: Path) -> None:
    with writing(path, Path("a name")) as (file, check):
        full = os.open("/dev/full", os.O_RDWR)
        os.dup2(full, sinking(path))
        file.create_dataset("a", data=np.random.default_rng(0).normal(size=(1000, 100)))
        file.flush()
        check()


def sinking(path: Path) -> int:
    """Give the descriptor that a path is open under."""
    folder = Path("/proc/self/fd")
    return next(int(one.name) for one in folder.iterdir() if one.resolve() == path.resolve())
