"""Exporters together: a target is whole or absent, and what is missing is named."""

import multiprocessing
import os
import re
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from configs.stopping import StoppedError
from datasets.collection.collector import collect
from datasets.episode import Recording
from datasets.formats import to_dp3, to_lerobot
from datasets.formats.detect import exporters
from datasets.formats.shared.exporter import whole
from datasets.store.store import EpisodeStore
from perception.errors import InputError
from tests.conftest import collect_config
from tests.helpers.foreign_data import as_store, write_dp3
from tests.helpers.made_up import PLAIN, attributes, episode

Write = Callable[[EpisodeStore, Path], None]
WRITERS = {name: exporter.write for name, exporter in exporters().items()}
every_format = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)


def made_store(path: Path, *, bare: bool = False) -> EpisodeStore:
    """Write episodes whose lengths straddle chunks; bare ones hold states and actions only."""
    with EpisodeStore.writing(path, PLAIN, attributes(a=1)) as store:
        for seed, steps in enumerate((60, 130, 1, 99)):
            whole_one = episode(steps, seed)
            recording = whole_one.recording
            alone = Recording(recording.states, recording.actions, None, None, None, None)
            store.append(alone if bare else whole_one)
    return EpisodeStore.open(path)


def pictured_store(folder: Path, *overrides: str) -> EpisodeStore:
    """Collect three real episodes with depth, and put smooth pictures beside it (no OpenGL)."""
    collect(collect_config(folder / "seen.zarr", "images=[depth]", *overrides, episodes=3))
    seen = EpisodeStore.open(folder / "seen.zarr")
    with EpisodeStore.writing(folder / "pictured.zarr", PLAIN, seen.attributes) as store:
        for index in range(seen.episodes):
            one = seen.read_episode(index)
            pictures = {
                name.replace("depth", "img"): smooth_pictures(depth.shape, 40 * index + 20 * camera)
                for camera, (name, depth) in enumerate(one.further.items())
            }
            store.append(replace(one, further={**one.further, **pictures}))
    return EpisodeStore.open(folder / "pictured.zarr")


def smooth_pictures(shape: tuple[int, ...], start: int) -> np.ndarray:
    """Make pictures (time, height, width, 3) that tell by their brightness which they are."""
    time, height, width = np.indices(shape)
    grey = start + 4 * time + height / 2 + width / 2
    return np.stack([grey, grey, grey], -1).astype(np.uint8)


def die_while_writing(write: Write, source: Path, out: Path) -> None:
    """Export, and be killed at the third episode."""
    plain_read = EpisodeStore.read

    def deadly(self: EpisodeStore, name: str, rows: slice = slice(None)) -> np.ndarray:
        writing = (out.parent / ".out.partial").exists()
        if writing and rows.start is not None and rows.start >= 190:
            os.kill(os.getpid(), signal.SIGKILL)
        return plain_read(self, name, rows)

    EpisodeStore.read = deadly  # type: ignore[method-assign]
    write(EpisodeStore.open(source), out)


@every_format
def test_a_killed_export_leaves_nothing_of_that_name_and_can_be_repeated(
    write: Write, tmp_path: Path
) -> None:
    store, out = made_store(tmp_path / "s.zarr"), tmp_path / "exports" / "out"
    process = multiprocessing.get_context("fork").Process(
        target=die_while_writing, args=(write, store.path, out)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not out.exists()
    assert (out.parent / ".out.partial").exists()
    write(store, out)
    assert out.exists()
    assert not (out.parent / ".out.partial").exists()


@every_format
def test_what_exists_is_left_alone(write: Write, tmp_path: Path) -> None:
    store, out = made_store(tmp_path / "s.zarr"), tmp_path / "out"
    out.write_text("mine")
    with pytest.raises(InputError, match="exists and is left alone: remove it, or choose another"):
        write(store, out)
    assert out.read_text() == "mine"


def test_a_failed_export_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with whole(tmp_path / "out") as partial:
            partial.mkdir()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == [".out.lock"]


def test_an_export_that_is_stopped_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    def stop() -> None:
        with whole(tmp_path / "out") as partial:
            partial.mkdir()
            raise KeyboardInterrupt

    with pytest.raises(StoppedError, match="the same command writes it from its beginning"):
        stop()
    assert [path.name for path in tmp_path.iterdir()] == [".out.lock"]


@every_format
def test_an_empty_folder_is_a_place_to_write_to(write: Write, tmp_path: Path) -> None:
    store, out = made_store(tmp_path / "s.zarr"), tmp_path / "out"
    out.mkdir()
    write(store, out)
    assert out.is_file() or any(out.iterdir())


@every_format
def test_a_task_of_ones_own_is_exported_without_its_simulator(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = as_store(write_dp3(tmp_path / "t.zarr"), tmp_path / "s.zarr", "task=mine")

    def forbidden(_: object) -> None:
        pytest.fail("a simulator was asked for")

    for module in ("lerobot.features", "shared.drawn_pictures"):
        monkeypatch.setattr(f"datasets.formats.{module}.make_simulator", forbidden)
    write(store, tmp_path / "out")
    written = [tmp_path / "out", *(tmp_path / "out").rglob("*")]
    texts = [p.read_bytes() for p in written if p.is_file()]
    assert any(re.search(rb'"units": ?"as recorded"', text) for text in texts)


def test_two_exports_to_one_name_are_refused(tmp_path: Path) -> None:
    with whole(tmp_path / "out") as partial:
        partial.write_text("first")
        with (
            pytest.raises(InputError, match="Another process is writing"),
            whole(tmp_path / "out"),
        ):
            pass
    assert (tmp_path / "out").read_text() == "first"


@pytest.mark.parametrize(("target", "package"), [("lerobot", "pyarrow"), ("robomimic", "h5py")])
def test_a_missing_extra_is_named(
    target: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = made_store(tmp_path / "s.zarr")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"{package} is missing; run: pip install -e '.\[convert"):
        WRITERS[target](store, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_dp3_needs_clouds(tmp_path: Path) -> None:
    store = made_store(tmp_path / "s.zarr", bare=True)
    with pytest.raises(InputError, match=r"has none: draw them first \(datasets/render.py\)"):
        to_dp3.write(store, tmp_path / "out")


def test_an_odd_picture_size_is_refused(tmp_path: Path) -> None:
    pictures = {"img": np.zeros((5, 7, 8, 3), np.uint8)}
    with EpisodeStore.writing(tmp_path / "s.zarr", PLAIN, attributes(a=1)) as store:
        store.append(replace(episode(5), further=pictures))
    with pytest.raises(InputError, match="even width and height, not 8 x 7: draw the pictures"):
        to_lerobot.write(EpisodeStore.open(tmp_path / "s.zarr"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
