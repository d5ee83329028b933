"""How often a planner succeeds: seeded episodes and an honest interval."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import chain
from pathlib import Path

from configs.files import write_text_whole
from configs.progress import progress
from envs.seeding import derive_seed
from envs.vector.vector_env import VectorEnv
from policy.planner.planner import Planner
from policy.rollouts.rollout import roll_out


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
        """The seed of the episode with the highest return."""
        return self.seeds[self.returns.index(max(self.returns))]

    @property
    def failures(self) -> tuple[int, ...]:
        """The seeds of the episodes that did not succeed."""
        return tuple(seed for seed, won in zip(self.seeds, self.successes, strict=True) if not won)

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{sum(self.successes)} of {len(self.successes)} episodes succeed: {self.rate:.0%}"
            f" (95 % interval {low:.0%} to {high:.0%}), mean return {self.mean_return:.1f}"
        )


def evaluation_seeds(seed: int, episodes: int) -> list[int]:
    """Give the seeds of evaluation episodes; none of them is ever trained on."""
    return [derive_seed("evaluation", seed, index) for index in range(episodes)]


def evaluate(
    planner: Planner, envs: VectorEnv, seeds: Sequence[int], *, success_at: str, quiet: bool = False
) -> Evaluation:
    """Play one episode for each seed with DDIM's own noise, nothing added.

    Each episode's noise follows from its seed; how many are played side by side changes only the
    rounding of matrix products. Episodes lost with a killed worker are played again, with those
    beside them: no seed is ever left out, and the numbers stay the same.
    """
    parts = list(_evaluations(planner, envs, seeds, success_at, quiet))
    joined = {
        field.name: tuple(chain.from_iterable(getattr(part, field.name) for part in parts))
        for field in fields(Evaluation)
    }
    return Evaluation(**joined)


def _evaluations(
    planner: Planner, envs: VectorEnv, seeds: Sequence[int], success_at: str, quiet: bool
) -> Iterator[Evaluation]:
    """Evaluate as many episodes at a time as there are environments."""
    with progress(None, "evaluate", len(seeds), unit="episode", quiet=quiet) as shown:
        for start in range(0, len(seeds), envs.shapes.envs):
            batch = seeds[start : start + envs.shapes.envs]
            rollout = roll_out(planner, envs, batch, success_at=success_at, whole=True)
            yield Evaluation(
                successes=tuple(map(bool, rollout.episodes.successes)),
                ever=tuple(map(bool, rollout.episodes.ever)),
                returns=tuple(map(float, rollout.returns)),
                seeds=tuple(batch),
                lengths=tuple(map(int, rollout.episodes.lengths)),
                at_end=tuple(map(bool, rollout.episodes.at_end)),
            )
            shown.update(len(batch))


def write_evaluation(folder: Path, stage: str, evaluation: Evaluation) -> None:
    """Note the evaluation of a stage in `evaluation.json`."""
    path = folder / "evaluation.json"
    stages = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    low, high = evaluation.interval
    summary = {"success_rate": evaluation.rate, "wilson_95": [low, high]}
    stages[stage] = {**summary, **asdict(evaluation)}
    write_text_whole(path, json.dumps(stages, indent=2) + "\n")


def read_evaluation(folder: Path, stage: str) -> Evaluation | None:
    """Read the evaluation of a stage; None where there is none."""
    path = folder / "evaluation.json"
    stages = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if stage not in stages:
        return None
    values = stages[stage]
    names = [field.name for field in fields(Evaluation) if field.name in values]
    return Evaluation(**{name: tuple(values[name]) for name in names})


def wilson(successes: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """Give Wilson's score interval of a share (1927), 95 % by default."""
    share, weight = successes / trials, z * z / trials
    middle = (share + weight / 2) / (1 + weight)
    half = z * math.sqrt(share * (1 - share) / trials + weight / (4 * trials)) / (1 + weight)
    return max(0.0, middle - half), min(1.0, middle + half)
