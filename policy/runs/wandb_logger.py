"""Scalars for Weights & Biases: without network unless it is asked for by WANDB_MODE=online."""

import hashlib
import os
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from perception.errors import InputError

PROJECT = "sodp-3d"


class WandbLogger:
    """One run of Weights & Biases for each stage; it goes on as the stage does.

    Its files are in `<folder>/wandb`; `wandb sync --append` sends those that were written without
    network.

    Args:
        folder: Of our run; stages of one folder are one group.
        stage: Names it, with the folder.
        config: Of our run.

    Raises:
        InputError: It is not installed.
    """

    def __init__(self, folder: Path, stage: str, config: dict[str, Any]) -> None:
        try:
            import wandb  # noqa: PLC0415 (an extra)
        except ImportError as error:
            raise InputError(
                "logger=wandb needs Weights & Biases: pip install -e '.[wandb]', or give"
                " logger=tensorboard"
            ) from error
        os.environ.setdefault("WANDB_MODE", "offline")
        place = f"{folder.resolve()} {stage}"
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            id=hashlib.sha256(place.encode()).hexdigest()[:16],
            name=f"{folder.name} {stage}",
            group=folder.name,
            dir=folder,
            config=config,
            resume="allow" if os.environ["WANDB_MODE"] == "online" else None,
            settings=wandb.Settings(silent=True, console="off"),
        )

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Note the values of a step, those that are finite."""
        self._run.log({name: v for name, v in values.items() if isfinite(v)}, step=step)

    def close(self) -> None:
        """Finish its files."""
        self._run.finish()
