"""A store in numbers: how much of what, how good, and how large on disk."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from jaxtyping import Bool, Float, Int

from datasets.store import EpisodeStore

QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
DP3_POINT_BYTES = 6 * 4  # DP3 stores position and colour of every point as float32.


@dataclass(frozen=True)
class SummaryConfig:
    """What to summarise, and where to keep it."""

    data: Path
    out: Path | None


@dataclass(frozen=True)
class Outcomes:
    """What each episode of a store came to.

    Attributes:
        lengths: Steps.
        returns: Sum of the rewards.
        at_end: Whether the goal was reached at the last step.
        ever: Whether it was reached at any.
        noise: Standard deviation of the noise on the behaviour's actions.
        success_at: Which of the two counts, by the task's rule: `end` or `ever`.
    """

    lengths: Int[np.ndarray, " episode"]
    returns: Float[np.ndarray, " episode"]
    at_end: Bool[np.ndarray, " episode"]
    ever: Bool[np.ndarray, " episode"]
    noise: Float[np.ndarray, " episode"]
    success_at: str

    @property
    def successes(self) -> Bool[np.ndarray, " episode"]:
        """Whether each episode succeeded under its task's rule."""
        return self.at_end if self.success_at == "end" else self.ever


@dataclass(frozen=True)
class NoiseBand:
    """A quarter of the episodes, by how noisily they were acted."""

    low: float
    high: float
    episodes: int
    successes: int


@dataclass(frozen=True)
class ArrayCard:
    """One array of a store: all its steps, and its bytes on disk."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    stored_bytes: int


@dataclass(frozen=True)
class Card:
    """A store in numbers.

    Attributes:
        success_at: Which success counts, by the task's rule: `end` or `ever`.
        at_end: Episodes that have reached the goal at their last step.
        ever: Episodes that have reached it at any.
        return_quantiles: Least, quarter, median, three quarters, greatest.
        noise_bands: Success from the least noisy quarter of the episodes to the noisiest.
        stored_bytes: The whole folder on disk.
        dp3_cloud_bytes: What DP3's float32 positions and colours would take for these clouds.
    """

    task: str
    episodes: int
    steps: int
    success_at: str
    at_end: int
    ever: int
    return_quantiles: tuple[float, ...]
    noise_bands: tuple[NoiseBand, ...]
    arrays: tuple[ArrayCard, ...]
    stored_bytes: int
    dp3_cloud_bytes: int

    @property
    def cloud_bytes(self) -> int:
        """What the clouds take on disk."""
        return next(array.stored_bytes for array in self.arrays if array.name == "point_cloud")


def outcomes(store: EpisodeStore) -> Outcomes:
    """Read what each episode came to."""
    ends = store.episode_ends
    starts = np.concatenate([[0], ends[:-1]])
    rewards, successes = store.read("reward").astype(np.float64), store.read("success").astype(bool)
    return Outcomes(
        lengths=ends - starts,
        returns=np.add.reduceat(rewards, starts),
        at_end=successes[ends - 1],
        ever=np.logical_or.reduceat(successes, starts),
        noise=store.read("meta/noise"),
        success_at=cast(str, store.attributes["identity"]["env"]["success_at"]),
    )


def make_card(store: EpisodeStore) -> Card:
    """Count and measure a store."""
    known = outcomes(store)
    arrays = tuple(_measure(store, name) for name in store.names)
    points = next(array.shape[1] for array in arrays if array.name == "point_cloud")
    return Card(
        task=store.attributes["task"],
        episodes=store.episodes,
        steps=store.steps,
        success_at=known.success_at,
        at_end=int(known.at_end.sum()),
        ever=int(known.ever.sum()),
        return_quantiles=tuple(float(q) for q in np.quantile(known.returns, QUANTILES)),
        noise_bands=noise_bands(known),
        arrays=arrays,
        stored_bytes=folder_bytes(store.path),
        dp3_cloud_bytes=store.steps * points * DP3_POINT_BYTES,
    )


def noise_bands(known: Outcomes) -> tuple[NoiseBand, ...]:
    """Tell how success falls with noise: four bands of equally many episodes."""
    order = np.argsort(known.noise, kind="stable")
    bands = [rows for rows in np.array_split(order, 4) if len(rows)]
    return tuple(
        NoiseBand(
            float(known.noise[rows[0]]),
            float(known.noise[rows[-1]]),
            len(rows),
            int(known.successes[rows].sum()),
        )
        for rows in bands
    )


def folder_bytes(path: Path) -> int:
    """Add up the files of a folder."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _measure(store: EpisodeStore, name: str) -> ArrayCard:
    first = store.read(name, slice(0, 1))
    size = folder_bytes(store.path / "data" / name)
    return ArrayCard(name, (store.steps, *first.shape[1:]), str(first.dtype), size)
