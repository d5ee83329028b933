"""Where episodes end: what makes an episode whole, and what tells an end's loss from its lack.

A chunk of ends is begun before the data of its first episode. So where it is missing although data
goes on, it was lost; where data does not go on, that episode was not begun.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from jaxtyping import Int

from datasets.store.arrays import SPARE_CHUNKS
from datasets.store.chunks import (
    DamageError,
    chunk_files,
    chunks_of,
    has_checksums,
    is_there,
    read_rows,
)

ENDS = "meta/episode_ends"
CHUNK_EPISODES = 100


def read_ends(
    array: "zarr.Array[Any]", folder: Path, goes_on: Callable[[int, int], bool]
) -> Int[np.ndarray, " episode"]:
    """Read where each whole episode ends, exclusive.

    Args:
        array: The ends; zero where none was written yet.
        folder: Where they are kept.
        goes_on: Tells whether something was written beyond so many episodes and steps.

    Raises:
        DamageError: Ends were lost, or are not what was written.
    """
    chunks = chunks_of(array)
    there = [is_there(array, folder, chunk) for chunk in chunks]
    first = there.index(False) if False in there else len(chunks)
    ends = read_rows(array, folder, 0, min(first * array.chunks[0], array.shape[0]))
    whole = np.diff(ends, prepend=0) > 0
    if not whole.all():
        return ends[: int(np.argmin(whole))]
    if first < len(chunks) and has_checksums(array):
        # A writer that ended by itself left no spare rows; one that was killed did.
        cut = array.shape[0] % (SPARE_CHUNKS * CHUNK_EPISODES) > 0
        steps = int(ends[-1]) if len(ends) else 0
        if cut or any(there[first:]) or goes_on(len(ends), steps):
            lost = range(first * array.chunks[0], array.shape[0])
            raise DamageError(next(chunk_files(array, first)), lost, "is missing")
    return ends
