"""An iteration of fine-tuning on one task: play, remember, update, evaluate; and its state.

How to learn is the algorithm's matter (`policy/finetuning/algorithms`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from configs.kinds import make_kind
from envs.seeding import derive_seed
from envs.vector.vector_env import VectorEnv
from policy.finetuning.algorithms.algorithm import Algorithm, Privileged, WithPolicy
from policy.finetuning.config import ALGORITHMS, FinetuneConfig
from policy.finetuning.player import Player
from policy.finetuning.search import Search
from policy.finetuning.states import as_written_now
from policy.planner.planner import Planner
from policy.planner.policy import Policy
from policy.rollouts.rollout import Rollout
from policy.runs.clock import Spent


@dataclass(frozen=True)
class Round:
    """A part of the episodes, after which all but the planner begins anew.

    Attributes:
        number: How many were before.
        start: Episodes that were played before.
        gradient_steps: Updates that were taken before.
        planner: What it began with; nothing for the first.
    """

    number: int = 0
    start: int = 0
    gradient_steps: int = 0
    planner: Mapping[str, Tensor] = field(default_factory=dict)


class Trainer:
    """A fine-tuning under way: the planner, what improves it, and how far it is.

    Args:
        planner: Pre-trained.
        envs: The task.
        config: See `FinetuneConfig`.
        seed: Of everything random here.
        success_at: See `roll_out`.
        on_episodes: Called after every rollout with its number of episodes.
    """

    def __init__(
        self,
        planner: Planner,
        envs: VectorEnv,
        config: FinetuneConfig,
        *,
        seed: int,
        success_at: str,
        on_episodes: Callable[[int], object] = lambda _: None,
    ) -> None:
        self.planner, self.config = planner, config
        self._player = Player(planner, envs, config, seed=seed, success_at=success_at)
        self._seed, self._on_episodes = seed, on_episodes
        self._features = envs.features.shape[1]
        self.episodes = self.env_steps = 0
        self.spent = Spent()
        self._begin(Round())

    def _begin(self, begun: Round) -> None:
        """Begin a round: all is new but the planner."""
        config, number = self.config, begun.number
        seed = self._seed if number == 0 else derive_seed("round", self._seed, number)
        length = config.round_end(begun.start, begun.start) - begun.start
        own = replace(config, episodes=length, episodes_per_round=0)
        self._round, self.search = begun, Search()
        self.algorithm: Algorithm = make_kind(ALGORITHMS, config.algorithm, self.planner, own, seed)
        if isinstance(self.algorithm, Privileged):
            self.algorithm.see_state(self._features)

    @property
    def _round_end(self) -> int:
        return self.config.round_end(self._round.start, self.episodes)

    @property
    def gradient_steps(self) -> int:
        """Updates taken so far, in all rounds."""
        return self._round.gradient_steps + self.algorithm.gradient_steps

    @property
    def policy(self) -> Policy:
        """What comes of it: the planner, or what the algorithm teaches in its place."""
        own = self.algorithm
        return own.policy if isinstance(own, WithPolicy) else self.planner

    def iterate(self) -> dict[str, float]:
        """Play episodes side by side, then update; give what to watch, by metric name.

        In the search at the beginning nothing is updated, and what to watch comes at its end.
        """
        if self.episodes == self._round_end < self.config.episodes:
            self._next_round()
        before = self.episodes
        if before == 0 and isinstance(self.algorithm, WithPolicy) and self.algorithm.prepare():
            return {}
        if self.config.experience is not None:
            metrics = self._learn_offline(self.config.experience)
        elif not self.search.over:
            metrics = self._search()
        else:
            rollout = self._play(self._round_end - self.episodes)
            found = rollout.episodes.successes.tolist()
            summary = self._summary(found, rollout.returns.tolist())
            metrics = {**summary, **self._update(len(rollout))}
        if metrics:
            metrics |= self._player.watch(self.algorithm, self.episodes, self.episodes - before)
        return metrics

    def finish(self) -> None:
        """Learn what is left once all episodes are played."""
        self.algorithm.finish()

    def _next_round(self) -> None:
        """Learn this round to its end, and begin the next with the planner that came of it."""
        self.finish()
        weights = {name: weight.clone() for name, weight in self.planner.state_dict().items()}
        number, steps = self._round.number + 1, self.gradient_steps
        self._begin(Round(number, self.episodes, steps, weights))

    def _search(self) -> dict[str, float]:
        """Roll out once more in search of successes; at its end, say what it came to."""
        rollout = self._play(self.search.room(self.config, self.episodes - self._round.start))
        self.search.note(rollout, self.config, self.episodes - self._round.start)
        if not self.search.over:
            return {}
        self._forget_if_from_scratch()
        metrics = self._summary(self.search.successes, self.search.returns)
        self.search.tell(metrics.get("finetune/target_episodes"))
        return metrics

    def _learn_offline(self, experience: Path) -> dict[str, float]:
        """Take the steps of as many episodes from what another run has played."""
        if self.episodes == 0:
            self.algorithm.load_experience(experience)
            self._forget_if_from_scratch()
        episodes = min(self._player.side_by_side, self.config.episodes - self.episodes)
        self.episodes += episodes
        self._on_episodes(episodes)
        return self._update(episodes)

    def _play(self, most: int) -> Rollout:
        """Play an episode in each environment, or fewer, and let the algorithm see them."""
        numbers = range(self.episodes, self.episodes + min(most, self._player.side_by_side))
        rollout = self._player.play(self.algorithm, numbers)
        self.env_steps += rollout.steps
        self.algorithm.observe(rollout)
        self.episodes += len(numbers)
        self._on_episodes(len(numbers))
        return rollout

    def _update(self, episodes: int) -> dict[str, float]:
        """Let the algorithm learn at the rate of this moment."""
        first, last = self.config.learning_rate, self.config.last_learning_rate
        rate = exponential_decay(first, last, self.episodes / self.config.episodes)
        metrics = self.algorithm.update(episodes, rate)
        return {**metrics, "finetune/learning_rate": rate}

    def _summary(self, successes: list[bool], returns: list[float]) -> dict[str, float]:
        number = {"finetune/round": self._round.number} if self.config.episodes_per_round else {}
        return {
            **number,
            "finetune/success": sum(successes) / len(successes),
            "finetune/return": sum(returns) / len(returns),
            **self.algorithm.summary(),
        }

    def _forget_if_from_scratch(self) -> None:
        if self.config.init == "scratch" and self._round.number == 0:
            self.planner.reset_denoiser(derive_seed("scratch", self._seed, 0))

    def about(self) -> dict[str, Any]:
        """What a checkpoint says of how it came about."""
        return {
            "episodes": self.episodes,
            "env_steps": self.env_steps,
            "gradient_steps": self.gradient_steps,
            **vars(self.spent),
        }

    def state(self) -> dict[str, Any]:
        """Everything that the next iteration depends on."""
        return {
            "step": self.episodes,
            "env_steps": self.env_steps,
            **vars(self.spent),
            "round": vars(self._round),
            "search": self.search.state(),
            "planner": self.planner.state_dict(),
            "algorithm": self.algorithm.state(),
        }

    def load(self, state: dict[str, Any] | None) -> None:
        """Go on from a saved state, if there is one."""
        if state is None:
            return
        state = as_written_now(state)
        begun = Round(**state.get("round", {}))  # Older states are of one round.
        if begun.number != self._round.number:
            self.planner.load_state_dict(begun.planner or state["planner"])
            self._begin(begun)
        self.episodes, self.env_steps = state["step"], state["env_steps"]
        self.spent = Spent.of(state)  # Older states were saved behind the search only:
        self.search = Search(**state.get("search", {"over": True}))
        self.planner.load_state_dict(state["planner"])
        self.algorithm.load(state["algorithm"])


def exponential_decay(first: float, last: float, progress: float) -> float:
    """Give the rate after a share of the episodes; it falls by equal factors from first to last."""
    return float(first * (last / first) ** progress)
