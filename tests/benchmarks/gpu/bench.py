"""The card, the sizes and the time left; and the one JSON file that every part's findings go to."""

import datetime
import logging
import os
import subprocess
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from policy.reports.result import machine
from policy.runs.json_files import write_json

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Bench:
    """Where and how large everything is measured.

    Attributes:
        device: The card, or the CPU, where all sizes are tiny.
        deadline: When no part may begin any more, in seconds of `time.monotonic`.
    """

    device: torch.device
    deadline: float

    @property
    def on_card(self) -> bool:
        return self.device.type == "cuda"

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.deadline - time.monotonic()

    def size(self, whole: int, tiny: int) -> int:
        """Choose a size: that of the paper on a card, a tiny one on the CPU."""
        return whole if self.on_card else tiny

    def wait(self) -> None:
        """Wait until the card has done what it was asked to."""
        if self.on_card:
            torch.cuda.synchronize()

    def seconds(self, call: Callable[[], object]) -> float:
        """Time a call and everything that it started on the card."""
        self.wait()
        start = time.perf_counter()
        call()
        self.wait()
        return time.perf_counter() - start


@dataclass
class Report:
    """What was found, written whole after every part, so that an end at any moment loses one.

    Attributes:
        path: The JSON file.
        about: The card, versions and command.
        seconds: The whole time; the process ends then, with what it has.
    """

    path: Path
    about: dict[str, Any]
    seconds: float
    parts: dict[str, Any] = field(default_factory=dict)
    _running: str = ""
    _lock: Any = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self._start = time.monotonic()
        self._alarm = threading.Timer(self.seconds, self._out_of_time)
        self._alarm.daemon = True
        self._alarm.start()

    def add(self, name: str, part: Callable[[], Any]) -> None:
        """Run a part; one that fails leaves its error in place of its findings."""
        self._running, start = name, time.monotonic()
        try:
            found = part()
        except Exception as error:  # Whatever is wrong with one part, the others are measured.
            logger.exception("%s failed", name)
            where = traceback.format_exception_only(error)[-1].strip()
            found = {"error": where, "traceback": traceback.format_exc().splitlines()[-8:]}
        taken = time.monotonic() - start
        with self._lock:
            self.parts[name] = {"seconds": round(taken, 2), "found": found}
            self._running = ""
            self._write()
        logger.info("%-40s %6.1f s", name, taken)

    def skip(self, name: str, why: str) -> None:
        """Say of a part why it was not run."""
        with self._lock:
            self.parts[name] = {"seconds": 0.0, "found": {"skipped": why}}
            self._write()

    def close(self) -> None:
        """End in time."""
        self._alarm.cancel()
        self._write()

    @property
    def failed(self) -> list[str]:
        """The parts that failed, and those whose figures are beyond their bounds."""
        return [name for name, part in self.parts.items() if _is_bad(part["found"])]

    def _write(self) -> None:
        taken = round(time.monotonic() - self._start, 1)
        write_json(self.path, {**self.about, "seconds": taken, "parts": self.parts})

    def _out_of_time(self) -> None:
        with self._lock:
            late = {"error": f"not done when the {self.seconds:g} seconds were over"}
            if self._running:
                self.parts[self._running] = {"seconds": None, "found": late}
            self._write()
        logger.error("out of time in %s; %s has the rest", self._running, self.path)
        os._exit(1)  # The card, or a compiler, may hold the main thread for as long again.


def _is_bad(found: Any) -> bool:  # noqa: ANN401
    if isinstance(found, dict):
        return "error" in found or found.get("passed") is False or any(map(_is_bad, found.values()))
    return isinstance(found, list) and any(map(_is_bad, found))


def describe(device: torch.device, command: str) -> dict[str, Any]:
    """Name the card, its driver, and what computes on it."""
    card, memory, driver = "cpu", None, None
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        card, memory, driver = properties.name, properties.total_memory, _driver()
    return {
        "card": card,
        "card_bytes": memory,
        "driver": driver,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "command": command,
        "machine": machine(),
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
    }


def _driver() -> str | None:
    asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.split("\n")[0].strip()
