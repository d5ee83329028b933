"""The Zarr store: DP3's layout, episodes that are wholly there or not at all.

    data/point_cloud  (step, point, 3 or 6) float32     data/action   (step, action)  float32
    data/state        (step, reading)       float32     data/reward   (step,)         float32
    data/sim_state    (step, scene)         float64     data/success  (step,)         bool
    data/img, data/depth (step, height, width, ...)     if asked for; others, if they were recorded
    meta/episode_ends (episode,) int64, cumulative and exclusive
    meta/seed, noise, random_share, start_state, agent, agent_step: where each episode comes from

Only action, state and episode_ends are always there: the record of a learning agent has no clouds,
and what others have recorded may have no rewards and no simulator state.

Arrays grow ahead of what is written. An episode's data is written first and its end last, so
whatever lies beyond the last end is spare, or the rest of a killed writer; it is cut off when
writing ends, or by the next writer. Every chunk carries a checksum, which every reader verifies;
one that is missing or damaged is an error (datasets/store/chunks.py), never zeros. Attributes hold
all that is needed to make the store again.
Points are kept as 16-bit integers through a standard codec: every reader sees float32, at most
`error_mm` from what was rendered.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from jaxtyping import Int

from datasets.episode import USUAL, Episode, Provenance, Recording, arrays_of, row_of
from datasets.store.arrays import StoreArrays
from datasets.store.chunk_codecs import StoreFormat
from datasets.store.chunks import DamageError, explain
from datasets.store.episode_ends import CHUNK_EPISODES, ENDS, read_ends
from datasets.store.group import (
    SCHEMA_VERSION,
    create_group,
    only_writer,
    open_group,
    open_to_continue,
)
from perception.errors import InputError

PROVENANCE = ("seed", "noise", "random_share", "start_state", "agent", "agent_step")
CHUNK_STEPS = 100


class EpisodeStore:
    """Episodes in one Zarr group; see the module.

    Attributes:
        path: The store's folder.
        episode_ends: Where each whole episode ends, exclusive, as of opening or the last append.
    """

    def __init__(self, path: Path, group: zarr.Group) -> None:
        self.path, self._group = path, group
        self._arrays = StoreArrays(path, group)
        self.episode_ends: Int[np.ndarray, " episode"] = np.zeros(0, np.int64)
        self.episode_ends = self._read_ends()

    @classmethod
    def open(cls, path: Path) -> "EpisodeStore":
        """Open a store to read.

        Raises:
            InputError: It does not exist, is damaged, was cut off before its first episode, or is
                newer than this program.
        """
        if not path.exists():
            raise InputError(f"There is no store {path}: collect it first (datasets/collect.py)")
        store = cls(path, open_group(path, "r"))
        if store.episodes == 0:
            raise InputError(f"{path} holds no whole episode: continue the command that made it")
        return store

    @classmethod
    @contextmanager
    def writing(
        cls, path: Path, format_: StoreFormat, attributes: dict[str, Any]
    ) -> Iterator["EpisodeStore"]:
        """Create a store, or continue one made by the same command; one writer at a time.

        Args:
            path: Its folder.
            format_: How to write it.
            attributes: Described under "identity" is what must agree to continue.

        Raises:
            InputError: Another writer is at work, the store was made by another command, or it is
                damaged where writing goes on.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        with only_writer(path):
            if path.exists():
                store = cls(path, open_to_continue(path, attributes))
                store._verify()
                store._arrays.cut(store._lengths)
            else:
                own = {"schema_version": SCHEMA_VERSION, **asdict(format_)}
                store = cls(path, create_group(path, format_, {**attributes, **own}))
            try:
                yield store
            finally:
                store._arrays.cut(store._lengths)

    @property
    def attributes(self) -> dict[str, Any]:
        """Everything the store says of itself."""
        return dict(self._group.attrs)

    def _read_ends(self) -> Int[np.ndarray, " episode"]:
        """Read where each whole episode ends, exclusive."""
        if ENDS in self._arrays:
            with self._explained(ENDS):
                return read_ends(self._arrays[ENDS], self.path / ENDS, self._goes_on)
        if self.attributes["schema_version"] >= 3 and self._goes_on(0, 0):
            raise InputError(
                f"{self.path} has lost {ENDS}, which says where episodes end: restore it from a"
                " copy, or make the store again"
            )
        return np.zeros(0, np.int64)

    def _goes_on(self, episodes: int, steps: int) -> bool:
        return self._arrays.go_on({"data": steps, "meta": episodes})

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        """Say what is lost where an array is damaged."""
        try:
            yield
        except DamageError as damage:
            raise InputError(explain(damage, self.path, name, self.episode_ends)) from damage

    def _verify(self) -> None:
        """Refuse to go on where a chunk is lost, or the last is damaged: the next goes into it."""
        for folder, length in self._lengths.items():
            for name in self._arrays.names(folder):
                self._require_length(f"{folder}/{name}")
                with self._explained(f"{folder}/{name}"):
                    self._arrays.require(f"{folder}/{name}", length)

    @property
    def _lengths(self) -> dict[str, int]:
        """The rows of every array, by its folder."""
        return {"data": self.steps, "meta": self.episodes}

    @property
    def episodes(self) -> int:
        """How many whole episodes there are."""
        return len(self.episode_ends)

    @property
    def steps(self) -> int:
        """How many steps they have together."""
        return int(self.episode_ends[-1]) if self.episodes else 0

    @property
    def names(self) -> list[str]:
        """The arrays under `data`."""
        return self._arrays.names("data")

    @property
    def further_names(self) -> list[str]:
        """The arrays that its episodes brought beside the usual; none that was added later."""
        return [name for name in self.names if name not in USUAL and not self.about(name)]

    def has(self, name: str) -> bool:
        """Tell whether there is an array, e.g. `data/reward` or `meta/noise`."""
        return name in self._arrays

    def read(self, name: str, rows: slice = slice(None)) -> np.ndarray:
        """Read steps of an array under `data`, or all of one under `meta` (`meta/seed`).

        Raises:
            InputError: There is no such array, it is shorter than its episodes, or it is damaged.
        """
        if name.startswith("meta/"):
            return self._rows(name, 0, self.episodes)
        if name not in self.names:
            raise InputError(f"{self.path} has no data/{name}; it has {', '.join(self.names)}")
        start, stop, _ = rows.indices(self.steps)
        return self._rows(f"data/{name}", start, stop)

    def _rows(self, name: str, start: int, stop: int) -> np.ndarray:
        self._require_length(name)
        with self._explained(name):
            return self._arrays.read(name, start, stop)

    def _require_length(self, name: str) -> None:
        folder = name.partition("/")[0]
        there, length = self._arrays[name].shape[0], self._lengths[folder]
        if there < length:
            unit = "steps" if folder == "data" else "episodes"
            raise InputError(f"{self.path}: {name} has {there} of {length} {unit}")

    def rows(self, index: int) -> slice:
        """Give the steps of one episode."""
        ends = self.episode_ends
        return slice(int(ends[index - 1]) if index else 0, int(ends[index]))

    def read_recording(self, index: int) -> Recording:
        """Read what the simulator knew of one episode, without its clouds."""
        rows = self.rows(index)

        def read(name: str) -> np.ndarray | None:
            return self.read(name, rows) if name in self.names else None

        return Recording(
            states=self.read("state", rows),
            actions=self.read("action", rows),
            rewards=read("reward"),
            successes=read("success"),
            sim_states=read("sim_state"),
            provenance=self._read_provenance(index),
        )

    def _read_provenance(self, index: int) -> Provenance | None:
        if not self.has("meta/seed"):
            return None
        old = self.attributes["schema_version"] < 2  # Without the agent.
        names = PROVENANCE[:4] if old else PROVENANCE
        row = {name: self._rows(f"meta/{name}", index, index + 1)[0] for name in names}
        return Provenance(
            seed=int(row["seed"]),
            noise=float(row["noise"]),
            random_share=float(row["random_share"]),
            start=row["start_state"],
            agent=int(row.get("agent", 0)),
            agent_step=int(row.get("agent_step", 0)),
        )

    def read_episode(self, index: int) -> Episode:
        """Read one episode whole."""
        rows, recording = self.rows(index), self.read_recording(index)
        further = {name: self.read(name, rows) for name in self.further_names}
        return Episode(recording, self.read("point_cloud", rows), further)

    def append(self, episode: Episode | Recording) -> None:
        """Write one episode; until this returns, the store is as before for every reader.

        Raises:
            InputError: The episodes before hold other arrays than this one.
        """
        recording, data = arrays_of(episode)
        ends = self.episode_ends
        start, row = int(ends[-1]) if len(ends) else 0, len(ends)
        if row and sorted(data) != self.names:
            raise InputError(
                f"{self.path} holds {', '.join(self.names)}; the next episode {', '.join(data)}"
            )
        if row and (recording.provenance is not None) != self.has("meta/seed"):
            raise InputError(f"{self.path}: some episodes say where they come from, others do not")
        if (
            row % CHUNK_EPISODES == 0
        ):  # Begun before its episodes: see datasets/store/episode_ends.py.
            self._arrays.write(ENDS, np.zeros(1, np.int64), row, chunk=CHUNK_EPISODES)
        for name, values in data.items():
            self._arrays.write(f"data/{name}", values, start, chunk=CHUNK_STEPS)
        if (known := recording.provenance) is not None:
            for name, value in row_of(known).items():
                values = np.asarray(value)[None]
                self._arrays.write(f"meta/{name}", values, row, chunk=CHUNK_EPISODES)
        end = np.array([start + len(recording)])
        self._arrays.write(ENDS, end, row, chunk=CHUNK_EPISODES)
        self.episode_ends = np.append(ends, end)

    def add_array(self, name: str, parts: Iterable[np.ndarray], about: dict[str, str]) -> None:
        """Write a further array under `data`, wholly or not at all; one of that name is replaced.

        Args:
            name: Without its folder.
            parts: Its rows in order, one for each step.
            about: What to say of it.

        Raises:
            InputError: Another process is writing this store.
        """
        with only_writer(self.path):
            writable = StoreArrays(self.path, open_group(self.path, "r+"))
            writable.add(f"data/{name}", parts, about, chunk=CHUNK_STEPS)
        self._arrays = StoreArrays(self.path, self._group)

    def about(self, name: str) -> dict[str, Any]:
        """Give what an array under `data` says of itself.

        Raises:
            InputError: There is no such array.
        """
        self.read(name, slice(0, 0))  # There it is, or here it is said that it is not.
        return dict(self._arrays[f"data/{name}"].attrs)

    def keep(self, episodes: int) -> None:
        """Forget all but the first episodes, the newest first to go."""
        ends = self.episode_ends[:episodes]
        if len(ends) < self.episodes:
            self._arrays[ENDS].resize((len(ends),))  # First: readers see only wholes.
            self.episode_ends = ends
            self._arrays.cut(self._lengths)
