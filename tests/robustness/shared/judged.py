"""Commands run to a time limit in warm processes, and whether they ended as was promised."""

import os
import resource
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.commands import ONE_THREAD, ROOT
from tests.helpers.warm.processes import WarmProcess, start_warm

MEMORY = 16 << 30  # Of addresses; Torch and its friends take some gigabytes before they do a thing.
# As it was: libraries add to it, and every other environment needs a warm process of its own.
ENVIRONMENT = {**os.environ, **ONE_THREAD}
WORK_S = 120.0  # Of a processor: no command here has work for half as long.
IDLE_S = 60.0  # Without any work.


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
        lines = outcome.errors.splitlines()
        places = [line.strip() for line in lines if line.startswith('  File "')]
        return f"traceback: {lines[-1][:200]}; {places[-1] if places else ''}"
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
    environment = {**ENVIRONMENT, **variables}
    process = start_warm([str(ROOT / script), *arguments], cwd, environment)
    with suppress(ProcessLookupError):
        resource.prlimit(process.pid, resource.RLIMIT_AS, (MEMORY, MEMORY))
    return process


def finish(process: WarmProcess, command: tuple[str, ...]) -> Outcome:
    """Wait for a command's end; one that works too long, or waits too long for nothing, is ended.

    (Seconds of a processor and not of the clock, since other work may share the machine.)
    """
    with ThreadPoolExecutor(2) as pool, process.stdout, process.stderr:
        texts = [pool.submit(stream.read) for stream in (process.stdout, process.stderr)]
        in_time = _wait(process)
        output, errors = (text.result() for text in texts)
    return Outcome(command, process.wait() if in_time else None, output, errors)


def _wait(process: WarmProcess) -> bool:
    """Wait for the end of a command and all that it has started, or bring it about; tell which."""
    work, since = 0.0, time.monotonic()
    family: list[int] = []
    while process.poll() is None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.5)
        family = descendants(process.pid)
        now = sum(map(seconds_of_work, (process.pid, *family)))
        if now > work + 0.05:
            work, since = now, time.monotonic()
        if now > WORK_S or time.monotonic() - since > IDLE_S:
            end(process.pid, *family)
            return False
    orphans(family)
    return True


def orphans(family: Sequence[int], seconds: float = 5.0) -> list[int]:
    """Give those of some processes that do not end by themselves, and end them."""
    until = time.monotonic() + seconds
    while (alive := [pid for pid in family if lives(pid)]) and time.monotonic() < until:
        time.sleep(0.05)
    end(*alive)
    return alive


def end(*pids: int) -> None:
    """Kill processes that this one's commands have started."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def lives(pid: int) -> bool:
    """Tell whether a process is at work; one that nobody has asked for its end is not."""
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False


def run(command: tuple[str, ...], cwd: Path, variables: Mapping[str, str] = {}) -> Outcome:
    """Run a command to its end or its limit."""
    return finish(begin(command, cwd, variables), command)


def seconds_of_work(pid: int) -> float:
    """Give the processor's seconds that a process has had, as Linux tells."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")


def descendants(pid: int) -> list[int]:
    """Give the processes below one, as Linux tells."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        children = [int(number) for number in listed.read_text(encoding="utf-8").split()]
    except OSError:
        return []
    return [one for child in children for one in (child, *descendants(child))]
