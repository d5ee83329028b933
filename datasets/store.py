"""The Zarr store: DP3's layout, episodes that are wholly there or not at all.

    data/point_cloud  (step, point, 3 or 6) float32     data/action   (step, action)  float32
    data/state        (step, reading)       float32     data/reward   (step,)         float32
    data/sim_state    (step, scene)         float64     data/success  (step,)         bool
    data/img, data/depth (step, height, width, ...)     if asked for
    meta/episode_ends (episode,) int64, cumulative and exclusive
    meta/seed, noise, random_share, start_state, agent, agent_step: where each episode comes from

Only action, state and episode_ends are always there: the record of a learning agent has no clouds,
and what others have recorded may have no rewards and no simulator state.

Arrays grow ahead of what is written. An episode's data is written first and its end last, so
whatever lies beyond the last end is spare, or the rest of a killed writer; it is cut off when
writing ends, or by the next writer. Attributes hold all that is needed to make the store again.
Points are kept as 16-bit integers through a standard codec: every reader sees float32, at most
`error_mm` from what was rendered.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np
import zarr
from jaxtyping import Int

from datasets.compression import StoreFormat, codecs
from datasets.episode import Episode, Provenance, Recording
from perception.errors import InputError

SCHEMA_VERSION = 2
PROVENANCE = ("seed", "noise", "random_share", "start_state", "agent", "agent_step")
CHUNK_STEPS = 100
CHUNK_EPISODES = 100
SPARE_CHUNKS = 100  # Arrays grow by this many at a time: growing costs as much as writing.


class EpisodeStore:
    """Episodes in one Zarr group; see the module.

    Attributes:
        path: The store's folder.
        episode_ends: Where each whole episode ends, exclusive, as of opening or the last append.
    """

    def __init__(self, path: Path, group: zarr.Group) -> None:
        self.path, self._group = path, group
        self._arrays: dict[str, zarr.Array[Any]] = {}
        self.episode_ends = self._read_ends()

    @classmethod
    def open(cls, path: Path) -> "EpisodeStore":
        """Open a store to read.

        Raises:
            InputError: It does not exist, was cut off before its first episode, or is newer than
                this program.
        """
        if not path.exists():
            raise InputError(f"There is no store {path}: collect it first (datasets/collect.py)")
        try:
            store = cls(path, zarr.open_group(path, mode="r"))
            version = int(cast(int, store.attributes["schema_version"]))
        except (FileNotFoundError, KeyError, ValueError) as error:
            raise InputError(f"{path} is not a store of this project: {error}") from error
        if version > SCHEMA_VERSION:
            raise InputError(f"{path} has schema {version}; this program knows {SCHEMA_VERSION}")
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
            InputError: Another writer is at work, or the store was made by another command.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        with _only_writer(path):
            if path.exists():
                store = cls(path, _open_to_continue(path, attributes))
                store._cut(store.steps)
            else:
                group = zarr.open_group(path, mode="w", zarr_format=cast(Any, format_.zarr_format))
                own = {"schema_version": SCHEMA_VERSION, **asdict(format_)}
                group.attrs.update({**attributes, **own})
                store = cls(path, group)
            try:
                yield store
            finally:
                store._cut(store.steps)

    @property
    def attributes(self) -> dict[str, Any]:
        """Everything the store says of itself."""
        return dict(self._group.attrs)

    def _read_ends(self) -> Int[np.ndarray, " episode"]:
        """Read where each whole episode ends, exclusive."""
        if not self._has("meta/episode_ends"):
            return np.zeros(0, np.int64)
        ends = np.asarray(self._array("meta/episode_ends")[:])
        # A writer killed between growing this array and filling it leaves a zero behind.
        whole = np.diff(ends, prepend=0) > 0
        return ends if whole.all() else ends[: int(np.argmin(whole))]

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
        return sorted(cast(zarr.Group, self._group["data"]).array_keys())

    def read(self, name: str, rows: slice = slice(None)) -> np.ndarray:
        """Read steps of an array under `data`, or all of one under `meta` (`meta/seed`).

        Raises:
            InputError: There is no such array, or it is shorter than its episodes.
        """
        if name.startswith("meta/"):
            return np.asarray(self._array(name)[: self.episodes])
        if name not in self.names:
            raise InputError(f"{self.path} has no data/{name}; it has {', '.join(self.names)}")
        array = self._array(f"data/{name}")
        if array.shape[0] < self.steps:
            raise InputError(f"{self.path}: data/{name} has {array.shape[0]} of {self.steps} steps")
        start, stop, _ = rows.indices(self.steps)
        return np.asarray(array[start:stop])

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
        if not self._has("meta/seed"):
            return None
        row = {name: np.asarray(self._array(f"meta/{name}")[index]) for name in PROVENANCE}
        return Provenance(
            seed=int(row["seed"]),
            noise=float(row["noise"]),
            random_share=float(row["random_share"]),
            start=row["start_state"],
            agent=int(row["agent"]),
            agent_step=int(row["agent_step"]),
        )

    def read_episode(self, index: int) -> Episode:
        """Read one episode whole."""
        rows, recording = self.rows(index), self.read_recording(index)
        pictures = {n: self.read(n, rows) for n in self.names if n.startswith(("img", "depth"))}
        return Episode(recording, self.read("point_cloud", rows), pictures)

    def append(self, episode: Episode | Recording) -> None:
        """Write one episode; until this returns, the store is as before for every reader.

        Raises:
            InputError: The episodes before hold other arrays than this one.
        """
        recording, data = _arrays_of(episode)
        ends = self.episode_ends
        start, row = int(ends[-1]) if len(ends) else 0, len(ends)
        if row and sorted(data) != self.names:
            raise InputError(
                f"{self.path} holds {', '.join(self.names)}; the next episode {', '.join(data)}"
            )
        for name, values in data.items():
            self._write(f"data/{name}", values, start, CHUNK_STEPS)
        if (known := recording.provenance) is not None:
            meta = (
                known.seed, known.noise, known.random_share, known.start,
                known.agent, known.agent_step,
            )  # fmt: skip
            for name, value in zip(PROVENANCE, meta, strict=True):
                self._write(f"meta/{name}", np.asarray(value)[None], row, CHUNK_EPISODES)
        end = np.array([start + len(recording)])
        self._write("meta/episode_ends", end, row, CHUNK_EPISODES)
        self.episode_ends = np.append(ends, end)

    def keep(self, episodes: int) -> None:
        """Forget all but the first episodes, the newest first to go."""
        ends = self.episode_ends[:episodes]
        if len(ends) < self.episodes:
            self._array("meta/episode_ends").resize((len(ends),))  # First: readers see only wholes.
            self.episode_ends = ends
            self._cut(self.steps)

    def _write(self, name: str, values: np.ndarray, start: int, chunk: int) -> None:
        if not self._has(name):
            self._create(name, values, chunk)
        array, end = self._array(name), start + len(values)
        if array.shape[0] < end:
            spare = SPARE_CHUNKS * chunk
            array.resize((-(-end // spare) * spare, *array.shape[1:]))
        array[start:end] = values

    def _create(self, name: str, values: np.ndarray, chunk: int) -> None:
        attributes = self.attributes
        error_mm = attributes["error_mm"] if name == "data/point_cloud" else 0
        filters, compressor = codecs(values, error_mm, attributes["zarr_format"])
        self._group.create_array(
            name,
            shape=(0, *values.shape[1:]),
            chunks=(chunk, *values.shape[1:]),
            dtype=values.dtype,
            filters=filters,
            compressors=compressor,
        )

    def has(self, name: str) -> bool:
        """Tell whether there is an array, e.g. `data/reward` or `meta/noise`."""
        return self._has(name)

    def _has(self, name: str) -> bool:
        return name in self._arrays or name in self._group

    def _array(self, name: str) -> "zarr.Array[Any]":
        if name not in self._arrays:
            self._arrays[name] = cast("zarr.Array[Any]", self._group[name])
        return self._arrays[name]

    def _cut(self, steps: int) -> None:
        """Cut off what lies beyond the last whole episode."""
        lengths = {"data": steps, "meta": self.episodes}
        for folder in (f for f in lengths if f in self._group):
            for name, array in cast(zarr.Group, self._group[folder]).arrays():
                if array.shape[0] != lengths[folder]:
                    self._array(f"{folder}/{name}").resize((lengths[folder], *array.shape[1:]))


def _arrays_of(episode: Episode | Recording) -> tuple[Recording, dict[str, np.ndarray]]:
    """Name what an episode holds as the store does, without what was never recorded."""
    seen: dict[str, np.ndarray] = {}
    if isinstance(episode, Episode):
        seen = {"point_cloud": episode.points, **episode.images}
        episode = episode.recording
    known = {
        "state": episode.states,
        "action": episode.actions,
        "reward": episode.rewards,
        "success": episode.successes,
        "sim_state": episode.sim_states,
    }
    return episode, {**seen, **{name: a for name, a in known.items() if a is not None}}


def _open_to_continue(path: Path, attributes: dict[str, Any]) -> zarr.Group:
    """Open an unfinished store, if it was made by the same command."""
    try:
        group = zarr.open_group(path, mode="r+")
        identity = cast(dict[str, Any], group.attrs["identity"])
    except (FileNotFoundError, KeyError, ValueError) as error:
        raise InputError(f"{path} exists and is not a store of this project: {error}") from error
    wanted = attributes["identity"]
    keys = sorted(identity.keys() | wanted.keys())
    differing = [k for k in keys if identity.get(k) != wanted.get(k)]
    if differing:
        told = "; ".join(f"{k}: there {identity.get(k)}, here {wanted.get(k)}" for k in differing)
        raise InputError(f"{path} was made by another command ({told}); choose another out=")
    return group


@contextmanager
def _only_writer(path: Path) -> Iterator[None]:
    """Hold the lock of a store; it goes with its process, however that ends."""
    lock = path.with_name(f".{path.name}.lock")
    with lock.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"Another process is writing {path}") from error
        yield
