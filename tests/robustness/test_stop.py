"""Ctrl-C: what is finished is kept, one line says where, and the same command goes on."""

import signal
import time
from pathlib import Path

import pytest

from datasets.collection.collector import collect
from datasets.store.store import EpisodeStore
from tests.conftest import collect_config
from tests.helpers.commands import start, succeed
from tests.helpers.killing import assert_equal, grown

SMALL = ("env.episode_steps=12", "points=64", "episodes=60")


@pytest.mark.parametrize(("workers", "by"), [(1, signal.SIGINT), (0, signal.SIGTERM)])
def test_a_stopped_collection_goes_on(tmp_path: Path, workers: int, by: signal.Signals) -> None:
    out, whole = tmp_path / "out.zarr", tmp_path / "whole.zarr"
    command = ("datasets/collect.py", *SMALL, f"workers={workers}", f"out={out}")
    process = start(*command)
    begun = grown(out, 2)
    while not begun():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(by)
    _, errors = process.communicate(timeout=60)
    done = EpisodeStore.open(out).episodes
    assert 2 < done < 60
    assert process.returncode == 130, errors
    assert f"stopped after {done} of 60 episodes in {out}; the same command goes on" in errors
    assert "Traceback" not in errors
    succeed(*command)
    collect(collect_config(whole, episodes=60))
    assert_equal(out, whole)
