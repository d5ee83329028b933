"""Fair timing: both sides in one process, in turns, and the median of each."""

import datetime
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from policy.reports.result import ROOT, machine

COMMAND = "make bench"


@dataclass(frozen=True)
class Entry:
    """One measured comparison; `ratio` > 1 means that ours is better.

    Attributes:
        name: What was measured.
        ours: Our figure.
        reference: The figure of the reference, measured in the same run.
        unit: Of both.
        ratio: How many times better ours is.
        reference_is: What the reference does.
    """

    name: str
    ours: float
    reference: float
    unit: str
    ratio: float
    reference_is: str
    command: str
    machine: str
    date: str


def entry(name: str, *, ours: float, reference: float, unit: str, reference_is: str) -> Entry:
    """Put two figures side by side; rates (`.../s`) are better high, all else low."""
    ratio = ours / reference if "/s" in unit else reference / ours
    date = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    shown, beside = float(f"{ours:.4g}"), float(f"{reference:.4g}")
    ratio = round(ratio, 2)
    return Entry(name, shown, beside, unit, ratio, reference_is, COMMAND, machine(), date)


class Apart:
    """A function made and called in a process of its own, with that process's memory settings.

    Args:
        make: Makes the function; picklable.
    """

    def __init__(self, make: Callable[[], Callable[[], object]]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make), daemon=True)
        self._process.start()
        self._pipe.recv()

    def __call__(self) -> None:
        """Call the function there and wait until it is done."""
        self._pipe.send(None)
        self._pipe.recv()

    def megabytes(self) -> float:
        """Say how much memory the process has now (Linux)."""
        sizes = Path(f"/proc/{self._process.pid}/statm").read_text(encoding="utf-8").split()
        pages = int(sizes[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def close(self) -> None:
        """End the process and give its memory back."""
        self._process.terminate()
        self._process.join()


def _serve(pipe: Connection, make: Callable[[], Callable[[], object]]) -> None:
    function = make()
    try:
        while True:
            pipe.send(None)
            pipe.recv()
            function()
    except (EOFError, BrokenPipeError):  # The parent has ended.
        return


def seconds(
    sides: Mapping[str, Callable[[], object]],
    rounds: int,
    warm_up: int = 1,
    *,
    calls: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Time functions in turns after some calls to warm up; give the median of each.

    A turn is so many calls: one alone of some milliseconds would start from the caches that the
    other side has filled. The clock `time.process_time` counts all threads: what is done on two
    cores counts twice.
    """
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for round_ in range(rounds + warm_up):
        for name, side in sides.items():
            start = clock()
            for _ in range(calls):
                side()
            if round_ >= warm_up:
                taken[name].append((clock() - start) / calls)
    return {name: statistics.median(times) for name, times in taken.items()}


def write(name: str, entries: list[Entry], root: Path = ROOT / "results" / "benchmarks") -> None:
    """Write one benchmark's entries."""
    root.mkdir(parents=True, exist_ok=True)
    (root / f"{name}.json").write_text(json.dumps([asdict(e) for e in entries], indent=2) + "\n")
