"""Running the project's own scripts as a user would."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def start(script: str, *arguments: str, cwd: Path = ROOT) -> "subprocess.Popen[str]":
    """Start a script."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / script), *arguments],
        cwd=cwd,
        env={**os.environ, **ONE_THREAD},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(script: str, *arguments: str, cwd: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    """Run a script to its end."""
    process = start(script, *arguments, cwd=cwd)
    output, errors = process.communicate(timeout=300)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def succeed(script: str, *arguments: str, cwd: Path = ROOT) -> str:
    """Run a script that must succeed; give what it said."""
    done = run(script, *arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def refuse(script: str, *arguments: str, cwd: Path = ROOT) -> str:
    """Run a script that must refuse its input: exit code 2 and one line; give that line."""
    done = run(script, *arguments, cwd=cwd)
    assert done.returncode == 2, (done.returncode, done.stderr)
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    return lines[0]
