"""Environment workers end with the process that steps them, and leave Ctrl-C to it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

PLAYING = """
import sys
import numpy as np
sys.path.insert(0, {root!r})

if __name__ == "__main__":
    from configs.command import compose_part
    from envs.config import EnvConfig
    from envs.vector.vector_env import Shapes, VectorEnv
    config = compose_part(EnvConfig, "env", "adroit-door", ["env.view.points=32"])
    envs = VectorEnv(config, Shapes(envs=2, history=1, chunk=2), workers=2)
    try:
        print(*(worker._process.pid for worker in envs._workers), flush=True)

        while True:
            envs.reset([1, 2])
            print("begun", flush=True)
            for _ in range(10):
                envs.step(np.zeros((2, 2, 28), np.float32))
    except KeyboardInterrupt:
        envs.close()
        print("stopped", flush=True)
"""


@pytest.fixture
def play(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    script = tmp_path / "play.py"
    script.write_text(PLAYING.format(root=str(ROOT)))
    process = subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    yield process
    process.kill()
    process.communicate()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and waits to be read has not."""
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
            != "Z"
        )
    except FileNotFoundError:
        return False


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


@needs_proc
def test_workers_end_when_the_main_process_is_killed(play: subprocess.Popen[str]) -> None:
    workers = [int(pid) for pid in line(play).split()]
    assert line(play) == "begun"
    assert all(map(is_alive, workers))
    play.kill()
    deadline = time.monotonic() + 5  # A machine at rest needs some hundredths of a second.
    while any(map(is_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(is_alive, workers))
    assert play.communicate()[1] == ""


def test_ctrl_c_in_a_terminal_is_the_main_processs_alone(play: subprocess.Popen[str]) -> None:
    line(play)  # The workers have begun to start: they import for seconds.
    os.killpg(play.pid, signal.SIGINT)
    out, error = play.communicate(timeout=120)
    assert out.splitlines()[-1] == "stopped"
    assert error == ""
