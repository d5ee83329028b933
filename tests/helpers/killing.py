"""Killing the project's own commands, and what must hold of the store they were writing."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from datasets.store.group import open_group
from datasets.store.store import EpisodeStore
from perception.errors import InputError
from tests.helpers.commands import start


def everything(store: EpisodeStore) -> dict[str, np.ndarray]:
    """Read all arrays of a store, by name."""
    meta = sorted(path.name for path in (store.path / "meta").iterdir() if path.is_dir())
    names = [*store.names, *(f"meta/{name}" for name in meta)]
    return {name: store.read(name) for name in names}


def assert_equal(one: Path, other: Path) -> None:
    """Compare two stores array by array, to the last bit."""
    first, second = (everything(EpisodeStore.open(path)) for path in (one, other))
    assert first.keys() == second.keys()
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name])


def whole_episodes(path: Path, whole: EpisodeStore) -> int | None:
    """Count a stopped writer's episodes, each of which must be right; None if there is no store."""
    if not path.exists():
        return None
    if not EpisodeStore(path, open_group(path, "r")).episodes:
        with pytest.raises(InputError, match="holds no whole episode"):
            EpisodeStore.open(path)
        return 0
    store = EpisodeStore.open(path)
    rows = {"data": int(store.episode_ends[-1]), "meta": store.episodes}
    np.testing.assert_array_equal(store.episode_ends, whole.episode_ends[: store.episodes])
    for name, values in everything(store).items():
        length = rows["meta" if name.startswith("meta/") else "data"]
        np.testing.assert_array_equal(values, whole.read(name)[:length])
    return store.episodes


def stop(
    command: tuple[str, ...],
    seconds: float,
    *,
    begun: Callable[[], bool] = lambda: True,
    by: signal.Signals = signal.SIGKILL,
) -> bool:
    """Start a command and stop it; tell whether it was still running.

    Args:
        command: A script of the project and its arguments.
        seconds: When to stop it, after `begun`.
        begun: Asked again and again from the start on.
        by: The signal.
    """
    process = start(*command)
    while process.poll() is None and not begun():
        time.sleep(0.01)
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
    running = process.poll() is None
    process.send_signal(by)
    process.communicate()
    return running


def grown(out: Path, before: int) -> Callable[[], bool]:
    """Ask whether a store holds more than so many whole episodes; opened where its ends changed."""
    ends, seen = out / "meta" / "episode_ends" / "0", (0, 0)

    def holds_more() -> bool:
        nonlocal seen
        if not ends.exists():
            return False
        now = (ends.stat().st_ino, ends.stat().st_mtime_ns)
        if now == seen:
            return False
        seen = now
        return EpisodeStore(out, open_group(out, "r")).episodes > before

    return holds_more
