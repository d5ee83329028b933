"""How long work has taken: seconds that passed, and seconds of the processors."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing import active_children
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Spent:
    """What work has taken so far.

    Attributes:
        seconds: That passed.
        processor_seconds: Of all processors, those of worker processes included; None: an older
            program did not note them.
    """

    seconds: float = 0.0
    processor_seconds: float | None = 0.0

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> "Spent":
        """Read it from a training state."""
        return cls(state["seconds"], state.get("processor_seconds"))


class Clock:
    """Measures what work takes, on top of what it took before a kill."""

    def __init__(self, before: Spent) -> None:
        self._before = before
        self._start = time.perf_counter(), processor_seconds()

    @property
    def spent(self) -> Spent:
        """What it has taken until now."""
        seconds, processors = self._start
        before = self._before.processor_seconds
        return Spent(
            self._before.seconds + time.perf_counter() - seconds,
            None if before is None else before + processor_seconds() - processors,
        )


def processor_seconds() -> float:
    """Give the processors' seconds of this process and its children, the ended and the living.

    Of living children only Linux tells it.
    """
    spent = os.times()
    mine = spent.user + spent.system + spent.children_user + spent.children_system
    return mine + sum(_of_living(child.pid) for child in active_children())


def _of_living(pid: int | None) -> float:
    """Read a process's seconds from /proc: the 14th and 15th field; it may have just ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    fields = text.rpartition(")")[2].split()  # From the third on: the second may hold blanks.
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Pace:
    """Measures how many windows a second are learned from, since it was asked last.

    Args:
        step: Gradient steps taken so far.
        batch: Windows in each.
    """

    def __init__(self, step: int, batch: int) -> None:
        self._step, self._batch, self._then = step, batch, time.perf_counter()

    def since(self, step: int) -> dict[str, float]:
        """Give the pace until a step, by its metric's name."""
        steps, self._step = step - self._step, step
        seconds, self._then = time.perf_counter() - self._then, time.perf_counter()
        return {"pretrain/windows_per_s": steps * self._batch / seconds}
