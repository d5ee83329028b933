"""Parquet tables of a LeRobot dataset, read: rows of episodes, and frames as arrays."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from datasets.formats.shared.exporting import extra
from perception.errors import InputError

Frames = dict[str, Any]  # Arrow's columns by key.


@contextmanager
def _reading(file: Path) -> Iterator[Any]:
    """Give pyarrow's `parquet`, and say what is wrong with a file.

    Raises:
        InputError: pyarrow is missing, or the file is missing or damaged.
    """
    parquet, arrow = extra("pyarrow.parquet"), extra("pyarrow")
    if not file.is_file():
        raise InputError(f"There is no {file}, which the dataset names: restore it from a copy")
    try:
        yield parquet
    except (arrow.ArrowException, OSError) as error:
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{file} is damaged ({line}): restore it from a copy") from error


def rows_of(file: Path, *, skip: str) -> list[dict[str, Any]]:
    """Read all rows of a table, without the columns whose names begin with `skip`.

    Raises:
        InputError: It is missing or damaged.
    """
    with _reading(file) as parquet:
        names = parquet.read_schema(file).names
        kept = [name for name in names if not name.startswith(skip)]
        rows: list[dict[str, Any]] = parquet.read_table(file, columns=kept).to_pylist()
    return rows


def read_frames(file: Path, number: int, steps: int, keys: list[str]) -> Frames:
    """Read the frames of one episode, in their order.

    Args:
        file: The table that has them.
        number: The episode's.
        steps: How many it has.
        keys: What to read.

    Raises:
        InputError: The table is missing or damaged, lacks a column, or has another number of them.
    """
    with _reading(file) as parquet:
        there = parquet.read_schema(file).names
        wanted = [*dict.fromkeys(keys), "frame_index"]
        if missing := [key for key in (*wanted, "episode_index") if key not in there]:
            raise InputError(f"{file} has no {missing[0]}; it has {', '.join(there)}")
        table = parquet.read_table(file, columns=wanted, filters=[("episode_index", "=", number)])
        table = table.sort_by("frame_index")
    if len(table) != steps:
        raise InputError(f"{file} has {len(table)} of {steps} frames of episode {number}")
    return {key: table[key] for key in keys}


def as_array(frames: Frames, key: str, shape: tuple[int, ...], where: str) -> np.ndarray:
    """Give a column of numbers as (time, ...).

    Args:
        frames: Of an episode.
        key: Which column.
        shape: Of one frame; (1,) for a lone number.
        where: Whose frames, for errors.

    Raises:
        InputError: It holds no numbers, or another number of them than its shape says.
    """
    column, types = frames[key].combine_chunks(), extra("pyarrow.types")
    steps, numeric = len(column), (types.is_integer, types.is_floating, types.is_boolean)
    nested = (types.is_list, types.is_fixed_size_list, types.is_large_list)
    while any(holds(column.type) for holds in nested):
        column = column.flatten()
    if not any(holds(column.type) for holds in numeric):
        raise InputError(f"{where}: {key} holds {column.type}, not numbers")
    if column.null_count or len(column) != steps * prod(shape):
        raise InputError(
            f"{where}: {key} has {len(column) - column.null_count} numbers; {steps} frames of"
            f" {shape} are expected"
        )
    values = np.asarray(column.to_numpy(zero_copy_only=False))
    return values.reshape(steps, *shape)
