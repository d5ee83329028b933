"""Variants are compared start by start, only where the starts agree, with intervals that hold."""

from collections.abc import Sequence

import numpy as np
import pytest

from policy.reports.paired import Comparison, NotCompared, comparisons, paired_difference
from policy.reports.result import Result
from policy.reports.result_tree import SeedRuns
from policy.reports.tables.paired_tables import HEADER, paired_rows, reasons
from tests.policy.reports.made_results import result

STARTS = range(100, 120)


def runs(variant: str, *successes: int, starts: Sequence[int] = STARTS) -> SeedRuns:
    """One run for each training seed, with so many successes."""
    found = [result(f"e/t/{variant}", s, n, 20, starts) for s, n in enumerate(successes)]
    return SeedRuns((), tuple(found))


def test_a_difference_is_worked_by_hand() -> None:
    one = np.array([[1, 1, 1, 1], [1, 1, 0, 1]], bool)
    other = np.array([[1, 0, 0, 1], [0, 0, 0, 1]], bool)
    found = paired_difference(one, other)
    assert found.mean == pytest.approx((2 + 2) / 8)
    assert found == paired_difference(one, other)  # The draws are always the same.
    (low, high), of_start = found.over_starts, (one.astype(float) - other).mean(axis=0)
    assert of_start.min() <= low < found.mean < high <= of_start.max()
    assert paired_difference(one[:1], other[:1]).over_seeds is None


def test_intervals_hold_what_they_should_as_often_as_they_say() -> None:
    rng, held, pooled = np.random.default_rng(0), 0, 0
    for _ in range(40):
        hard = rng.random(100)  # Some starts are hard for both: what pairing takes out.
        one = (hard < 0.7 + 0.1 * rng.standard_normal(100))[None]
        other = (hard < 0.5 + 0.1 * rng.standard_normal(100))[None]
        low, high = paired_difference(one, other).over_starts
        held += low <= 0.2 <= high
        pooled += high - low < 2 * 1.96 * np.sqrt(0.7 * 0.3 / 100 + 0.5 * 0.5 / 100)
    assert held >= 35
    assert pooled == 40  # Narrower than without the pairs.


def test_seeds_that_differ_widen_the_interval_over_seeds() -> None:
    rng = np.random.default_rng(1)
    shares = np.array([[0.2], [0.5], [0.9]])
    one, other = rng.random((3, 200)) < shares, rng.random((3, 200)) < 0.5
    found = paired_difference(one, other)
    assert found.over_seeds is not None
    widths = [high - low for low, high in (found.over_starts, found.over_seeds)]
    assert widths[1] > 2 * widths[0]


def test_each_variant_is_held_against_the_baseline_and_a_guided_one_against_itself() -> None:
    variants = {
        "pretrained": runs("pretrained", 2, 4),
        "sodp": runs("sodp", 8, 10),
        "q_guided": runs("q_guided", 14, 16, 18),
        "q_guided_with_critics": runs("q_guided_with_critics", 16, 18, 20),
    }
    found = [one for one in comparisons({"t": variants}) if isinstance(one, Comparison)]
    assert [(c.variant, c.other, c.seeds, c.starts) for c in found] == [
        ("pretrained", "sodp", 2, 20),
        ("q_guided", "sodp", 2, 20),
        ("q_guided_with_critics", "q_guided", 3, 20),
    ]
    assert found[1].differences["end"].mean == pytest.approx((6 + 6) / 40)
    assert found[1].differences["ever"].mean == 0
    rows, refused = paired_rows({"t": variants}, mark="**")
    assert not refused
    assert all(len(row) == len(HEADER) for row in rows)
    assert rows[2][:5] == ["t", "q_guided with its critics", "q_guided", "3 x 20", "**+10.0**"]


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (runs("q", 3, starts=()), "an older result does not say its starts"),
        (runs("q", 3, starts=range(200, 220)), "they were not evaluated on the same starts"),
        (SeedRuns((), (result("e/t/q", 7, 3, 20, STARTS),)), "they have no training seed in co"),
    ],
)
def test_what_cannot_be_compared_is_said(other: SeedRuns, reason: str) -> None:
    rows, refused = paired_rows({"t": {"sodp": runs("sodp", 3), "q": other}})
    assert (rows, [type(one) for one in refused]) == ([], [NotCompared])
    (said,) = reasons([("t q", one) for one in refused])
    assert said.startswith(f"Not compared, since {reason}")
    assert said.endswith(": t q.")


def test_a_longer_evaluation_is_compared_on_what_both_played() -> None:
    longer: Result = result("e/t/q", 0, 25, 40, range(100, 140))
    variants = {"sodp": runs("sodp", 5), "q": SeedRuns((), (longer,))}
    (found,) = comparisons({"t": variants})
    assert isinstance(found, Comparison)
    assert found.starts == 20
    assert found.differences["end"].mean == pytest.approx(15 / 20)
