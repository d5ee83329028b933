"""The planner that a command takes where none is named: that of the newest run."""

import logging
from pathlib import Path

from perception.errors import InputError
from policy.runs.run import STAGES

logger = logging.getLogger(__name__)

OUTPUTS = Path("outputs")


def given_or_newest(checkpoint: Path | None) -> Path:
    """Give the checkpoint that was named, or the folder of the newest run under `outputs/`.

    Raises:
        InputError: None was named, and no run there has finished a stage.
    """
    if checkpoint is not None:
        return checkpoint
    names = [f"{stage}.safetensors" for stage in STAGES]
    found = [path for name in names for path in OUTPUTS.rglob(f"checkpoints/{name}")]
    if not found:
        raise InputError(
            f"There is no finished planner under {OUTPUTS}/: train first (policy/train.py), or give"
            " checkpoint=<a planner's file, or the folder of a run>"
        )
    newest = max(found, key=lambda path: path.stat().st_mtime).parents[1]
    logger.info("checkpoint=%s, the newest run under %s/", newest, OUTPUTS)
    return newest
