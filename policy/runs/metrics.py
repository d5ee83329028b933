"""The numbers of a stage over its steps, as JSON lines that a killed run goes on with."""

import json
import logging
from pathlib import Path
from typing import Any

from configs.files import write_text_whole
from policy.runs.json_files import as_json_line
from policy.runs.keeping import Logger

logger = logging.getLogger(__name__)


class Metrics:
    """Named numbers over steps, as JSON lines and for a logger."""

    def __init__(self, path: Path, logger: Logger | None, step: int) -> None:
        kept = [values for values in read_metrics(path) if values["step"] <= step]
        text = "".join(f"{as_json_line(values)}\n" for values in kept)
        if not path.exists() or path.read_bytes() != text.encode():
            write_text_whole(path, text)
        self._path, self._logger = path, logger

    def write(
        self, step: int, values: dict[str, float], passing: dict[str, float] | None = None
    ) -> None:
        """Note the values of a step; those that are not finite are null.

        Args:
            step: Of the stage.
            values: The same each time that the run is made.
            passing: Others (speeds), for the logger alone.
        """
        with self._path.open("a", encoding="utf-8") as file:
            file.write(as_json_line({"step": step, **values}) + "\n")
        if self._logger is not None:
            self._logger.write(step, {**values, **(passing or {})})

    def close(self) -> None:
        """Finish what the logger writes."""
        if self._logger is not None:
            self._logger.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Read JSON lines, without those that were cut off or are damaged."""
    if not path.exists():
        return []
    read = [
        _metric(line) for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
    ]
    damaged = [number for number, values in enumerate(read, 1) if values is None]
    if damaged and damaged != [len(read)]:  # The last one may have been cut off by a kill.
        logger.warning("%s: line %d is damaged, and left out", path, damaged[0])
    return [values for values in read if values is not None]


def _metric(line: str) -> dict[str, Any] | None:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return None
    whole = isinstance(values, dict) and isinstance(values.get("step"), int)
    return values if whole else None
