"""Success rates and their intervals."""

from pathlib import Path

import pytest

from envs.seeding import derive_seed
from policy.rollouts.evaluation import (
    Evaluation,
    evaluation_seeds,
    read_evaluation,
    wilson,
    write_evaluation,
)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [  # Worked with the closed form; the last two are published examples (Brown et al., 2001).
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (5, 10, 0.2366, 0.7634),
        (1, 50, 0.0035, 0.1050),
    ],
)
def test_wilsons_interval(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson(successes, trials) == pytest.approx((low, high), abs=5e-4)


def test_an_evaluation_survives_being_written(tmp_path: Path) -> None:
    found = Evaluation((True, False), (True, True), (1.5, -2.0), (11, 12))
    other = Evaluation((False,), (False,), (0.0,), (13,))
    write_evaluation(tmp_path, "pretrain", found)
    write_evaluation(tmp_path, "finetune", other)
    assert read_evaluation(tmp_path, "pretrain") == found
    assert read_evaluation(tmp_path, "finetune") == other
    assert read_evaluation(tmp_path, "other") is None
    assert found.rate == 0.5
    assert "1 of 2 episodes succeed: 50%" in str(found)


def test_no_episode_is_evaluated_on_that_was_trained_on() -> None:
    purposes = ("data", "finetune", "validation", "evaluation")
    seeds = [derive_seed(p, run, i) for p in purposes for run in range(3) for i in range(2000)]
    assert len(set(seeds)) > 0.999 * len(seeds)  # 32 bits: a chance meeting is a chance meeting.
    assert evaluation_seeds(0, 3) == evaluation_seeds(0, 5)[:3]
    assert all(0 <= seed < 2**32 for seed in seeds)
