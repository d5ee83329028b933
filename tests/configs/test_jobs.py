"""A sweep as jobs of their own: submitit's launcher, on this machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from datasets.store.store import EpisodeStore
from tests.helpers.commands import ONE_THREAD, ROOT

pytest.importorskip("submitit", reason="an extra: pip install -e '.[slurm]'")
SHORT = ("behaviour=random", "episodes=1", "env.episode_steps=4", "points=32", "workers=0")
LAUNCHER = ("hydra/launcher=submitit_local", "hydra.launcher.timeout_min=3")


def sweep(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(ROOT / "datasets/collect.py"), "-m", *words, *SHORT, *LAUNCHER]
    environment = {**os.environ, **ONE_THREAD}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_each_value_is_a_job_and_what_one_refuses_is_said(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/adroit-pen.zarr").write_text("in the way")
    done = sweep(tmp_path, "env=adroit-door,adroit-pen")
    assert EpisodeStore.open(tmp_path / "data/adroit-door.zarr").episodes == 1
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: a job failed: ")
    assert "data/adroit-pen.zarr" in last
