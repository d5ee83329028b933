"""What an evaluation leaves for figures: the hand's paths and the plans, beside its result."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from perception.errors import InputError

NAMES = ("paths", "successes", "chunks")


@dataclass(frozen=True)
class Traces:
    """Of the episodes of one evaluated run.

    Attributes:
        paths: Of the hand, in metres, world frame; NaN after an episode's end.
        chunks: Normalised plans, as they were made along the way.
    """

    paths: Float[np.ndarray, "episode frame 3"]
    successes: Bool[np.ndarray, " episode"]
    chunks: Float[np.ndarray, "chunk horizon action"]


def read_traces(path: Path) -> Traces:
    """Read `seed<k>.npz`; no pickle is ever loaded.

    Raises:
        InputError: An array is missing or has another shape.
    """
    with np.load(path, allow_pickle=False) as file:
        missing = [name for name in NAMES if name not in file]
        if missing:
            there = ", ".join(file.files)
            raise InputError(f"{path} lacks {', '.join(missing)}; there are {there}")
        paths, successes, chunks = (file[name] for name in NAMES)
    if paths.shape != (len(successes), *paths.shape[1:2], 3) or chunks.ndim != 3:
        raise InputError(
            f"{path}: paths must be (episode, frame, 3), successes (episode,) and chunks"
            f" (n, horizon, action), not {paths.shape}, {successes.shape}, {chunks.shape}"
        )
    return Traces(paths.astype(np.float64), successes.astype(bool), chunks.astype(np.float64))
