"""What training needs to go on, on disk: whole files or none, and nothing that can run code."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from configs.files import write_whole
from perception.errors import InputError


def save_state(state: Mapping[str, Any], path: Path) -> None:
    """Write what training needs to go on: tensors and plain values only."""
    write_whole(path, lambda aside: torch.save(dict(state), aside))


def load_state(path: Path) -> dict[str, Any] | None:
    """Read a training state, or None where there is none yet.

    Raises:
        InputError: The file is not a training state, or is damaged.
    """
    if not path.exists():
        return None
    try:
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # Torch tells damage in many ways, some with advice that harms.
        raise InputError(
            f"{path} is not a training state, or is damaged ({type(error).__name__}): restore it"
            " from a copy, or delete it and begin again"
        ) from error
