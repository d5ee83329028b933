"""The store: what is written is read, whole episodes only, and everything wrong is said."""

import json
import multiprocessing
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr

from datasets.episode import Episode
from datasets.store.arrays import StoreArrays
from datasets.store.chunk_codecs import StoreFormat
from datasets.store.store import EpisodeStore
from perception.errors import InputError
from tests.helpers.made_up import PLAIN, attributes, episode, write


def assert_same(one: Episode, other: Episode, atol: float = 0.0) -> None:
    np.testing.assert_allclose(one.points, other.points, rtol=0, atol=atol)
    for name in ("states", "actions", "rewards", "successes", "sim_states"):
        np.testing.assert_array_equal(getattr(one.recording, name), getattr(other.recording, name))
    ours, theirs = one.recording.provenance, other.recording.provenance
    assert (ours.seed, ours.noise, ours.random_share) == (
        theirs.seed,
        theirs.noise,
        theirs.random_share,
    )
    np.testing.assert_array_equal(ours.start, theirs.start)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("error_mm", [0.0, 0.09])
@pytest.mark.parametrize("channels", [3, 6])
@pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")
def test_what_is_written_is_read(
    tmp_path: Path, zarr_format: int, error_mm: float, channels: int
) -> None:
    # Lengths that straddle chunks of 100 steps.
    written = [episode(steps, seed, channels) for seed, steps in enumerate((60, 130, 1, 99))]
    write(tmp_path / "s.zarr", *written, format_=StoreFormat(zarr_format, error_mm))
    store = EpisodeStore.open(tmp_path / "s.zarr")
    assert store.episode_ends.tolist() == [60, 190, 191, 290]
    for index, one in enumerate(written):
        assert_same(store.read_episode(index), one, atol=error_mm / 1000 * 1.001)


def test_stored_points_look_like_float32_to_every_reader(tmp_path: Path) -> None:
    write(tmp_path / "s.zarr", episode(150), format_=StoreFormat(2, 0.09))
    # As DP3's and Diffusion Policy's own loaders read: plain Zarr, whole arrays.
    group = zarr.open_group(tmp_path / "s.zarr", mode="r")
    cloud = group["data/point_cloud"]
    assert cloud.dtype == np.float32
    assert cloud.chunks == (100, 64, 3)
    ends = group["meta/episode_ends"][:]
    assert ends.dtype == np.int64
    assert {array.shape[0] for _, array in group["data"].arrays()} == {ends[-1]}
    header = json.loads((tmp_path / "s.zarr/data/point_cloud/.zarray").read_text())
    assert header["zarr_format"] == 2
    assert header["compressor"] is None  # Filters all: the checksum is of what is on the disk.
    assert [f["id"] for f in header["filters"]] == ["fixedscaleoffset", "blosc", "crc32"]


def test_pictures_are_kept_too(tmp_path: Path) -> None:
    pictures = {"img": np.arange(10 * 8 * 8 * 3, dtype=np.uint8).reshape(10, 8, 8, 3)}
    write(tmp_path / "s.zarr", replace(episode(10), further=pictures))
    read = EpisodeStore.open(tmp_path / "s.zarr").read_episode(0)
    np.testing.assert_array_equal(read.further["img"], pictures["img"])


def test_parts_of_different_length_are_no_episode() -> None:
    one = episode(10)
    with pytest.raises(ValueError, match="differ in length"):
        Episode(one.recording, one.points[:9])


def test_a_store_goes_on_where_it_was(tmp_path: Path) -> None:
    episodes = [episode(70, seed) for seed in range(4)]
    write(tmp_path / "a.zarr", *episodes)
    write(tmp_path / "b.zarr", *episodes[:2])
    write(tmp_path / "b.zarr", *episodes[2:])
    one, other = (EpisodeStore.open(tmp_path / f"{name}.zarr") for name in "ab")
    for name in one.names:
        np.testing.assert_array_equal(one.read(name), other.read(name))


STOPS = ["data/point_cloud", "data/sim_state", "meta/seed", "meta/episode_ends"]


def write_and_die(path: Path, stop: str, after_resize: bool) -> None:
    """Append a second episode, and be killed in the middle of one array."""
    plain_write = StoreArrays.write

    def deadly(self: StoreArrays, name: str, values: np.ndarray, start: int, *, chunk: int) -> None:
        if name == stop and start > 0:
            if after_resize:
                array = self[name]
                array.resize((start + len(values), *array.shape[1:]))
            os.kill(os.getpid(), signal.SIGKILL)
        plain_write(self, name, values, start, chunk=chunk)

    StoreArrays.write = deadly  # type: ignore[method-assign]
    write(path, episode(70, 0), episode(70, 1))


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("after_resize", [False, True])
def test_a_killed_writer_leaves_whole_episodes(
    tmp_path: Path,
    stop: str,
    after_resize: bool,
) -> None:
    path = tmp_path / "s.zarr"
    process = multiprocessing.get_context("fork").Process(
        target=write_and_die, args=(path, stop, after_resize)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert EpisodeStore.open(path).episodes == 1
    assert_same(EpisodeStore.open(path).read_episode(0), episode(70, 0))
    write(path, episode(70, 1), episode(70, 2))
    store = EpisodeStore.open(path)
    assert [len(store.read(name)) for name in store.names] == [210] * len(store.names)
    for index in range(3):
        assert_same(store.read_episode(index), episode(70, index))


def test_two_writers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.zarr"
    with (
        EpisodeStore.writing(path, PLAIN, attributes(a=1)),
        pytest.raises(InputError, match="Another process is writing"),
        EpisodeStore.writing(path, PLAIN, attributes(a=1)),
    ):
        pass


def test_another_configuration_is_refused_and_both_are_shown(tmp_path: Path) -> None:
    write(tmp_path / "s.zarr", episode(10))
    with (
        pytest.raises(InputError, match="a: 1 -> 2") as refusal,
        EpisodeStore.writing(tmp_path / "s.zarr", PLAIN, attributes(a=2)),
    ):
        pass
    assert "choose another out=" in str(refusal.value)
    assert EpisodeStore.open(tmp_path / "s.zarr").episodes == 1


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no store"):
        EpisodeStore.open(tmp_path / "missing.zarr")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="not a store"):
        EpisodeStore.open(tmp_path / "folder")
    with (
        pytest.raises(InputError, match="not a store"),
        EpisodeStore.writing(tmp_path / "folder", PLAIN, attributes()),
    ):
        pass


def test_a_store_cut_off_before_its_first_episode_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "s.zarr")
    with pytest.raises(InputError, match="no whole episode"):
        EpisodeStore.open(tmp_path / "s.zarr")


def test_a_shortened_array_is_named(tmp_path: Path) -> None:
    write(tmp_path / "s.zarr", episode(20))
    zarr.open_group(tmp_path / "s.zarr", mode="r+")["data/action"].resize((10, 28))
    with pytest.raises(InputError, match="data/action has 10 of 20 steps"):
        EpisodeStore.open(tmp_path / "s.zarr").read("action")


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "s.zarr", episode(20))
    zarr.open_group(tmp_path / "s.zarr", mode="r+").attrs["schema_version"] = 99
    with pytest.raises(InputError, match="schema 99"):
        EpisodeStore.open(tmp_path / "s.zarr")


def test_points_beyond_the_16_bits_are_refused(tmp_path: Path) -> None:
    far = replace(episode(5), points=np.full((5, 64, 3), 40.0, np.float32))
    with pytest.raises(InputError, match="error_mm=0"):
        write(tmp_path / "s.zarr", far, format_=StoreFormat(2, 0.09))


def test_an_unknown_array_lists_those_there_are(tmp_path: Path) -> None:
    write(tmp_path / "s.zarr", episode(5))
    with pytest.raises(InputError, match="it has action, point_cloud"):
        EpisodeStore.open(tmp_path / "s.zarr").read("image")


def test_a_moved_store_still_opens(tmp_path: Path) -> None:
    write(tmp_path / "s.zarr", episode(5))
    shutil.move(tmp_path / "s.zarr", tmp_path / "t.zarr")
    assert EpisodeStore.open(tmp_path / "t.zarr").episodes == 1


def forget_and_die(path: Path) -> None:
    """Forget episodes, append another one, and be killed before writing ends."""
    with EpisodeStore.writing(path, PLAIN, attributes(a=1)) as store:
        store.keep(2)
        store.append(episode(10, 9))
        os.kill(os.getpid(), signal.SIGKILL)


def test_what_was_forgotten_does_not_come_back(tmp_path: Path) -> None:
    path = tmp_path / "s.zarr"
    write(path, *(episode(70, seed) for seed in range(5)))
    process = multiprocessing.get_context("fork").Process(target=forget_and_die, args=(path,))
    process.start()
    process.join()
    assert EpisodeStore.open(path).episode_ends.tolist() == [70, 140, 150]
    write(path, episode(70, 3))
    for index, one in enumerate(
        (*(episode(70, s) for s in (0, 1)), episode(10, 9), episode(70, 3))
    ):
        assert_same(EpisodeStore.open(path).read_episode(index), one)
