"""Commands run to a time limit in warm processes, and whether they ended as was promised."""

import os
import resource
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.commands import ONE_THREAD, ROOT
from tests.helpers.warm.processes import WarmProcess, start_warm

MEMORY = 16 << 30  # Of addresses; Torch and its friends take some gigabytes before they do a thing.
LIMIT_S = 90.0


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    Attributes:
        command: Script and arguments.
        code: Its exit code (negative: the signal that ended it); None if it ran beyond its limit.
        output: What it wrote to standard output.
        errors: What it wrote to standard error.
    """

    command: tuple[str, ...]
    code: int | None
    output: str
    errors: str

    @property
    def refused(self) -> bool:
        """Whether it ended as a mistake of its user's should."""
        return self.code == 2

    @property
    def message(self) -> str:
        """The line that a refusal says, or the last line of anything else."""
        lines = [line for line in self.errors.splitlines() if line.strip()]
        refusals = [line for line in lines if line.startswith("error: ")]
        return (refusals or lines or [""])[-1]


def fault_of(outcome: Outcome) -> str:
    """Say how a command broke the promise; empty if it kept it."""
    if outcome.code is None:
        return "hangs"
    if "Traceback (most recent call last)" in outcome.errors:
        return f"traceback: {outcome.errors.splitlines()[-1][:200]}"
    if outcome.code not in (0, 2):
        return f"exit code {outcome.code}: {outcome.message[:200]}"
    return _fault_of_words(outcome)


def _fault_of_words(outcome: Outcome) -> str:
    """Say what is wrong with what a command said, for its exit code."""
    lines = outcome.errors.splitlines()
    refusals = [line for line in lines if line.startswith("error: ")]
    if len(refusals) != outcome.refused:
        return f"{len(refusals)} error lines at exit code {outcome.code}"
    if refusals and lines[-1] != refusals[0]:
        return f"words behind the error line: {lines[-1][:200]}"
    return ""


def begin(command: tuple[str, ...], cwd: Path, variables: Mapping[str, str] = {}) -> WarmProcess:
    """Start a command in a warm process, with no more memory than it may need."""
    script, *arguments = command
    environment = {**os.environ, **ONE_THREAD, **variables}
    process = start_warm([str(ROOT / script), *arguments], cwd, environment)
    with suppress(ProcessLookupError):
        resource.prlimit(process.pid, resource.RLIMIT_AS, (MEMORY, MEMORY))
    return process


def finish(process: WarmProcess, command: tuple[str, ...], limit_s: float = LIMIT_S) -> Outcome:
    """Wait for a command's end; one that is still at work after its limit is ended."""
    family: list[int] = []
    try:
        process.wait(limit_s)
    except subprocess.TimeoutExpired:
        family = descendants(process.pid)
        for pid in (process.pid, *family):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        output, errors = process.communicate()
        return Outcome(command, None, output, errors)
    output, errors = process.communicate()
    return Outcome(command, process.wait(), output, errors)


def run(
    command: tuple[str, ...],
    cwd: Path,
    variables: Mapping[str, str] = {},
    limit_s: float = LIMIT_S,
) -> Outcome:
    """Run a command to its end or its limit."""
    return finish(begin(command, cwd, variables), command, limit_s)


def descendants(pid: int) -> list[int]:
    """Give the processes below one, as Linux tells."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        children = [int(number) for number in listed.read_text().split()]
    except OSError:
        return []
    return [one for child in children for one in (child, *descendants(child))]
