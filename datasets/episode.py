"""One recorded attempt at a task: what the simulator gave, and the clouds drawn of it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from envs.success import counts_as_success
from perception.errors import InputError

# What a store keeps of every episode, where it was recorded.
USUAL = ("point_cloud", "state", "action", "reward", "success", "sim_state")
# What can be made from a store's other arrays, by a command of its own.
HOW_TO_ADD = {
    "point_cloud": "; datasets/render.py data={} out=ANOTHER makes it from recorded states",
    "state_feature": "; policy/encode.py data={} what=state adds it",
    "visual_feature": "; policy/encode.py data={} checkpoint=RUN adds it",
}


@dataclass(frozen=True)
class Provenance:
    """Where an episode comes from, enough to act it again.

    Attributes:
        seed: The simulator's seed at its reset; -1 where no seed drew the start.
        noise: Standard deviation of the noise on the behaviour's actions.
        random_share: Share of its actions that were replaced by random ones.
        start: The simulator's exact state before the first action.
        agent: Which of several learning agents acted.
        agent_step: How many steps that agent had taken before this episode.
    """

    seed: int
    noise: float
    random_share: float
    start: Float[np.ndarray, " number"]
    agent: int = 0
    agent_step: int = 0


@dataclass(frozen=True)
class Recording:
    """Robot state, action, reward, success and the scene's state at every step, without a picture.

    Data of other projects may lack all but states and actions: what was never recorded is None
    here, and absent in a store.
    """

    states: Float[np.ndarray, "time reading"]
    actions: Float[np.ndarray, "time action"]
    rewards: Float[np.ndarray, " time"] | None
    successes: Bool[np.ndarray, " time"] | None
    sim_states: Float[np.ndarray, "time scene"] | None
    provenance: Provenance | None

    def __len__(self) -> int:
        return len(self.actions)

    @property
    def scenes(self) -> Float[np.ndarray, "time scene"]:
        """The simulator states to draw.

        Raises:
            InputError: None was recorded.
        """
        if self.sim_states is None:
            raise InputError("These episodes hold no simulator state: they cannot be drawn again")
        return self.sim_states

    def succeeded(self, success_at: str) -> bool | None:
        """Tell whether the episode counts as a success (`end` or `ever`); None if not recorded."""
        if self.successes is None:
            return None
        at_end, ever = bool(self.successes[-1]), bool(self.successes.any())
        return counts_as_success(at_end, ever, success_at)


@dataclass(frozen=True)
class Episode:
    """A recording with the cloud of every step.

    Attributes:
        recording: What the simulator gave.
        points: World-frame clouds; the one at an index was seen before the action there.
        further: Further arrays by name, each with a leading time axis: pictures (`img`, `depth`),
            and what a behaviour adds of its own (a planner's `chain`).
    """

    recording: Recording
    points: Float[np.ndarray, "time point 3"] | Float[np.ndarray, "time point 6"]
    further: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths = {len(self.recording), len(self.points), *map(len, self.further.values())}
        if len(lengths) != 1:
            raise ValueError(f"The parts of an episode differ in length: {sorted(lengths)}")


def arrays_of(episode: Episode | Recording) -> tuple[Recording, dict[str, np.ndarray]]:
    """Give an episode's recording, and all its arrays by their names in a store."""
    drawn: dict[str, np.ndarray] = {}
    if isinstance(episode, Episode):
        drawn = {"point_cloud": episode.points, **episode.further}
        episode = episode.recording
    parts = {
        "state": episode.states,
        "action": episode.actions,
        "reward": episode.rewards,
        "success": episode.successes,
        "sim_state": episode.sim_states,
    }
    return episode, {**drawn, **{name: a for name, a in parts.items() if a is not None}}


def provenance_row(recording: Recording) -> dict[str, Any]:
    """Name where an episode comes from as the store does; empty where that was not recorded."""
    values = vars(recording.provenance) if recording.provenance is not None else {}
    return {"start_state" if name == "start" else name: v for name, v in values.items()}
