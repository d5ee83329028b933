"""What a machine can do to a writer: one line, exit code 2, and the same command goes on later."""

import errno
import multiprocessing
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zarr

from configs.command import MACHINE_ERRORS
from datasets.collection.collector import collect
from datasets.collection.merger import merge
from datasets.store.store import EpisodeStore
from perception.errors import InputError
from tests.conftest import collect_config
from tests.datasets.test_merge import merge_config
from tests.helpers.commands import refuse, succeed
from tests.helpers.killing import assert_equal
from tests.helpers.made_up import PLAIN, attributes, episode, write

TINY = ("env.episode_steps=12", "points=64", "workers=0")


def mount(folder: Path, options: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 KB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or not mount(disk, "size=400k"):
        pytest.skip("mounting a small file system needs root")
    yield disk
    subprocess.run(["umount", str(disk)], check=False)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that is larger than that."""
    path = tmp_path_factory.mktemp("whole") / "whole.zarr"
    collect(collect_config(path, "error_mm=0", episodes=60))
    return path


def test_no_space_on_the_disk(small_disk: Path, whole: Path) -> None:
    out = small_disk / "s.zarr"
    command = ("datasets/collect.py", *TINY, f"out={out}", "episodes=60", "error_mm=0")
    assert "No space left on device" in refuse(*command)
    store = EpisodeStore.open(out)
    assert 0 < store.episodes < 60
    expected = EpisodeStore.open(whole).read("point_cloud")[: store.steps]
    np.testing.assert_array_equal(store.read("point_cloud"), expected)
    assert mount(small_disk, "remount,size=20m")
    succeed(*command)
    assert_equal(out, whole)


def test_merging_onto_a_full_disk(small_disk: Path, whole: Path) -> None:
    out = small_disk / "m.zarr"
    with pytest.raises(OSError, match="No space left on device"):
        merge(merge_config([whole], out))
    assert 0 < EpisodeStore.open(out).episodes < 60
    assert mount(small_disk, "remount,size=20m")
    merge(merge_config([whole], out))
    assert_equal(out, whole)


def write_small_files_only(path: Path) -> None:
    """Write until a chunk's file becomes larger than this process may write; exit with errno."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
    try:
        write(path, *(episode(40, seed) for seed in range(3)))
    except OSError as error:
        os._exit(error.errno or 0)
    os._exit(0)


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    path, whole = tmp_path / "s.zarr", tmp_path / "whole.zarr"
    process = multiprocessing.get_context("fork").Process(
        target=write_small_files_only, args=(path,)
    )
    process.start()
    process.join()
    assert process.exitcode == errno.EFBIG
    assert errno.EFBIG in MACHINE_ERRORS
    done = EpisodeStore.open(path).episodes
    assert 0 < done < 3
    write(path, *(episode(40, seed) for seed in range(done, 3)))
    write(whole, *(episode(40, seed) for seed in range(3)))
    assert_equal(path, whole)


def test_a_place_that_cannot_be_written(small_disk: Path) -> None:
    collect(collect_config(small_disk / "s.zarr"))
    assert mount(small_disk, "remount,ro")
    for name, episodes in (("s", 4), ("t", 1)):
        out = f"out={small_disk / name}.zarr"
        line = refuse("datasets/collect.py", *TINY, f"episodes={episodes}", out)
        assert "Read-only file system" in line
        assert "nothing that was finished is lost" in line
    assert EpisodeStore.open(small_disk / "s.zarr").episodes == 2
    assert mount(small_disk, "remount,rw,size=20m")
    collect(collect_config(small_disk / "s.zarr", episodes=4))
    assert EpisodeStore.open(small_disk / "s.zarr").episodes == 4


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o555)
    out = f"out={tmp_path / 'closed' / 's.zarr'}"
    assert "Permission denied" in refuse("datasets/collect.py", *TINY, "episodes=1", out)


def test_another_writer_and_a_lock_that_was_left(tmp_path: Path) -> None:
    path = tmp_path / "s.zarr"
    command = ("datasets/collect.py", *TINY, "episodes=3", f"out={path}")
    collect(collect_config(path, episodes=2))
    said = EpisodeStore.open(path).attributes
    with EpisodeStore.writing(path, PLAIN, said):
        assert f"Another process is writing {path}" in refuse(*command)
    assert (tmp_path / ".s.zarr.lock").exists()  # As a killed process leaves it, too.
    collect(collect_config(path, episodes=3))
    assert EpisodeStore.open(path).episodes == 3


def test_a_file_in_the_way(tmp_path: Path, tiny_store: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for out in (tmp_path / "file", tmp_path / "file" / "s.zarr"):
        line = refuse("datasets/merge.py", f"data=[{tiny_store}]", f"out={out}")
        assert str(tmp_path / "file") in line
    assert (tmp_path / "file").read_text() == "in the way"
    with pytest.raises(InputError, match="is a file and not a store"):
        EpisodeStore.open(tmp_path / "file")


def test_a_store_of_a_newer_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.zarr"
    write(path, episode(20))
    zarr.open_group(path, mode="r+").attrs["schema_version"] = 99
    for use in (lambda: EpisodeStore.open(path), lambda: write(path, episode(20))):
        with pytest.raises(InputError, match="has schema 99; this program knows"):
            use()


def test_what_a_killed_writer_left_beside_the_store_is_no_obstacle(tmp_path: Path) -> None:
    aside = tmp_path / ".s.zarr.new"
    (aside / "meta").mkdir(parents=True)
    (aside / ".zgroup").write_text("{")
    write(tmp_path / "s.zarr", episode(20))
    rest = tmp_path / "s.zarr/data/state/0.0123.partial"
    rest.write_bytes(b"half")
    shutil.copytree(tmp_path / "s.zarr", tmp_path / "t.zarr")
    with EpisodeStore.writing(tmp_path / "s.zarr", PLAIN, attributes(a=1)) as store:
        assert store.episodes == 1
    assert not rest.exists()
    assert not aside.exists()
