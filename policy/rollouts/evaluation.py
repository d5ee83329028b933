"""How often a planner succeeds: seeded episodes and an honest interval."""

import hashlib
import json
import logging
import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from configs.build import build
from configs.progress import progress
from configs.stopping import StopRequest
from envs.config import EnvConfig
from envs.seeding import derive_seed
from envs.vector.vector_env import VectorEnv
from perception.errors import InputError
from policy.planner.planner import Planner
from policy.rollouts.episode import Decide
from policy.rollouts.rollout import Rollout, roll_out
from policy.runs.json_files import read_json, write_json
from policy.runs.run import stopped

logger = logging.getLogger(__name__)

FILE, DAMAGED = "evaluation.json", "evaluation-damaged.json"


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

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{sum(self.successes)} of {len(self.successes)} episodes succeed: {self.rate:.0%}"
            f" (95 % interval {low:.0%} to {high:.0%}), mean return {self.mean_return:.1f}"
        )


def evaluation_seeds(seed: int, episodes: int) -> list[int]:
    """Give the seeds of evaluation episodes; none of them is ever trained on."""
    return [derive_seed("evaluation", seed, index) for index in range(episodes)]


def _merit(episode: tuple[bool, float, int]) -> tuple[bool, float]:
    success, earned, _ = episode
    return success, -math.inf if math.isnan(earned) else earned


def evaluate(
    planner: Planner,
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


def judged(about: Mapping[str, Any], env: EnvConfig) -> str:
    """Identify what an evaluation is of: a planner by its steps, and the task that it acts in."""
    of = [about.get("stage"), about.get("gradient_steps"), asdict(env)]
    return hashlib.sha256(json.dumps(of, default=str).encode()).hexdigest()[:16]


def write_evaluation(folder: Path, stage: str, evaluation: Evaluation, of: str = "") -> None:
    """Note the evaluation of a stage in `evaluation.json`; one that is damaged is kept beside it.

    Args:
        folder: Of the run.
        stage: Whose planner it is.
        evaluation: What came of it.
        of: What `judged` says.
    """
    path = folder / FILE
    stages = _stages(path)
    if stages is None:
        path.replace(folder / DAMAGED)
    summary = {"success_rate": evaluation.rate, "wilson_95": list(evaluation.interval)}
    told = {"judged": of, **summary, **asdict(evaluation), "crc32": _checksum(evaluation)}
    write_json(path, {**(stages or {}), stage: {"stage": stage, **told}})


def forget_evaluation(folder: Path, stage: str) -> None:
    """Take out the evaluation of a stage that learns on."""
    stages = _stages(folder / FILE)
    if stages and stage in stages:
        write_json(folder / FILE, {name: v for name, v in stages.items() if name != stage})


def read_evaluation(folder: Path, stage: str, of: str = "") -> Evaluation | None:
    """Read the evaluation of a stage; None where there is none that can be read.

    Args:
        folder: Of the run.
        stage: Whose planner it is.
        of: What `judged` says; an evaluation of something else counts as none. Older files do not
            say it.
    """
    path = folder / FILE
    values = (_stages(path) or {}).get(stage)
    if values is None or (of and values.get("judged", of) != of):
        return None
    names = [field.name for field in fields(Evaluation) if field.name in values]
    try:
        return _checked({name: values[name] for name in names}, values.get("crc32"))
    except (InputError, TypeError) as error:
        logger.warning("%s: the evaluation of %s cannot be read (%s)", path, stage, error)
        return None


def _stages(path: Path) -> dict[str, Any] | None:
    """Read the evaluations of all stages; None where the file cannot be read, which is said."""
    if not path.exists():
        return {}
    try:
        stages = read_json(path)
    except InputError:
        stages = None
    if isinstance(stages, dict) and all(map(_is_of, stages.values(), stages)):
        return stages
    logger.warning("%s cannot be read (cut off or damaged): it counts as not there", path)
    return None


def _is_of(values: object, stage: str) -> bool:
    """Tell whether values are a stage's, where they say so: its name alone has no checksum."""
    return isinstance(values, dict) and values.get("stage", stage) == stage


def _checksum(evaluation: Evaluation) -> str:
    """Sum up all that an evaluation says of its episodes."""
    return f"{zlib.crc32(json.dumps(asdict(evaluation)).encode()):08x}"


def _checked(values: dict[str, Any], checksum: str | None) -> Evaluation:
    """Build an evaluation; returns that were not finite are null in its file.

    Args:
        values: Its fields.
        checksum: What was written of them; older files do not say it.

    Raises:
        InputError: A field is of another type or length, or missing, or it was written otherwise.
    """
    returns = [math.nan if value is None else value for value in values.get("returns", [])]
    found = build(Evaluation, {**values, "returns": returns})
    of_each = [found.successes, found.ever, found.returns]
    if not found.seeds or any(len(part) != len(found.seeds) for part in of_each):
        raise InputError("its lists differ in length")
    if checksum not in (None, _checksum(found)):
        raise InputError("its numbers are not those that were written")
    return found


def wilson(successes: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """Give Wilson's score interval of a share (1927), 95 % by default."""
    share, weight = successes / trials, z * z / trials
    middle = (share + weight / 2) / (1 + weight)
    half = z * math.sqrt(share * (1 - share) / trials + weight / (4 * trials)) / (1 + weight)
    return max(0.0, middle - half), min(1.0, middle + half)
