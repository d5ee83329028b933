"""How often a planner succeeds: seeded episodes and an honest interval."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import partial
from itertools import chain

from configs.progress import progress
from configs.stopping import StopRequest
from envs.seeding import derive_seed
from envs.vector.vector_env import VectorEnv
from policy.planner.decision import Decide
from policy.planner.policy import Policy
from policy.rollouts.rollout import Rollout, roll_out
from policy.runs.run import stopped


@dataclass(frozen=True)
class Evaluation:
    """What episodes of a planner came to.

    Attributes:
        successes: Whether each episode succeeded under its task's rule.
        ever: Whether each reached the goal at any step.
        returns: Sum of each one's rewards.
        seeds: The seed of each.
        lengths: Agent steps of each; empty in older files, which do not hold them.
        at_end: Whether each had reached the goal at its last step; empty in older files.
    """

    successes: tuple[bool, ...]
    ever: tuple[bool, ...]
    returns: tuple[float, ...]
    seeds: tuple[int, ...]
    lengths: tuple[int, ...] = ()
    at_end: tuple[bool, ...] = ()

    @property
    def rate(self) -> float:
        """Share of successful episodes."""
        return sum(self.successes) / len(self.successes)

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of that share."""
        return wilson(sum(self.successes), len(self.successes))

    @property
    def mean_return(self) -> float:
        """Mean return."""
        return sum(self.returns) / len(self.returns)

    @property
    def best(self) -> int:
        """The seed of the best episode: by success, then by return."""
        return max(zip(self.successes, self.returns, self.seeds, strict=True), key=_merit)[2]

    @property
    def failures(self) -> tuple[int, ...]:
        """The seeds of the episodes that did not succeed."""
        return tuple(seed for seed, won in zip(self.seeds, self.successes, strict=True) if not won)

    def noted_as(self, name: str) -> dict[str, float]:
        """Give what stands in a run's metrics where it was made along the way."""
        return {f"{name}/success": self.rate, f"{name}/return": self.mean_return}

    def begins_like(self, seeds: Sequence[int]) -> bool:
        """Tell whether its episodes are those of the seeds, as far as both go."""
        return all(mine == other for mine, other in zip(self.seeds, seeds, strict=False))

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{sum(self.successes)} of {len(self.successes)} episodes succeed: {self.rate:.0%}"
            f" (95 % interval {low:.0%} to {high:.0%}), mean return {self.mean_return:.1f}"
        )


def evaluation_seeds(number: int, episodes: int) -> list[int]:
    """Give the seeds of a numbered set of evaluation episodes; none of them is ever trained on.

    Planners that are compared are played on the same set, whatever seed they were trained with: an
    episode of a seed begins alike for all of them. A longer set begins with the shorter one.
    """
    return [derive_seed("evaluation", number, index) for index in range(episodes)]


def validation_seeds(seed: int, episodes: int) -> list[int]:
    """Give the seeds of evaluations along a run: neither trained on nor reported."""
    return [derive_seed("validation", seed, index) for index in range(episodes)]


def _merit(episode: tuple[bool, float, int]) -> tuple[bool, float]:
    success, earned, _ = episode
    return success, -math.inf if math.isnan(earned) else earned


def evaluate(
    planner: Policy,
    envs: VectorEnv,
    seeds: Sequence[int],
    *,
    success_at: str,
    quiet: bool = False,
    stop: StopRequest | None = None,
    decide: Decide | None = None,
) -> Evaluation:
    """Play one episode for each seed with DDIM's own noise, nothing added.

    `decide` chooses among plans (see `Episodes`); without it the planner is alone.

    Each episode's noise follows from its seed; how many are played side by side changes only the
    rounding of matrix products. Episodes lost with a killed worker are played again, with those
    beside them: no seed is ever left out, and the numbers stay the same.

    Raises:
        StoppedError: It was asked to stop; what was played so far is played again later.
    """
    play = partial(roll_out, planner, envs, success_at=success_at, whole=True, decide=decide)
    parts = []
    for part in _evaluations(play, seeds, envs.shapes.envs, quiet):
        parts.append(part)
        if stop is not None and stop.requested and len(parts) * envs.shapes.envs < len(seeds):
            raise stopped("while evaluating")
    joined = {
        field.name: tuple(chain.from_iterable(getattr(part, field.name) for part in parts))
        for field in fields(Evaluation)
    }
    return Evaluation(**joined)


def _evaluations(
    play: Callable[[Sequence[int]], Rollout], seeds: Sequence[int], most: int, quiet: bool
) -> Iterator[Evaluation]:
    """Evaluate as many episodes at a time as there are environments."""
    with progress(None, "evaluate", len(seeds), unit="episode", quiet=quiet) as shown:
        for start in range(0, len(seeds), most):
            batch = seeds[start : start + most]
            rollout = play(batch)
            yield Evaluation(
                successes=tuple(map(bool, rollout.episodes.successes)),
                ever=tuple(map(bool, rollout.episodes.ever)),
                returns=tuple(map(float, rollout.returns)),
                seeds=tuple(batch),
                lengths=tuple(map(int, rollout.episodes.lengths)),
                at_end=tuple(map(bool, rollout.episodes.at_end)),
            )
            shown.update(len(batch))


def wilson(successes: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """Give Wilson's score interval of a share (1927), 95 % by default."""
    share, weight = successes / trials, z * z / trials
    middle = (share + weight / 2) / (1 + weight)
    half = z * math.sqrt(share * (1 - share) / trials + weight / (4 * trials)) / (1 + weight)
    return max(0.0, middle - half), min(1.0, middle + half)
