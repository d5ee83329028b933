"""The arrays of a store, by name: plain numbers only, opened once, read with care, grown ahead."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import zarr

from datasets.store.chunk_codecs import codecs
from datasets.store.chunks import (
    CHECKSUMS,
    chunks_of,
    codec_names,
    is_there,
    read_rows,
    require_chunks,
)
from perception.errors import InputError

# They turn numbers into numbers (zstd is Zarr's default); others may keep, and run, Python objects.
PLAIN_CODECS = {"blosc", "bytes", "fixedscaleoffset", "zstd", *CHECKSUMS}
DESCRIPTIONS = (".zarray", "zarr.json")
NO_ARRAY = (ValueError, TypeError, KeyError, AttributeError, FileNotFoundError)
ADDING = "adding"  # The folder of arrays that are not whole yet.
SPARE_CHUNKS = 100  # Arrays grow by this many at a time: growing costs as much as writing.


class StoreArrays:
    """The arrays of one store.

    Args:
        path: The store's folder.
        group: It, opened.
    """

    def __init__(self, path: Path, group: zarr.Group) -> None:
        self._path, self._group = path, group
        self._open: dict[str, zarr.Array[Any]] = {}
        self._names: dict[str, list[str]] = {}
        self._begun: dict[str, tuple[int, np.ndarray]] = {}

    def names(self, folder: str) -> list[str]:
        """Name the arrays in `data` or `meta`, without the folder."""
        if folder not in self._names:
            inside = (self._path / folder).glob("*")
            self._names[folder] = sorted(f.name for f in inside if f.is_dir() and described(f))
        return self._names[folder]

    def __contains__(self, name: str) -> bool:
        folder, _, own = name.partition("/")
        return own in self.names(folder)

    def __getitem__(self, name: str) -> "zarr.Array[Any]":
        if name not in self._open:
            self._open[name] = open_array(self._group, name, self._path)
        return self._open[name]

    def read(self, name: str, start: int, stop: int) -> np.ndarray:
        """Read rows of an array.

        Raises:
            DamageError: A chunk of it is missing, or is not what was written.
        """
        return read_rows(self[name], self._path / name, start, stop)

    def write(self, name: str, values: np.ndarray, start: int, *, chunk: int) -> None:
        """Write rows of an array; make it, or make it longer, where need be.

        Args:
            name: The array.
            values: The rows.
            start: Where they go.
            chunk: Rows of a chunk, of an array yet to be made.
        """
        if name not in self:
            self._create(name, values, chunk)
        array, end = self[name], start + len(values)
        step = array.chunks[0]
        if array.shape[0] < end:
            spare = SPARE_CHUNKS * step
            array.resize((-(-end // spare) * spare, *array.shape[1:]))
        first, stop = start // step * step, min(-(-end // step) * step, array.shape[0])
        # Whole chunks, zeros behind the last row: nothing is read back to write a part of one, and
        # nothing that was there stays behind (of episodes that `keep` forgot).
        rows = np.zeros((stop - first, *array.shape[1:]), array.dtype)
        rows[: start - first] = self._before(name, first, start)
        rows[start - first : end - first] = values
        array[first:stop] = rows
        last = end // step * step
        self._begun[name] = end, rows[last - first : end - first].copy()

    def _before(self, name: str, first: int, start: int) -> np.ndarray:
        """Give the rows of a chunk before those to be written, as remembered or as stored."""
        end, rows = self._begun.get(name, (-1, np.zeros(0)))
        return rows if end == start else self.read(name, first, start)

    def add(
        self, name: str, parts: Iterable[np.ndarray], about: dict[str, str], *, chunk: int
    ) -> None:
        """Write a whole array aside, and put it in its place at once; one that is there goes.

        Args:
            name: With its folder, e.g. `data/visual_feature`.
            parts: Its rows, in order.
            about: Attributes of its own.
            chunk: Rows of a chunk.
        """
        folder, _, own = name.partition("/")
        aside, row = f"{ADDING}/{own}", 0
        shutil.rmtree(self._path / ADDING, ignore_errors=True)  # Of a writer that was killed.
        for values in parts:
            self.write(aside, values, row, chunk=chunk)
            row += len(values)
        self[aside].resize((row, *self[aside].shape[1:]))
        self[aside].attrs.update(about)
        shutil.rmtree(self._path / name, ignore_errors=True)
        (self._path / aside).rename(self._path / folder / own)
        shutil.rmtree(self._path / ADDING)
        self._open.clear()
        self._names.clear()
        self._begun.clear()

    def _create(self, name: str, values: np.ndarray, chunk: int) -> None:
        said: Any = self._group.attrs
        error_mm = said["error_mm"] if name == "data/point_cloud" else 0
        self._group.create_array(
            name,
            shape=(0, *values.shape[1:]),
            chunks=(chunk, *values.shape[1:]),
            dtype=values.dtype,
            **codecs(values, error_mm, said["zarr_format"]),
        )
        self._names.clear()

    def _each(self, lengths: Mapping[str, int]) -> "list[tuple[str, zarr.Array[Any], int]]":
        """Give every array with its name and the rows it should have, by its folder's name."""
        return [
            (f"{folder}/{name}", self[f"{folder}/{name}"], length)
            for folder, length in lengths.items()
            for name in self.names(folder)
        ]

    def cut(self, lengths: Mapping[str, int]) -> None:
        """Cut off what lies beyond so many rows of the arrays in `data` and `meta`."""
        self._begun.clear()
        for _, array, length in self._each(lengths):
            if array.shape[0] != length:
                array.resize((length, *array.shape[1:]))

    def go_on(self, lengths: Mapping[str, int]) -> bool:
        """Tell whether a whole chunk beyond so many rows of an array was written."""
        for name, array, length in self._each(lengths):
            chunk = -(-length // array.chunks[0])
            if chunk in chunks_of(array) and is_there(array, self._path / name, chunk):
                return True
        return False

    def require(self, name: str, length: int) -> None:
        """Look whether all chunks of so many rows are there, and whether the last is right.

        Raises:
            DamageError: One is missing, or the last is not what was written.
        """
        require_chunks(self[name], self._path / name, 0, length)
        self.read(name, max(length - 1, 0), length)


def described(folder: Path) -> bool:
    """Tell whether a folder is an array.

    Raises:
        InputError: It holds chunks, but has lost what describes them.
    """
    if any((folder / name).is_file() for name in DESCRIPTIONS):
        return True
    # A writer that was killed while it created an array leaves an empty folder behind.
    chunks = (f for f in folder.glob("*") if not f.name.startswith(".") and f.suffix != ".partial")
    if next(chunks, None) is not None:
        raise InputError(
            f"{folder} has lost its description ({' or '.join(DESCRIPTIONS)}): restore that file"
            " from a copy, or make the store again"
        )
    return False


def open_array(group: zarr.Group, name: str, path: Path) -> "zarr.Array[Any]":
    """Open an array of plain numbers.

    Args:
        group: The store's.
        name: With its folder, e.g. `data/action`.
        path: The store's folder, for messages.

    Raises:
        InputError: There is none, its description is damaged, or reading it could run code.
    """
    try:
        array = cast("zarr.Array[Any]", group[name])
        kind, names = array.dtype.kind, codec_names(array)
    except NO_ARRAY as error:
        raise InputError(
            f"{path}: the description of {name} (its {' or '.join(DESCRIPTIONS)}) cannot be read"
            f" ({error}): restore that file from a copy, or make the store again"
        ) from error
    foreign = sorted(names - PLAIN_CODECS)
    if kind not in "biuf" or foreign:
        kinds = f"codec {', '.join(foreign)}" if foreign else f"type {array.dtype}"
        raise InputError(f"{path}: {name} is not plain numbers ({kinds}) and is not read")
    return array.with_config({"write_empty_chunks": True})
