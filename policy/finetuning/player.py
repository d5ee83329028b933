"""The episodes of a fine-tuning: which seeds they have follows from their numbers."""

from envs.seeding import derive_seed
from envs.vector.vector_env import VectorEnv
from policy.finetuning.algorithms.algorithm import Algorithm, WithPolicy
from policy.finetuning.config import FinetuneConfig
from policy.finetuning.validation import validate
from policy.planner.planner import FirstPlan, Planner
from policy.rollouts.rollout import Rollout, roll_out


class Player:
    """Plays numbered episodes, and those that only watch.

    Args:
        planner: Acts.
        envs: The task.
        config: See `FinetuneConfig`.
        seed: What all seeds follow from.
        success_at: See `roll_out`.
    """

    def __init__(
        self,
        planner: Planner,
        envs: VectorEnv,
        config: FinetuneConfig,
        *,
        seed: int,
        success_at: str,
    ) -> None:
        self._planner, self._envs, self._config = planner, envs, config
        self._seed, self._success_at = seed, success_at

    @property
    def side_by_side(self) -> int:
        """How many episodes are played at a time, at most."""
        return self._envs.shapes.envs

    def play(self, algorithm: Algorithm, numbers: range) -> Rollout:
        """Play the episodes of some numbers, as an algorithm wants them."""
        alike = self._config.group_size
        return roll_out(
            self._planner,
            self._envs,
            [self._seed_of(number) for number in numbers],
            starts=[self._seed_of(number - number % alike) for number in numbers],
            success_at=self._success_at,
            decide=algorithm.decide(explore=True),
            keep_observations=algorithm.keep_observations,
        )

    def watch(self, algorithm: Algorithm, episodes: int, played: int) -> dict[str, float]:
        """Evaluate along the way, where it is due; see `validate`."""
        decide = algorithm.decide(explore=False)
        own = algorithm.policy if isinstance(algorithm, WithPolicy) else None
        alone = own is not None or isinstance(decide, FirstPlan)
        return validate(
            own or self._planner,
            self._envs,
            self._config,
            episodes=episodes,
            played=played,
            seed=self._seed,
            success_at=self._success_at,
            decide=None if alone else decide,
        )

    def _seed_of(self, episode: int) -> int:
        return derive_seed("finetune", self._seed, episode)
