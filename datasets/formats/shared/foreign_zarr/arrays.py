"""Arrays of other people's Zarr (2 and 3): only what is asked for is opened, losses are named.

Zarr reads a chunk that is not there as the fill value, which most often is 0, and lets each codec
raise what it likes. A file that was lost in copying looks the same as a chunk that a writer left
out because it held nothing but the fill value (as Zarr 3 does unless told otherwise). Nobody can
tell them apart, so an absent chunk is refused unless the user says that they are the fill value;
then every one is counted, to be said and kept with the data.
"""

import itertools
import lzma
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numcodecs.errors
import numpy as np
import zarr
import zarr.errors
from jaxtyping import Int
from zarr.codecs import BloscCodec

from datasets.formats.shared.foreign_zarr.descriptions import (
    ARRAYS,
    RESTORE,
    check_array,
    codecs_of,
    is_array,
    read_json,
)
from perception.errors import InputError

# What Zarr and the codecs raise at descriptions and bytes that are not what was written.
UNREADABLE = (
    *(OSError, RuntimeError, ValueError, TypeError, LookupError, ArithmeticError),
    *(AttributeError, AssertionError, EOFError, MemoryError),
    *(zlib.error, lzma.LZMAError, struct.error),
)
UNKNOWN_CODEC = (numcodecs.errors.UnknownCodecError, zarr.errors.UnknownCodecError)
BLOCK_ROWS = 1000
BLOSC_HEADER = 16  # Bytes; the last four hold the length of all (Blosc 1).


@dataclass
class ForeignArray:
    """One array, read with care.

    Attributes:
        store: The store's folder.
        name: With its folder, e.g. `data/action`.
        array: It, opened.
        fill_absent: Whether chunks that are absent hold the fill value; else they are lost.
        ends: Where episodes end (exclusive), for messages; empty where that is not known.
        filled: Files of the chunks that were absent and read as the fill value.
        blosc: Whether each file is what Blosc wrote.
    """

    store: Path
    name: str
    array: "zarr.Array[Any]"
    fill_absent: bool = False
    ends: Int[np.ndarray, " episode"] = field(default_factory=lambda: np.zeros(0, np.int64))
    filled: set[str] = field(default_factory=set)
    blosc: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of its axes."""
        return tuple(self.array.shape)

    @property
    def where(self) -> str:
        """The store and the array, for messages."""
        return f"{self.store.name}: {self.name}"

    @property
    def _grid(self) -> tuple[int, ...]:
        return tuple(self.array.shards or self.array.chunks)  # A shard is one file of many chunks.

    def read(self, start: int, stop: int) -> np.ndarray:
        """Read rows.

        Raises:
            InputError: A chunk is absent, or is not what was written.
        """
        for key, rows in self._files(start, stop):
            file = self.store / self.name / key
            if not file.is_file():
                self._miss(key, rows)
            elif self.blosc and not has_blosc_length(file):
                raise InputError(
                    f"{self.where}/{key}, which holds {self._told(rows)}, was cut off, or is not"
                    f" what was written: {RESTORE}"
                )
        try:
            return np.asarray(self.array[start:stop])
        except UNREADABLE as error:
            key, rows = self._first_damaged(start, stop)
            raise InputError(
                f"{self.where}/{key}, which holds {self._told(rows)}, cannot be decoded"
                f" ({type(error).__name__}: {error}): {RESTORE}"
            ) from error

    def blocks(self, stop: int) -> Iterator[tuple[int, np.ndarray]]:
        """Read all rows up to `stop` once, whole chunks at a time.

        Returns:
            The first row of each block, and the block.

        Raises:
            InputError: As for `read`.
        """
        size = -(-BLOCK_ROWS // self._grid[0]) * self._grid[0]
        for start in range(0, stop, size):
            yield start, self.read(start, min(start + size, stop))

    def place(self, row: int) -> str:
        """Name a step by its episode, for messages; by its own number where ends are not known."""
        episode = int(np.searchsorted(self.ends, row, side="right"))
        if episode >= len(self.ends):
            return f"{self.where}, step {row}"
        start = int(self.ends[episode - 1]) if episode else 0
        return f"{self.where}, episode {episode}, step {row - start}"

    def _files(self, start: int, stop: int) -> Iterator[tuple[str, range]]:
        """Name the files of some rows, below the array's folder, and the rows in each."""
        grid = self._grid
        first, last = start // grid[0], -(-stop // grid[0])
        across = [range(-(-n // step)) for n, step in zip(self.shape[1:], grid[1:], strict=True)]
        metadata: Any = self.array.metadata
        for index in itertools.product(range(first, last), *across):
            rows = range(index[0] * grid[0], min((index[0] + 1) * grid[0], self.shape[0]))
            yield metadata.encode_chunk_key(index), rows

    def _miss(self, key: str, rows: range) -> None:
        metadata: Any = self.array.metadata
        if metadata.fill_value is None:
            remedy = RESTORE
        elif self.fill_absent:
            self.filled.add(key)
            return
        else:
            remedy = (
                f"{RESTORE}; or, if whoever wrote it left out chunks of nothing but the fill value"
                f" ({metadata.fill_value}), say absent_chunks=fill"
            )
        raise InputError(
            f"{self.where}/{key}, which holds {self._told(rows)}, is not there: {remedy}"
        )

    def _first_damaged(self, start: int, stop: int) -> tuple[str, range]:
        files = list(self._files(start, stop))
        for key, rows in files:
            try:
                self.array[rows.start : rows.stop]
            except UNREADABLE:
                return key, rows
        return files[0]

    def _told(self, rows: range) -> str:
        if not self.name.startswith("data/"):
            return f"entries {rows.start} to {rows.stop - 1}"
        text = f"steps {rows.start} to {rows.stop - 1}"
        if not len(self.ends):
            return text
        pair = np.searchsorted(self.ends, [rows.start, rows.stop - 1], side="right")
        first, last = (min(int(episode), len(self.ends) - 1) for episode in pair)
        within = f"episode {first}" if first == last else f"episodes {first} to {last}"
        return f"{text} ({within})"


def array_names(store: Path, folder: str) -> list[str]:
    """Name the arrays in a folder of a store, without opening one."""
    return sorted(inside.name for inside in (store / folder).glob("*") if is_array(inside))


def open_array(store: Path, name: str, *, fill_absent: bool) -> ForeignArray:
    """Open one array of plain numbers.

    Args:
        store: The store's folder.
        name: With its folder; it is there.
        fill_absent: See `ForeignArray`.

    Raises:
        InputError: Its description is damaged, its codec is not installed, or it holds no numbers.
    """
    check_array(store / name)
    try:
        array = zarr.open_array(store / name, mode="r")
        kind = array.dtype.kind
    except UNREADABLE as error:
        raise InputError(_cannot_open(store, name, error)) from error
    if kind not in "biuf":
        raise InputError(f"{store.name}: {name} holds {array.dtype}, not numbers")
    return ForeignArray(store, name, array, fill_absent, blosc=_ends_in_blosc(array))


def has_blosc_length(file: Path) -> bool:
    """Tell whether a file is as long as its header says; Blosc itself reads on behind its end."""
    with file.open("rb") as chunk:
        header = chunk.read(BLOSC_HEADER)
    length = int.from_bytes(header[-4:], "little")
    return len(header) == BLOSC_HEADER and length == file.stat().st_size


def _ends_in_blosc(array: "zarr.Array[Any]") -> bool:
    """Tell whether the last codec that a chunk passed through is Blosc, and so wrote the file."""
    metadata: Any = array.metadata
    if metadata.zarr_format == 2:
        return getattr(metadata.compressor, "codec_id", "") == "blosc"
    return isinstance(metadata.codecs[-1], BloscCodec)


def _cannot_open(store: Path, name: str, error: BaseException) -> str:
    """Say why an array cannot be opened, and what to do."""
    if not isinstance(error, UNKNOWN_CODEC):
        return f"{store.name}: the description of {name} is damaged ({error}): {RESTORE}"
    file = next(f for f in (store / name / n for n in ARRAYS) if f.is_file())
    return (
        f"{store.name}: {name} is kept by codecs ({', '.join(codecs_of(read_json(file)))}) one of"
        " which is not installed here: install it, or convert without this array"
    )
