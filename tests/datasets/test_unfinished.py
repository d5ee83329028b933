"""Stores whose writer was killed: read by others, cleared of what is ours and of nothing else."""

import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr

from datasets.store.arrays import StoreArrays
from datasets.store.store import EpisodeStore
from perception.errors import InputError
from tests.formats.test_convert_out_dp3 import read_by_zarr2, zarr2_python
from tests.helpers.killing import assert_equal
from tests.helpers.made_up import PLAIN, attributes, episode, write

__all__ = ["zarr2_python"]  # A fixture.

STEPS = (70, 130, 12)


def killed(target: Callable[[Path, int], None], path: Path, moment: int) -> None:
    """Run a writer that is killed at a moment of its own."""
    process = multiprocessing.get_context("fork").Process(target=target, args=(path, moment))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def write_until(path: Path, writes: int) -> None:
    """Write episodes, and be killed when so many arrays were written to."""
    plain, count = StoreArrays.write, 0

    def deadly(self: StoreArrays, name: str, values: np.ndarray, start: int, *, chunk: int) -> None:
        nonlocal count
        if (count := count + 1) > writes:
            os.kill(os.getpid(), signal.SIGKILL)
        plain(self, name, values, start, chunk=chunk)

    StoreArrays.write = deadly  # type: ignore[method-assign]
    write(path, *(episode(STEPS[seed % 3], seed) for seed in range(99)))


def test_other_readers_see_whole_episodes_only(zarr2_python: Path, tmp_path: Path) -> None:
    """As DP3's ReplayBuffer demands: all arrays are as long as the last end says."""
    store = None
    for writes in (14, 20, 27, 55, 70):
        path = tmp_path / f"{writes}.zarr"
        killed(write_until, path, writes)
        group = zarr.open_group(path, mode="r")
        ends = group["meta/episode_ends"][:]
        assert (np.diff(ends, prepend=0) > 0).all()
        assert {array.shape[0] for _, array in group["data"].arrays()} == {ends[-1]}
        assert {array.shape[0] for _, array in group["meta"].arrays()} == {len(ends)}
        store = EpisodeStore.open(path)
        np.testing.assert_array_equal(ends, store.episode_ends)
    assert store is not None
    values = {f"data/{name}": store.read(name) for name in ("point_cloud", "state", "action")}
    read_by_zarr2(zarr2_python, store.path, {**values, "meta/episode_ends": store.episode_ends})


def write_and_die(path: Path, renames: int) -> None:
    """Append a second episode, and be killed after so many files of it took their place."""
    write(path, episode(70, 0))
    plain, count = Path.replace, 0

    def deadly(self: Path, target: Path) -> Path:
        nonlocal count
        if self.name == f".{target.name}.partial":
            if count == renames:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1
        return plain(self, target)

    Path.replace = deadly  # type: ignore[method-assign,assignment]
    write(path, episode(70, 1))


@pytest.mark.parametrize("renames", [0, 1, 4, 11, 12])
def test_a_writer_killed_between_files(tmp_path: Path, renames: int) -> None:
    path, whole = tmp_path / "s.zarr", tmp_path / "whole.zarr"
    killed(write_and_die, path, renames)
    done = EpisodeStore.open(path).episodes
    assert done in (1, 2)
    write(path, *(episode(70, seed) for seed in range(done, 3)))
    write(whole, *(episode(70, seed) for seed in range(3)))
    assert_equal(path, whole)
    assert not list(path.rglob("*.partial"))
    assert not (path / "left_behind").exists()


def everything_beneath(path: Path) -> dict[str, bytes]:
    files = (file for file in path.rglob("*") if file.is_file())
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


def test_what_no_unfinished_episode_explains_is_put_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Ends of an older copy: the episodes beyond them are not this writer's to delete."""
    path, older = tmp_path / "s.zarr", tmp_path / "older.zarr"
    write(path, *(episode(130, seed) for seed in range(2)))
    shutil.copytree(path, older)
    write(path, *(episode(130, seed) for seed in range(2, 5)))
    chunks = {k: v for k, v in everything_beneath(path).items() if k.startswith("data/action/2")}
    shutil.rmtree(path / "meta/episode_ends")
    shutil.copytree(older / "meta/episode_ends", path / "meta/episode_ends")
    assert EpisodeStore.open(path).episodes == 2
    before = everything_beneath(path)
    write(path, episode(40, 9))
    left = everything_beneath(path / "left_behind" / "0")
    for name in ("data/action/3.0", "data/action/6.0", "data/success/4", *chunks):
        assert left[name] == before[name], name
    assert "which no unfinished episode explains, were put into" in caplog.text
    assert EpisodeStore.open(path).episodes == 3


def test_a_store_of_before_with_spare_rows_goes_on(tmp_path: Path) -> None:
    """Schema 3: a killed writer left lengths in thousands, and zeros among the ends."""
    path, whole = tmp_path / "s.zarr", tmp_path / "whole.zarr"
    write(path, *(episode(70, seed) for seed in range(2)))
    for file in path.rglob(".zattrs"):
        file.write_text("{}" if file.parent != path else file.read_text())
    said = json.loads((path / ".zattrs").read_text())
    (path / ".zattrs").write_text(json.dumps({**said, "schema_version": 3}))
    for file in path.rglob(".zarray"):
        described = json.loads(file.read_text())
        described["shape"][0] = 10_000
        file.write_text(json.dumps(described))
    assert EpisodeStore.open(path).episodes == 2
    write(path, episode(70, 2))
    write(whole, *(episode(70, seed) for seed in range(3)))
    assert_equal(path, whole)


def test_a_folder_that_is_a_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "link.zarr").symlink_to("real.zarr")
    write(tmp_path / "link.zarr", episode(20, 0))
    assert (tmp_path / "link.zarr").is_symlink()
    assert EpisodeStore.open(tmp_path / "real.zarr").episodes == 1
    victim = tmp_path / "victim"
    (victim / "precious").mkdir(parents=True)
    (tmp_path / ".other.zarr.new").symlink_to(victim)
    write(tmp_path / "other.zarr", episode(20, 0))
    assert (victim / "precious").exists()
    with (
        EpisodeStore.writing(tmp_path / "real.zarr", PLAIN, attributes(a=1)),
        pytest.raises(InputError, match="Another process is writing"),
    ):
        write(tmp_path / "link.zarr", episode(20, 1))
