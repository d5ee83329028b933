"""The arrays of a store, by name: plain numbers only, opened once, read with care.

Chunks are written first, ahead of the length that an array's description gives. The descriptions of
all arrays are then replaced at once, so that every reader finds them of one length.
"""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from datasets.store.chunk_codecs import codecs
from datasets.store.chunks import (
    encoded_chunk,
    is_there,
    of_rows,
    read_rows,
    require_chunks,
    rows_per_file,
)
from datasets.store.descriptions import replace_files, seal, with_rows
from datasets.store.leftovers import Leftovers
from datasets.store.opening import described, open_array

ADDING = "adding"  # The folder of arrays that are not whole yet.
MAKING = "making"  # The folder of an array that is not described yet.


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
        array = self[name]
        view = array if stop <= array.shape[0] else of_rows(array, stop)
        return read_rows(view, self._path / name, start, stop)

    def write(self, name: str, values: np.ndarray, start: int, *, chunk: int) -> None:
        """Write rows of an array, beyond its end too; make it where need be.

        Readers see no more rows than before until `commit`.

        Args:
            name: The array.
            values: The rows.
            start: Where they go.
            chunk: Rows of a chunk, of an array yet to be made.
        """
        if name not in self:
            self._create(name, values, chunk)
        array, end = self[name], start + len(values)
        step = rows_per_file(array)
        first, stop = start // step * step, -(-end // step) * step
        # Whole chunks, zeros behind the last row: nothing is read back to write a part of one, and
        # nothing that was there stays behind (of episodes that `keep` forgot).
        rows = np.zeros((stop - first, *array.shape[1:]), array.dtype)
        rows[: start - first] = self._before(name, first, start)
        rows[start - first : end - first] = values
        of_rows(array, stop)[first:stop] = rows
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
        seal(self._path / aside, **about)
        replace_files(with_rows(self._path / aside, row))
        shutil.rmtree(self._path / name, ignore_errors=True)
        (self._path / aside).rename(self._path / folder / own)
        shutil.rmtree(self._path / ADDING)
        self._open.clear()
        self._names.clear()
        self._begun.clear()

    def _create(self, name: str, values: np.ndarray, chunk: int) -> None:
        """Make an empty array, aside, and put it in place with its description whole."""
        said: Any = self._group.attrs
        error_mm = said["error_mm"] if name == "data/point_cloud" else 0
        folder, _, own = name.partition("/")
        per_file = said.get("shards") if folder in ("data", ADDING) else None
        shards = (per_file * chunk, *values.shape[1:]) if per_file else None
        shutil.rmtree(self._path / MAKING, ignore_errors=True)  # Of a writer that was killed.
        self._group.create_array(
            f"{MAKING}/{own}",
            shape=(0, *values.shape[1:]),
            chunks=(chunk, *values.shape[1:]),
            dtype=values.dtype,
            shards=shards,
            **codecs(values, error_mm, said["zarr_format"]),
        )
        seal(self._path / MAKING / own)
        self._group.require_group(folder)
        if not described(self._path / name):  # An empty folder of older writers may stand there.
            shutil.rmtree(self._path / name, ignore_errors=True)
        (self._path / MAKING / own).rename(self._path / name)
        shutil.rmtree(self._path / MAKING)
        self._names.clear()

    def _each(self, lengths: Mapping[str, int]) -> "list[tuple[str, zarr.Array[Any], int]]":
        """Give every array with its name and the rows it should have, by its folder's name."""
        return [
            (f"{folder}/{name}", self[f"{folder}/{name}"], length)
            for folder, length in lengths.items()
            for name in self.names(folder)
        ]

    def commit(
        self, lengths: Mapping[str, int], ends: tuple[str, int, np.ndarray] | None = None
    ) -> None:
        """Show readers so many rows of the arrays in `data` and `meta`, at once.

        Files take their places one after another, so that a reader of ours finds what it needs at
        every moment, and another's is at odds for as few of them as can be: first the descriptions
        under `meta`, then those of `data`, the ends, and their description.

        Args:
            lengths: By folder.
            ends: The array of ends, the number of its last chunk, and that chunk's rows.
        """
        grown = sorted(self._each(lengths), key=lambda each: not each[0].startswith("meta/"))
        last = [each for each in grown if ends and each[0] == ends[0]]
        files: dict[Path, bytes] = {}
        for name, _, length in (each for each in grown if each not in last):
            files |= with_rows(self._path / name, length)
        if ends:
            name, number, rows = ends
            for file, content in encoded_chunk(self[name], number, rows).items():
                files[self._path / name / file] = content
            self._begun.pop(name, None)
        for name, _, length in last:
            files |= with_rows(self._path / name, length)
        replace_files(files)
        self._open |= {name: of_rows(array, length) for name, array, length in grown}

    def cut(self, lengths: Mapping[str, int], begun: Mapping[str, int]) -> None:
        """Cut off what lies beyond so many rows of the arrays in `data` and `meta`.

        Args:
            lengths: By folder.
            begun: Rows that an unfinished episode may have reached; see
                datasets/store/leftovers.py.
        """
        self._begun.clear()
        leftovers = Leftovers(self._path)
        for name, array, length in self._each(lengths):
            leftovers.clear(name, array, length, begun[name.partition("/")[0]])
        leftovers.tell()
        self.commit(lengths)

    def go_on(self, lengths: Mapping[str, int]) -> bool:
        """Tell whether a whole chunk beyond so many rows of an array was written."""
        for name, array, length in self._each(lengths):
            if is_there(array, self._path / name, -(-length // rows_per_file(array))):
                return True
        return False

    def require(self, name: str, length: int) -> None:
        """Look whether all chunks of so many rows are there, and whether the last is right.

        Raises:
            DamageError: One is missing, or the last is not what was written.
        """
        require_chunks(self[name], self._path / name, 0, length)
        self.read(name, max(length - 1, 0), length)
