"""What a store's folder holds: its arrays and where episodes end, read with care."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from jaxtyping import Int

from datasets.store.arrays import StoreArrays
from datasets.store.chunks import DamageError, explain
from datasets.store.episode_ends import ENDS, Ends, read_ends
from perception.errors import InputError


class Contents:
    """The arrays of one store, as far as its episodes are whole.

    Args:
        path: The store's folder.
        group: It, opened.

    Attributes:
        arrays: By name; rows beyond the last whole episode among them.
        episode_ends: Where each whole episode ends, exclusive.
        begun: The end of an episode that is not whole, or that of the last one.

    Raises:
        InputError: The ends of episodes are lost or damaged.
    """

    def __init__(self, path: Path, group: zarr.Group) -> None:
        self.path, self.group = path, group
        self.arrays = StoreArrays(path, group)
        self.episode_ends: Int[np.ndarray, " episode"] = np.zeros(0, np.int64)
        ends = self._read_ends()
        self.episode_ends, self.begun = ends.whole, ends.begun

    def _read_ends(self) -> Ends:
        if ENDS in self.arrays:
            with self._explained(ENDS):
                return read_ends(self.arrays[ENDS], self.path / ENDS, self._goes_on)
        version: Any = self.group.attrs["schema_version"]
        if version >= 3 and self._goes_on(0, 0):
            raise InputError(
                f"{self.path} has lost {ENDS}, which says where episodes end: restore it from a"
                " copy, or make the store again"
            )
        return Ends(np.zeros(0, np.int64), 0)

    def _goes_on(self, episodes: int, steps: int) -> bool:
        return self.arrays.go_on({"data": steps, "meta": episodes})

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        """Say what is lost where an array is damaged."""
        try:
            yield
        except DamageError as damage:
            raise InputError(explain(damage, self.path, name, self.episode_ends)) from damage

    @property
    def lengths(self) -> dict[str, int]:
        """The rows of every array, by its folder: steps of `data`, episodes of `meta`."""
        steps = int(self.episode_ends[-1]) if len(self.episode_ends) else 0
        return {"data": steps, "meta": len(self.episode_ends)}

    def steps_of(self, episode: int) -> slice:
        """Give the steps of one episode."""
        ends = self.episode_ends
        return slice(int(ends[episode - 1]) if episode else 0, int(ends[episode]))

    def rows(self, name: str, start: int, stop: int) -> np.ndarray:
        """Read rows of an array; `name` is with its folder.

        Raises:
            InputError: It is shorter than its episodes, or damaged.
        """
        if name == ENDS:  # Its length on the disk may lag behind.
            return self.episode_ends[start:stop]
        self._require_length(name)
        with self._explained(name):
            return self.arrays.read(name, start, stop)

    def _require_length(self, name: str) -> None:
        folder = name.partition("/")[0]
        there, length = self.arrays[name].shape[0], self.lengths[folder]
        if there < length:
            unit = "steps" if folder == "data" else "episodes"
            raise InputError(f"{self.path}: {name} has {there} of {length} {unit}")

    def verify(self) -> None:
        """Check that the next episode can be written after the last.

        Raises:
            InputError: A chunk is lost, or the last one, which the next episode goes into, is
                damaged.
        """
        named = [
            (f"{f}/{n}", rows) for f, rows in self.lengths.items() for n in self.arrays.names(f)
        ]
        for name, length in named:
            if name != ENDS:  # They were read.
                self._require_length(name)
                with self._explained(name):
                    self.arrays.require(name, length)

    def cut(self) -> None:
        """Cut off what lies beyond the last whole episode."""
        lengths = self.lengths
        self.arrays.cut(lengths, {"data": self.begun, "meta": lengths["meta"] + 1})
        self.begun = lengths["data"]
