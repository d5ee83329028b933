"""What a run writes beside its result; nothing of it changes the result."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from configs.ranges import Whole
from policy.runs.board import Board

LoggerName = Literal["tensorboard", "wandb", "none"]


@runtime_checkable
class Logger(Protocol):
    """Where the numbers of a stage are shown, beside its JSON lines."""

    def write(self, step: int, values: dict[str, float]) -> None:
        """Note the values of a step, those that are finite."""

    def close(self) -> None:
        """Finish."""


@dataclass(frozen=True)
class Keeping:
    """What a run writes beside its result.

    Attributes:
        logger: What shows its numbers: TensorBoard's files, Weights & Biases, or neither.
        keep_every: Gradient steps of pre-training, and episodes of fine-tuning, after which the
            planner is kept as a file of its own; 0 keeps the last one alone.
    """

    logger: LoggerName = "tensorboard"
    keep_every: Whole = 0

    def due(self, before: int, now: int) -> bool:
        """Tell whether a planner is to be kept: a multiple was passed."""
        return self.keep_every > 0 and now // self.keep_every > before // self.keep_every


def open_logger(
    name: LoggerName, folder: Path, stage: str, step: int, config: dict[str, Any]
) -> Logger | None:
    """Open what shows the numbers of a stage from a step on.

    Args:
        name: Which one; `none` opens nothing.
        folder: Of the run.
        stage: Of the run.
        step: The first one that is written; what was shown from it on is forgotten, where it can.
        config: Of the run, shown beside its numbers.

    Raises:
        InputError: It is not installed.
    """
    if name == "tensorboard":
        return Board(folder / "tensorboard" / stage, step)
    if name == "wandb":
        # Here, since it is an extra that most runs do without.
        from policy.runs.wandb_logger import WandbLogger  # noqa: PLC0415

        return WandbLogger(folder, stage, config)
    return None
