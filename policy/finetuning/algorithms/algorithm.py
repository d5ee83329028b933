"""What an algorithm of fine-tuning is.

An algorithm is a module with `Config` (frozen dataclass with `kind` and its own keys) and
`make(config, planner, finetune, seed)`, which gives an `Algorithm`: `planner` is the one to
improve, `finetune` the whole `FinetuneConfig`, `seed` that of everything random in it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from policy.planner.decision import Decide
from policy.planner.policy import Policy
from policy.rollouts.rollout import Rollout


@runtime_checkable
class Privileged(Protocol):
    """An algorithm of which a part may see the simulator's state while it learns."""

    def see_state(self, features: int) -> None:
        """Make ready for so many features of the simulator; asked once, before anything else."""


@runtime_checkable
class WithPolicy(Protocol):
    """An algorithm that teaches a policy of its own; the planner lends it its encoder alone."""

    @property
    def policy(self) -> Policy:
        """What has learned: judged along the way, and kept in the planner's place."""

    def prepare(self) -> bool:
        """Learn a while before anything is played; False: there is nothing more to learn then.

        Raises:
            DivergedError: Going on would spoil the policy.
        """


@runtime_checkable
class Algorithm(Protocol):
    """Improves a planner by its own episodes.

    Attributes:
        gradient_steps: Updates taken so far.
        keep_observations: Whether rollouts must hold what was seen, too.
    """

    gradient_steps: int
    keep_observations: bool

    def decide(self, *, explore: bool) -> Decide:
        """Give what decides while episodes are played, to learn from them or to judge."""

    def observe(self, rollout: Rollout) -> None:
        """Remember episodes that were played."""

    def update(self, episodes: int, learning_rate: float) -> dict[str, float]:
        """Learn as much as is due after so many episodes; give what to watch, by metric name.

        Raises:
            DivergedError: Going on would spoil the planner.
        """

    def finish(self) -> None:
        """Learn what is left once all episodes are played.

        Raises:
            DivergedError: Going on would spoil the planner.
        """

    def summary(self) -> dict[str, float]:
        """Say what is remembered, by metric name."""

    def load_experience(self, path: Path) -> None:
        """Take over what a finished run has played, from its training state, but no weights."""

    def state(self) -> dict[str, Any]:
        """Everything but the planner that the next update depends on: plain values and tensors."""

    def load(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
