"""The folder of a run: its configuration, metrics and checkpoints, and how it goes on."""

import hashlib
import json
import logging
import time
from pathlib import Path
from typing import Any

import yaml
from torch.utils.tensorboard import SummaryWriter

from configs.differences import differences
from configs.files import write_text_whole
from datasets.behaviours.training_state import load_state, save_state
from perception.errors import InputError

logger = logging.getLogger(__name__)

STAGES = ("finetune", "pretrain")  # The newest first.


class Run:
    """One run's folder.

    Args:
        path: `outputs/<name>`.
        config: Everything that shapes the result, as plain values. A folder that was made with
            another one is refused.

    Raises:
        InputError: The folder belongs to a run with another configuration.
    """

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        self.path, self.config = path, config
        path.mkdir(parents=True, exist_ok=True)
        written = path / "config.yaml"
        text = yaml.safe_dump(_plain(config))
        if written.exists() and written.read_text(encoding="utf-8") != text:
            there, here = yaml.safe_load(written.read_text(encoding="utf-8")), yaml.safe_load(text)
            raise InputError(
                f"{path} belongs to another configuration ({'; '.join(differences(there, here))});"
                " choose another out="
            )
        if not written.exists():
            write_text_whole(written, text)
        self.config_sha256 = hashlib.sha256(text.encode()).hexdigest()

    def checkpoint(self, stage: str) -> Path:
        """Where the planner of a finished stage lies."""
        return self.path / "checkpoints" / f"{stage}.safetensors"

    def state_path(self, stage: str) -> Path:
        """Where a stage keeps what it needs to go on."""
        return self.path / "checkpoints" / f"{stage}-state.pt"

    def save(self, stage: str, state: dict[str, Any]) -> None:
        """Save what a stage needs to go on."""
        save_state(state, self.state_path(stage))

    def resume(self, stage: str) -> dict[str, Any] | None:
        """Load what a stage needs to go on; None at its beginning."""
        state = load_state(self.state_path(stage))
        if state is not None:
            logger.info("%s goes on after step %d", stage, state["step"])
        return state

    def metrics(self, stage: str, step: int) -> "Metrics":
        """Open the metrics of a stage, forgetting what came after a step."""
        return Metrics(self.path / f"{stage}.jsonl", self.path / "tensorboard" / stage, step)


def find_checkpoint(path: Path) -> Path:
    """Give the newest planner of a run's folder, or the file itself.

    Raises:
        InputError: The folder holds none.
    """
    if not path.is_dir():
        return path
    found = [path / "checkpoints" / f"{stage}.safetensors" for stage in STAGES]
    for checkpoint in found:
        if checkpoint.exists():
            return checkpoint
    raise InputError(f"{path} holds no finished planner: train first (policy/train.py out={path})")


def run_folder(checkpoint: Path) -> Path:
    """Give the folder of the run that a checkpoint belongs to, or its own outside a run."""
    if checkpoint.is_dir():
        return checkpoint
    folder = checkpoint.parent
    return folder.parent if folder.name == "checkpoints" else folder


class Clock:
    """Seconds of work, those before a kill included."""

    def __init__(self, before: float) -> None:
        self._start = time.perf_counter() - before

    @property
    def seconds(self) -> float:
        """Seconds until now."""
        return time.perf_counter() - self._start


class Metrics:
    """Named numbers over steps, as JSON lines and for TensorBoard."""

    def __init__(self, path: Path, board: Path, step: int) -> None:
        kept = [line for line in read_metrics(path) if line["step"] <= step]
        write_text_whole(path, "".join(json.dumps(line) + "\n" for line in kept))
        self._path = path
        self._board = SummaryWriter(str(board), purge_step=step + 1)

    def write(self, step: int, values: dict[str, float]) -> None:
        """Note the values of a step."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")
        for name, value in values.items():
            self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Finish TensorBoard's file."""
        self._board.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Read JSON lines, without a last one that was cut off."""
    if not path.exists():
        return []
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return lines


def _plain(value: Any) -> Any:  # noqa: ANN401
    """Leave only what YAML knows: lists for tuples, text for paths."""
    return json.loads(json.dumps(value, default=str))
