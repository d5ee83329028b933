"""One recorded attempt at a task: first as the simulator knew it, then as cameras see it."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float

from perception.observation import Observation


@dataclass(frozen=True)
class Provenance:
    """Where an episode comes from, enough to act it again.

    Attributes:
        seed: The simulator's seed at its reset.
        noise: Standard deviation of the noise on the behaviour's actions.
        random_share: Share of its actions that were replaced by random ones.
        start: The simulator's exact state before the first action.
    """

    seed: int
    noise: float
    random_share: float
    start: Float[np.ndarray, " number"]


@dataclass(frozen=True)
class Recording:
    """What was sensed, done and earned at every step, and the scene's state: no picture yet."""

    states: Float[np.ndarray, "time reading"]
    actions: Float[np.ndarray, "time action"]
    rewards: Float[np.ndarray, " time"]
    successes: Bool[np.ndarray, " time"]
    sim_states: Float[np.ndarray, "time scene"]
    provenance: Provenance

    def __len__(self) -> int:
        return len(self.actions)


@dataclass(frozen=True)
class Episode:
    """A recording with the cloud of every moment.

    Attributes:
        recording: What the simulator knew.
        points: World-frame clouds; the one at an index was seen before the action there.
        images: Further pictures by array name (`img`, `depth`), each with a leading time axis.
    """

    recording: Recording
    points: Float[np.ndarray, "time point 3"] | Float[np.ndarray, "time point 6"]
    images: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths = {len(self.recording), len(self.points), *map(len, self.images.values())}
        if len(lengths) != 1:
            raise ValueError(f"The parts of an episode differ in length: {sorted(lengths)}")

    @property
    def observations(self) -> Observation[np.ndarray]:
        """Clouds and readings, leading axis time."""
        return Observation(self.points, self.recording.states)
