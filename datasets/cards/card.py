"""A store in numbers: how much of what, how good, and how large on disk."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from configs.ranges import Stores
from datasets.cards.seen import Seen, points_on
from datasets.cards.sizes import card_bytes, folder_bytes
from datasets.store.store import EpisodeStore
from envs.success import counts_as_success

QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
NOT_RECORDED = "not recorded"
DP3_POINT_BYTES = 6 * 4  # DP3 stores position and colour of every point as float32.


@dataclass(frozen=True)
class SummaryConfig:
    """What to summarise, and where to keep it."""

    data: Stores
    out: Path | None


@dataclass(frozen=True)
class Outcomes:
    """What each episode of a store came to.

    Attributes:
        lengths: Steps.
        returns: Sum of the rewards.
        at_end: Whether the goal was reached at the last step.
        ever: Whether it was reached at any.
        noise: Standard deviation of the noise on the behaviour's actions; 0 where not recorded.
        agent_steps: How many steps a learning agent had taken before; 0 for other behaviours.
        judged: Whether successes were recorded; where not, they are False here.
        rewarded: Whether rewards were recorded; where not, they are 0 here.
        success_at: Which of the two counts, by the task's rule: `end` or `ever`.
    """

    lengths: Int[np.ndarray, " episode"]
    returns: Float[np.ndarray, " episode"]
    at_end: Bool[np.ndarray, " episode"]
    ever: Bool[np.ndarray, " episode"]
    noise: Float[np.ndarray, " episode"]
    agent_steps: Int[np.ndarray, " episode"]
    judged: bool
    rewarded: bool
    success_at: str

    @property
    def successes(self) -> Bool[np.ndarray, " episode"]:
        """Whether each episode succeeded under its task's rule; nothing where not `judged`."""
        return counts_as_success(self.at_end, self.ever, self.success_at)

    @property
    def ranked(self) -> Int[np.ndarray, " episode"]:
        """The episodes from the best to the worst: by success, then by return."""
        return np.lexsort((-self.returns, ~self.successes))


@dataclass(frozen=True)
class NoiseBand:
    """A quarter of the episodes, by how noisily they were acted."""

    low: float
    high: float
    episodes: int
    successes: int


@dataclass(frozen=True)
class Tenth:
    """A tenth of the episodes, in the order of time: of an agent's training, or of recording."""

    first_agent_step: int
    episodes: int
    successes: int
    mean_return: float


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
        judged: Whether successes were recorded; where not, those counted are 0.
        rewarded: Whether rewards were recorded; where not, returns are 0.
        return_quantiles: Least, quarter, median, three quarters, greatest.
        along_time: From the first tenth of the episodes to the last.
        action_quantiles: The same five of every number of an action.
        state_quantiles: Of every number of the robot state.
        noise_bands: Success from the least noisy quarter of the episodes to the noisiest.
        stored_bytes: The whole folder on disk.
        dp3_cloud_bytes: What DP3's float32 positions and colours would take for these clouds.
        seen: How many points of a cloud lie on hand, object and goal; None where none can tell.
    """

    task: str
    episodes: int
    steps: int
    success_at: str
    at_end: int
    ever: int
    judged: bool
    rewarded: bool
    return_quantiles: tuple[float, ...]
    along_time: tuple[Tenth, ...]
    action_quantiles: tuple[tuple[float, ...], ...]
    state_quantiles: tuple[tuple[float, ...], ...]
    noise_bands: tuple[NoiseBand, ...]
    arrays: tuple[ArrayCard, ...]
    stored_bytes: int
    dp3_cloud_bytes: int
    seen: Seen | None

    @property
    def cloud_bytes(self) -> int:
        """What the clouds take on disk; 0 where there are none."""
        return sum(array.stored_bytes for array in self.arrays if array.name == "point_cloud")

    @property
    def successes(self) -> int:
        """Episodes that succeeded under their task's rule."""
        return counts_as_success(self.at_end, self.ever, self.success_at)


def outcomes(store: EpisodeStore) -> Outcomes:
    """Read what each episode came to."""
    ends = store.episode_ends
    starts = np.concatenate([[0], ends[:-1]])
    rewards, successes = (
        store.read(name) if name in store.names else np.zeros(store.steps)
        for name in ("reward", "success")
    )
    successes = successes.astype(bool)
    names = [name for name in ("noise", "agent_step") if store.has(f"meta/{name}")]
    recorded = {name: store.read(f"meta/{name}") for name in names}
    env: dict[str, Any] = store.identity.get("env", {})
    return Outcomes(
        lengths=ends - starts,
        returns=np.add.reduceat(rewards.astype(np.float64), starts),
        at_end=successes[ends - 1],
        ever=np.logical_or.reduceat(successes, starts),
        noise=recorded.get("noise", np.zeros(len(ends))),
        agent_steps=recorded.get("agent_step", np.zeros(len(ends), np.int64)),
        judged="success" in store.names,
        rewarded="reward" in store.names,
        success_at=env.get("success_at", "ever"),
    )


def make_card(store: EpisodeStore, results: Outcomes) -> Card:
    """Count and measure a store; `results` is what its episodes came to."""
    arrays = tuple(_measure(store, name) for name in store.names)
    points = sum(array.shape[1] for array in arrays if array.name == "point_cloud")
    return Card(
        task=store.attributes["task"],
        episodes=store.episodes,
        steps=store.steps,
        success_at=results.success_at,
        at_end=int(results.at_end.sum()),
        ever=int(results.ever.sum()),
        judged=results.judged,
        rewarded=results.rewarded,
        return_quantiles=tuple(float(q) for q in np.quantile(results.returns, QUANTILES)),
        along_time=along_time(results),
        action_quantiles=_rounded(quantiles(store.read("action"))),
        state_quantiles=_rounded(quantiles(store.read("state"))),
        noise_bands=noise_bands(results),
        arrays=arrays,
        stored_bytes=folder_bytes(store.path) - card_bytes(store.path),
        dp3_cloud_bytes=store.steps * points * DP3_POINT_BYTES,
        seen=points_on(store),
    )


def along_time(results: Outcomes) -> tuple[Tenth, ...]:
    """Say how success and return change from the first tenth of the episodes to the last."""
    order = np.argsort(results.agent_steps, kind="stable")
    tenths = [rows for rows in np.array_split(order, 10) if len(rows)]
    return tuple(
        Tenth(
            int(results.agent_steps[rows[0]]),
            len(rows),
            int(results.successes[rows].sum()),
            float(results.returns[rows].mean()),
        )
        for rows in tenths
    )


def quantiles(values: Float[np.ndarray, "step number"]) -> Float[np.ndarray, "quantile number"]:
    """Give the spread of every column."""
    return np.quantile(values.astype(np.float64), QUANTILES, axis=0)


def _rounded(values: Float[np.ndarray, "quantile number"]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(f"{value:.4g}") for value in column) for column in values.T)


def noise_bands(results: Outcomes) -> tuple[NoiseBand, ...]:
    """Say how success falls with noise: four bands of equally many episodes."""
    order = np.argsort(results.noise, kind="stable")
    bands = [rows for rows in np.array_split(order, 4) if len(rows)]
    return tuple(
        NoiseBand(
            float(results.noise[rows[0]]),
            float(results.noise[rows[-1]]),
            len(rows),
            int(results.successes[rows].sum()),
        )
        for rows in bands
    )


def _measure(store: EpisodeStore, name: str) -> ArrayCard:
    first = store.read(name, slice(0, 1))
    size = folder_bytes(store.path / "data" / name)
    return ArrayCard(name, (store.steps, *first.shape[1:]), str(first.dtype), size)
