"""Running the project's own scripts as a user would, in a warm process or in one of their own."""

import os
import subprocess
import sys
from pathlib import Path

from tests.helpers.warm.processes import WarmProcess, start_warm

ROOT = Path(__file__).resolve().parents[2]
# The limit holds also for those who ask for more, as a default of the commands does.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OMP_THREAD_LIMIT": "1", "OPENBLAS_NUM_THREADS": "1"}
TIMEOUT_S = 300


def start(
    script: str, *arguments: str, cwd: Path = ROOT, cold: bool = False
) -> "WarmProcess | subprocess.Popen[str]":
    """Start a script; a cold one in an interpreter that has imported nothing yet."""
    command = [str(ROOT / script), *arguments]
    environment = {**os.environ, **ONE_THREAD}
    if not cold:
        return start_warm(command, cwd, environment)
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(
    script: str, *arguments: str, cwd: Path = ROOT, cold: bool = False
) -> "subprocess.CompletedProcess[str]":
    """Run a script to its end."""
    process = start(script, *arguments, cwd=cwd, cold=cold)
    output, errors = process.communicate(timeout=TIMEOUT_S)
    return subprocess.CompletedProcess(process.args, process.wait(), output, errors)


def succeed(script: str, *arguments: str, cwd: Path = ROOT, cold: bool = False) -> str:
    """Run a script that must succeed; give what it said."""
    done = run(script, *arguments, cwd=cwd, cold=cold)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def refuse(script: str, *arguments: str, cwd: Path = ROOT, cold: bool = False) -> str:
    """Run a script that must refuse its input: exit code 2 and one line; give that line."""
    done = run(script, *arguments, cwd=cwd, cold=cold)
    assert done.returncode == 2, (done.returncode, done.stderr)
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    return lines[0]
