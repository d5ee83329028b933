"""The Zarr store: DP3's layout, episodes that are wholly there or not at all.

    data/point_cloud  (step, point, 3 or 6) float32     data/action   (step, action)  float32
    data/state        (step, reading)       float32     data/reward   (step,)         float32
    data/sim_state    (step, scene)         float64     data/success  (step,)         bool
    data/img, data/depth (step, height, width, ...)     if asked for; others, if they were recorded
    meta/episode_ends (episode,) int64, cumulative and exclusive
    meta/seed, noise, random_share, start_state, agent, agent_step: where each episode comes from

Only action, state and episode_ends are always there: the record of a learning agent has no clouds,
and data of other projects may have no rewards and no simulator state.

An episode's data is written first and its end last, in the same moment as the lengths of all
arrays; whatever lies beyond the last end was left by a killed writer, and the next one clears it
(datasets/store/leftovers.py). Every chunk carries a checksum, which every reader verifies
(datasets/store/chunks.py). Attributes hold all that is needed to make the store again. Points are
kept as 16-bit integers through a standard codec: every reader sees float32, at most `error_mm`
from what was rendered.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from jaxtyping import Int

from configs.build import build
from configs.locks import only_writer
from datasets.episode import HOW_TO_ADD, USUAL, Episode, Recording
from datasets.store.arrays import StoreArrays
from datasets.store.chunk_codecs import StoreFormat
from datasets.store.contents import Contents
from datasets.store.descriptions import unsealed
from datasets.store.ending import writing_ends
from datasets.store.episodes import CHUNK_STEPS, append_episodes, keep_first, read_recording
from datasets.store.group import (
    SCHEMA_VERSION,
    create_group,
    identity_of,
    open_group,
    open_to_continue,
)
from envs.config import EnvConfig
from perception.errors import InputError


class EpisodeStore:
    """Episodes in one Zarr group; see the module.

    Attributes:
        path: The store's folder.
    """

    def __init__(self, path: Path, group: zarr.Group) -> None:
        self.path, self._contents = path, Contents(path, group)

    @classmethod
    def begun(cls, path: Path) -> "EpisodeStore":
        """Open a store for what it says of itself; it may hold no whole episode yet.

        Raises:
            InputError: It is no store, is damaged, or is newer than this program.
        """
        return cls(path, open_group(path, "r"))

    @classmethod
    def open(cls, path: Path) -> "EpisodeStore":
        """Open a store to read.

        Raises:
            InputError: It does not exist, is damaged, was cut off before its first episode, or is
                newer than this program.
        """
        if not path.exists():
            raise InputError(f"There is no store {path}: collect it first (datasets/collect.py)")
        store = cls.begun(path)
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
        with only_writer(path):
            fresh = not path.exists()
            if not fresh:
                store = cls(path, open_to_continue(path, attributes))
                store._contents.verify()
                store._contents.cut()
            else:
                own = {"schema_version": SCHEMA_VERSION, **format_.described}
                store = cls(path, create_group(path, format_, {**attributes, **own}))
            with writing_ends(store._contents, fresh=fresh):
                yield store

    @property
    def attributes(self) -> dict[str, Any]:
        """Everything the store says of itself."""
        return unsealed(self._contents.group.attrs)

    @property
    def identity(self) -> dict[str, Any]:
        """What must agree to continue the store, in today's keys.

        Raises:
            InputError: It holds what no program wrote.
        """
        return identity_of(self._contents.group, self.path)

    @property
    def env(self) -> EnvConfig:
        """The task that was recorded, and how it was seen.

        Raises:
            InputError: The store does not say: its clouds were recorded elsewhere.
        """
        identity = self.identity
        if "env" not in identity:
            raise InputError(f"{self.path} does not hold its task: it was recorded elsewhere")
        return build(EnvConfig, identity["env"], f"{self.path}: ")

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What tells a store from one that has grown or was made anew: counts, and the seed."""
        seed = self.attributes["identity"].get("seed")
        return {"episodes": self.episodes, "steps": self.steps, "seed": seed}

    @property
    def episode_ends(self) -> Int[np.ndarray, " episode"]:
        """Where each whole episode ends, exclusive, as of opening or the last append."""
        return self._contents.episode_ends

    @property
    def episodes(self) -> int:
        """How many whole episodes there are."""
        return len(self.episode_ends)

    @property
    def steps(self) -> int:
        """How many steps they have together."""
        return self._contents.lengths["data"]

    @property
    def names(self) -> list[str]:
        """The arrays under `data`."""
        return self._contents.arrays.names("data")

    @property
    def further_names(self) -> list[str]:
        """The arrays that its episodes brought beside the usual; none that was added later."""
        return [name for name in self.names if name not in USUAL and not self.about(name)]

    def has(self, name: str) -> bool:
        """Tell whether there is an array, e.g. `data/reward` or `meta/noise`."""
        return name in self._contents.arrays

    def read(self, name: str, rows: slice = slice(None)) -> np.ndarray:
        """Read steps of an array under `data`, or all of one under `meta` (`meta/seed`).

        Raises:
            InputError: There is no such array, it is shorter than its episodes, or it is damaged.
        """
        if name.startswith("meta/"):
            return self._contents.rows(name, 0, self.episodes)
        if name not in self.names:
            hint = HOW_TO_ADD.get(name, "").format(self.path)
            raise InputError(
                f"{self.path} has no data/{name}; it has {', '.join(self.names)}{hint}"
            )
        start, stop, _ = rows.indices(self.steps)
        return self._contents.rows(f"data/{name}", start, stop)

    def rows(self, index: int) -> slice:
        """Give the steps of one episode."""
        return self._contents.steps_of(index)

    def read_recording(self, index: int) -> Recording:
        """Read one episode without its clouds."""
        return read_recording(self._contents, index)

    def read_episode(self, index: int) -> Episode:
        """Read one episode with its clouds."""
        rows, recording = self.rows(index), self.read_recording(index)
        further = {name: self.read(name, rows) for name in self.further_names}
        return Episode(recording, self.read("point_cloud", rows), further)

    def read_whole(self, index: int) -> Episode | Recording:
        """Read all of one episode: without clouds where the store has none."""
        drawn = "point_cloud" in self.names
        return self.read_episode(index) if drawn else self.read_recording(index)

    def append(self, *episodes: Episode | Recording) -> None:
        """Write one episode, or several at once; until this returns, readers see none of them.

        Raises:
            InputError: The episodes before hold other arrays than these.
        """
        append_episodes(self._contents, episodes)

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
        self._contents.arrays = StoreArrays(self.path, self._contents.group)

    def about(self, name: str) -> dict[str, Any]:
        """Give what an array under `data` says of itself.

        Raises:
            InputError: There is no such array.
        """
        self.read(name, slice(0, 0))  # Raises where there is none.
        return unsealed(self._contents.arrays[f"data/{name}"].attrs)

    def keep(self, episodes: int) -> None:
        """Forget all but the first episodes, the newest first to go."""
        keep_first(self._contents, episodes)
