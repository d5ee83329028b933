"""Scalars for TensorBoard, written at once: a full disk is met here and not in another thread."""

import os
import socket
import time
from collections.abc import Mapping
from math import isfinite
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter


class Board:
    """One event file, as TensorBoard's own writer begins it.

    Args:
        folder: Where TensorBoard looks for it.
        step: What other files there hold from this step on is not shown any more.
    """

    def __init__(self, folder: Path, step: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        now = time.time()
        made_by = f"{socket.gethostname()}.{os.getpid()}.{time.monotonic_ns()}"
        path = folder / f"events.out.tfevents.{int(now):010d}.{made_by}"
        self._file = path.open("wb", buffering=0)
        self._records = RecordWriter(self._file)
        self._write(Event(wall_time=now, file_version="brain.Event:2"))
        session = SessionLog(status=SessionLog.START)
        self._write(Event(wall_time=now, step=step, session_log=session))

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Note the values of a step, those that are finite."""
        for name, value in values.items():
            if isfinite(value):
                scalar = Summary.Value(tag=name, simple_value=value)
                event = Event(wall_time=time.time(), step=step, summary=Summary(value=[scalar]))
                self._write(event)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, event: Event) -> None:
        self._records.write(event.SerializeToString())
