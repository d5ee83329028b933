"""A learning agent whose every episode is recorded, in the order of time.

SODP's data is the replay buffer of such an agent. Here RLPD learns from the simulator's state, and
what it does is kept as a store without clouds; those are drawn later from the part that is wanted.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from configs.ranges import Count, Whole
from datasets.behaviours.behaviour import SeededBehaviour
from datasets.behaviours.rlpd import RLPD, RLPDConfig
from datasets.behaviours.transitions import Memory, Transitions
from datasets.episode import Provenance, Recording
from datasets.recorder import walk
from envs.seeding import derive_seed
from envs.simulator import Outcome, Simulator
from perception.errors import InputError

DEMONSTRATION_TRIES = 20  # For each one that is wanted.
SMOOTHNESS = 0.8  # Of the warm-up's random actions: how much of the last one is kept.


@dataclass(frozen=True)
class LearningConfig:
    """How an agent is trained.

    Attributes:
        steps: How many steps it takes.
        demonstrations: How many successful episodes it is shown; 0 is plain soft actor-critic.
        seeding: Steps at the beginning in which the demonstrator acts in its place, failures
            included: they are part of its training, and data.
        save_every: Steps between checkpoints.
        rlpd: How it learns.
    """

    steps: Count
    demonstrations: Whole
    seeding: Whole
    save_every: Count
    rlpd: RLPDConfig


@dataclass(frozen=True)
class Scale:
    """Units that make a task easy to learn, computed once from the steps before learning."""

    shift: Float[torch.Tensor, " feature"]
    spread: Float[torch.Tensor, " feature"]
    reward: float

    @classmethod
    def of(cls, seen: Transitions) -> "Scale":
        """Standardise observations; bring large rewards to about one."""
        large = float(torch.quantile(seen.rewards.abs(), 0.95))
        spread = seen.observations.std(dim=0) + 1e-2
        return cls(seen.observations.mean(dim=0), spread, 1 / max(large, 1e-2))

    def observation(self, features: Float[np.ndarray, " feature"]) -> np.ndarray:
        """Standardise one observation."""
        return np.asarray((features - self.shift.numpy()) / self.spread.numpy(), np.float32)


class RLAgent:
    """An agent that acts, remembers and learns, episode by episode.

    Args:
        simulator: Its task.
        demonstrator: Who shows it what success is.
        config: How it is trained.
        episode_steps: The longest episode.
        agent: Its number among several.
        seed: All its randomness follows from this.

    Raises:
        InputError: The demonstrator does not succeed often enough.
    """

    def __init__(
        self,
        simulator: Simulator,
        demonstrator: SeededBehaviour,
        config: LearningConfig,
        *,
        episode_steps: int,
        success_at: str,
        agent: int,
        seed: int,
    ) -> None:
        self._simulator, self.config, self._seed, self._agent = simulator, config, seed, agent
        self._episode_steps, self._success_at = episode_steps, success_at
        sizes = (len(simulator.features()), simulator.action_size)
        self._rlpd = RLPD(*sizes, config.rlpd, derive_seed("network", seed, 0))
        self._demonstrations = Memory(config.demonstrations * episode_steps, *sizes)
        self._own = Memory(config.steps + episode_steps, *sizes)
        self._generator = torch.Generator().manual_seed(derive_seed("batches", seed, 0))
        self._scale: Scale | None = None
        self.step, self.episodes, self._updates = 0, 0, 0
        self._demonstrator = demonstrator
        self._gather_demonstrations()

    def episode(self) -> Recording:
        """Act and learn for one episode."""
        seed = derive_seed("replay", self._seed, self.episodes)
        rng = np.random.default_rng(seed)
        self._simulator.reset(seed)
        self._features = self._simulator.features()
        self._last = np.zeros(self._simulator.action_size, np.float32)
        choose, noise, share = partial(self._choose, rng), 0.0, 0.0
        if self.step < self.config.seeding:
            acting = self._demonstrator.draw(rng)
            noise, share = acting.noise, acting.random_share
            choose = partial(acting.act, self._simulator, rng)
        start = self._simulator.save_state()
        recording = walk(
            self._simulator,
            choose,
            steps=self._episode_steps,
            provenance=Provenance(seed, noise, share, start, self._agent, self.step),
            watch=self._learn,
        )
        self.episodes += 1
        return recording

    def _choose(self, rng: np.random.Generator) -> Float[np.ndarray, " action"]:
        """Act at random, smoothly, until there is something to learn from; then as learned."""
        if self.step < self.config.rlpd.warm_up or self._scale is None:
            fresh = rng.uniform(-1, 1, self._simulator.action_size)
            smooth = SMOOTHNESS * self._last + (1 - SMOOTHNESS**2) ** 0.5 * fresh
            self._last = np.asarray(smooth, np.float32)
            return np.clip(self._last, -1, 1)
        return self._rlpd.act(self._scale.observation(self._features))

    def _learn(self, action: Float[np.ndarray, " action"], outcome: Outcome) -> None:
        """Remember a step, and learn from what is remembered."""
        self._features = self._remember(self._own, self._features, action, outcome)
        self.step += 1
        beyond = self.step - self.config.rlpd.warm_up
        if beyond >= 0 and self._scale is None:
            seen = self._own.everything()
            self._scale = Scale.of(seen.beside(self._demonstrations.everything()))
        while self._updates < beyond * self.config.rlpd.updates_per_step:
            self._rlpd.update(self._batch())
            self._updates += 1

    def _remember(
        self, memory: Memory, before: np.ndarray, action: np.ndarray, outcome: Outcome
    ) -> np.ndarray:
        after = self._simulator.features()
        memory.add(
            observations=before,
            actions=action,
            rewards=outcome.reward,
            next_observations=after,
            not_done=float(not outcome.terminated),
        )
        return after

    def _batch(self) -> Transitions:
        """Draw half a batch of its own steps and half of demonstrations (RLPD, Section 4.1)."""
        count = self.config.rlpd.batch
        if self._demonstrations.size:
            own = self._own.sample(count // 2, self._generator)
            batch = own.beside(self._demonstrations.sample(count - count // 2, self._generator))
        else:
            batch = self._own.sample(count, self._generator)
        if self._scale is None:
            raise RuntimeError("Learning began before there were units")
        return batch.scaled(self._scale.shift, self._scale.spread, self._scale.reward)

    def _gather_demonstrations(self) -> None:
        """Let the demonstrator act until it has succeeded as often as is wanted."""
        wanted, shown = self.config.demonstrations, 0
        for tried in range(wanted * DEMONSTRATION_TRIES):
            if shown == wanted:
                return
            shown += self._demonstrate(derive_seed("demonstrations", self._seed, tried))
        if shown < wanted:
            raise InputError(
                f"The demonstrator succeeded in {shown} of {wanted * DEMONSTRATION_TRIES} episodes,"
                f" {wanted} are wanted: choose less behaviour.noise and behaviour.random_share"
            )

    def _demonstrate(self, seed: int) -> bool:
        """Remember one episode of the demonstrator, if it succeeds."""
        rng = np.random.default_rng(seed)
        self._simulator.reset(seed)
        acting, before = self._demonstrator.draw(rng), self._demonstrations.size
        features = self._simulator.features()

        def watch(action: np.ndarray, outcome: Outcome) -> None:
            nonlocal features
            features = self._remember(self._demonstrations, features, action, outcome)

        recording = walk(
            self._simulator,
            lambda: acting.act(self._simulator, rng),
            steps=self._episode_steps,
            provenance=Provenance(seed, acting.noise, acting.random_share, np.zeros(0)),
            watch=watch,
        )
        succeeded = bool(recording.succeeded(self._success_at))
        if not succeeded:
            self._demonstrations.size = before
        return succeeded

    def state(self) -> dict[str, Any]:
        """Everything that the next episode depends on; demonstrations follow from the seed."""
        return {
            "step": self.step,
            "episodes": self.episodes,
            "updates": self._updates,
            "rlpd": self._rlpd.state(),
            "lived": self._own.state(),
            "generator": self._generator.get_state(),
            "scale": None if self._scale is None else vars(self._scale),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.step, self.episodes = state["step"], state["episodes"]
        self._updates = state["updates"]
        self._rlpd.load(state["rlpd"])
        self._own.load(state["lived"])
        self._generator.set_state(state["generator"])
        self._scale = None if state["scale"] is None else Scale(**state["scale"])
