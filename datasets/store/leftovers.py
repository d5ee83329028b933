"""Chunks beyond the last episode: those of an unfinished one go, others are put aside."""

import logging
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zarr

from datasets.store.chunks import rows_per_file

logger = logging.getLogger(__name__)

LEFT = "left_behind"  # The folder, within a store, of what no writer may delete.
CHUNK = re.compile(r"(\d+)(\..*)?")


class Leftovers:
    """Removes what lies beyond the last episode of one store.

    Args:
        path: The store's folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._place: Path | None = None
        self._moved = 0

    def clear(self, name: str, array: "zarr.Array[Any]", length: int, begun: int) -> None:
        """Remove the chunks of an array that its rows do not reach.

        Args:
            name: Its name, with its folder.
            array: It, opened.
            length: Its rows.
            begun: Rows that an unfinished episode of ours may have reached; what lies further is
                somebody's, and is put aside.
        """
        step = rows_per_file(array)
        first, strange = -(-length // step), False
        for chunk, file in list(_chunk_entries(array, self._path / name)):
            if chunk >= first and chunk * step < begun:
                _remove(file)
            elif chunk >= first:
                strange = True
                self._put_aside(name, file, copy=False)
        if strange and length % step:  # Its further rows are overwritten next.
            for chunk, file in list(_chunk_entries(array, self._path / name)):
                if chunk == first - 1:
                    self._put_aside(name, file, copy=True)

    def tell(self) -> None:
        """Say in one line what was put aside, if anything was."""
        if self._moved:
            logger.warning(
                "%s: %d files beyond the last episode, which no unfinished episode explains, were"
                " put into %s",
                self._path, self._moved, self._place,
            )  # fmt: skip

    def _put_aside(self, name: str, file: Path, *, copy: bool) -> None:
        if self._place is None:
            self._place = self._new_place()
        target = self._place / name / file.relative_to(self._path / name)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not copy:
            file.rename(target)
        elif file.is_dir():
            shutil.copytree(file, target)
        else:
            shutil.copy2(file, target)
        self._moved += not copy

    def _new_place(self) -> Path:
        number = 0
        while (self._path / LEFT / str(number)).exists():
            number += 1
        return self._path / LEFT / str(number)


def _chunk_entries(array: "zarr.Array[Any]", folder: Path) -> Iterator[tuple[int, Path]]:
    """Give the files (or folders) of an array's chunks with the number of their first axis."""
    place = folder / "c" if array.metadata.zarr_format == 3 else folder
    for entry in place.iterdir() if place.is_dir() else ():
        if found := CHUNK.fullmatch(entry.name):
            yield int(found[1]), entry


def _remove(file: Path) -> None:
    if file.is_dir() and not file.is_symlink():
        shutil.rmtree(file)
    else:
        file.unlink(missing_ok=True)
