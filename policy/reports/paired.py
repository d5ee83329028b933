"""Variants compared start by start, with bootstrap intervals of the difference."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float

from envs.success import SuccessAt
from policy.reports.result import GUIDED, Result
from policy.reports.result_tree import SeedRuns, Tasks

BASELINES = ("sodp", "bc", "pretrained")  # The first that a task has, the others are held against.
RULES: tuple[SuccessAt, SuccessAt] = ("end", "ever")
RESAMPLES, LEVEL = 10_000, 0.95

Span = tuple[float, float]


@dataclass(frozen=True)
class Difference:
    """How much more often one variant succeeds than another on the same starts.

    Attributes:
        mean: Difference of the shares of successes.
        over_starts: Interval where starts are drawn anew: it speaks of these trained planners.
        over_seeds: Interval where training seeds are drawn anew too: it speaks of the ways to
            train; None with one seed.
    """

    mean: float
    over_starts: Span
    over_seeds: Span | None


@dataclass(frozen=True)
class Comparison:
    """A variant of a task beside another one.

    Attributes:
        task: The task.
        variant: The variant.
        other: What it is held against.
        seeds: Training seeds that both have.
        starts: Starts that all their runs share.
        counts: The rule that counts for the task.
        differences: By rule, `end` and `ever`.
    """

    task: str
    variant: str
    other: str
    seeds: int
    starts: int
    counts: SuccessAt | None
    differences: dict[SuccessAt, Difference]


@dataclass(frozen=True)
class NotCompared:
    """A variant of a task that cannot be compared, and why."""

    task: str
    variant: str
    other: str
    reason: str


def comparisons(tasks: Tasks) -> Iterator[Comparison | NotCompared]:
    """Hold the variants of each task against its baseline; with critics, against alone."""
    for task, variants in tasks.items():
        baseline = next((name for name in (*BASELINES, *variants) if name in variants), None)
        for name in variants:
            alone = name.removesuffix(GUIDED)
            other = alone if name != alone and alone in variants else baseline
            if other is not None and other != name:
                yield _compared(task, (name, variants[name]), (other, variants[other]))


def _compared(
    task: str, one: tuple[str, SeedRuns], other: tuple[str, SeedRuns]
) -> Comparison | NotCompared:
    names = one[0], other[0]
    pairs = _pairs(one[1].results, other[1].results)
    starts = _common_starts([result for pair in pairs for result in pair])
    if isinstance(starts, str):
        return NotCompared(task, *names, starts)
    ones, others = zip(*pairs, strict=True)
    found = {
        rule: paired_difference(_outcomes(ones, rule, starts), _outcomes(others, rule, starts))
        for rule in RULES
    }
    return Comparison(task, *names, len(pairs), starts, pairs[0][0].success_at, found)


def _pairs(one: Sequence[Result], other: Sequence[Result]) -> list[tuple[Result, Result]]:
    """Pair runs of equal training seeds."""
    of_seed = {result.seed: result for result in other}
    return [(result, of_seed[result.seed]) for result in one if result.seed in of_seed]


def _common_starts(results: Sequence[Result]) -> int | str:
    """Count the starts that all runs share, from the first on; or say why they share none."""
    if not results:
        return "they have no training seed in common"
    if not all(result.seeds for result in results):
        return "an older result does not say its starts"
    count = min(len(result.seeds) for result in results)
    if len({result.seeds[:count] for result in results}) > 1:
        return "they were not evaluated on the same starts"
    return count


def _outcomes(
    results: Sequence[Result], rule: SuccessAt, starts: int
) -> Bool[np.ndarray, "seed start"]:
    return np.array([result.reached(rule)[:starts] for result in results], bool)


def paired_difference(
    one: Bool[np.ndarray, "seed start"], other: Bool[np.ndarray, "seed start"]
) -> Difference:
    """Compare two variants by percentiles of a bootstrap with fixed draws.

    Runs of one training seed stay together, and so do all outcomes of one start. Drawing seeds
    anew from two or three of them gives intervals that are too narrow rather than too wide.
    """
    gaps = one.astype(np.float64) - other
    seeds, starts = gaps.shape
    of_starts, of_seeds = _draws(seeds, starts)
    both = (of_seeds @ gaps * of_starts).sum(axis=1)
    over_starts = _span(of_starts @ gaps.mean(axis=0))
    return Difference(float(gaps.mean()), over_starts, _span(both) if seeds > 1 else None)


@lru_cache(maxsize=4)
def _draws(
    seeds: int, starts: int
) -> tuple[Float[np.ndarray, "resample start"], Float[np.ndarray, "resample seed"]]:
    """Draw the shares of starts and of seeds, the same each time."""
    rng = np.random.default_rng(0)
    of_starts = rng.multinomial(starts, np.full(starts, 1 / starts), RESAMPLES) / starts
    of_seeds = rng.multinomial(seeds, np.full(seeds, 1 / seeds), RESAMPLES) / seeds
    return of_starts, of_seeds


def _span(means: Float[np.ndarray, " resample"]) -> Span:
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
