"""Where episodes end: what makes an episode whole, and what tells an end's loss from its lack.

The ends are what is written in their chunks, each with its checksum; the array's length, which
other readers go by, follows. Before an episode's data is written, its end is noted as a negative
number: so far, and no further, data of an episode that is not whole may lie. A chunk of ends is so
begun before the data of its first episode. Where it is missing although data goes on, it was lost;
where data does not go on, that episode was not begun.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from jaxtyping import Int

from datasets.store.chunks import (
    DamageError,
    chunk_files,
    chunks_of,
    has_checksums,
    is_there,
    of_rows,
    read_rows,
)

ENDS = "meta/episode_ends"
CHUNK_EPISODES = 100
SPARE_ROWS = 100 * CHUNK_EPISODES  # Before schema 4 a killed writer left multiples of these.


@dataclass(frozen=True)
class Ends:
    """Where episodes end.

    Attributes:
        whole: The end of each whole episode, exclusive.
        begun: The end of one that was begun and may not be whole; that of the last, if there is
            none.
    """

    whole: Int[np.ndarray, " episode"]
    begun: int


def read_ends(array: "zarr.Array[Any]", folder: Path, goes_on: Callable[[int, int], bool]) -> Ends:
    """Read where each whole episode ends, exclusive.

    Args:
        array: The ends.
        folder: Where they are kept.
        goes_on: Tells whether something was written beyond so many episodes and steps.

    Raises:
        DamageError: Ends were lost, or are not what was written.
    """
    step, chunk = array.chunks[0], 0
    ends = np.zeros(0, np.int64)
    while is_there(array, folder, chunk):
        view = of_rows(array, (chunk + 1) * step)
        ends = np.append(ends, read_rows(view, folder, chunk * step, (chunk + 1) * step))
        grows = np.diff(ends, prepend=0) > 0
        if not grows.all():
            first = int(np.argmin(grows))
            last = int(ends[first - 1]) if first else 0
            return Ends(ends[:first], max(last, -int(ends[first])))
        chunk += 1
    last = int(ends[-1]) if len(ends) else 0
    if has_checksums(array) and (
        _ended_otherwise(array, folder, chunk) or goes_on(len(ends), last)
    ):
        lost = range(chunk * step, max(array.shape[0], chunk * step + 1))
        raise DamageError(next(chunk_files(array, chunk)), lost, "is missing")
    return Ends(ends, last)


def _ended_otherwise(array: "zarr.Array[Any]", folder: Path, missing: int) -> bool:
    """Tell whether the array's length, or a later chunk, says that a missing chunk was there."""
    rows = array.shape[0]
    asked = rows > missing * array.chunks[0] and rows % SPARE_ROWS > 0
    return asked or any(is_there(array, folder, chunk) for chunk in chunks_of(array)[missing + 1 :])
