"""Success rates and their intervals."""

import math
from pathlib import Path

import pytest

from envs.seeding import derive_seed
from policy.rollouts.evaluation import Evaluation, evaluation_seeds, wilson
from policy.rollouts.evaluation_file import (
    forget_evaluation,
    guided,
    read_evaluation,
    write_evaluation,
)
from policy.runs.json_files import read_json


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


def test_the_best_episode_is_one_that_succeeded() -> None:
    found = Evaluation((False, True, True), (True,) * 3, (9.0, 1.0, 2.0), (11, 12, 13))
    assert found.best == 13
    none = Evaluation((False, False), (False,) * 2, (float("nan"), 1.0), (11, 12))
    assert none.best == 12


def test_returns_that_are_not_finite_are_null_and_come_back(tmp_path: Path) -> None:
    found = Evaluation((False, True), (True, True), (float("nan"), 1.0), (11, 12))
    write_evaluation(tmp_path, "finetune", found)
    assert "NaN" not in (tmp_path / "evaluation.json").read_text()
    back = read_evaluation(tmp_path, "finetune")
    assert back is not None
    assert math.isnan(back.returns[0])
    assert back.returns[1] == 1.0


def test_a_damaged_file_is_kept_beside_the_new_one(tmp_path: Path) -> None:
    (tmp_path / "evaluation.json").write_text('{"pretrain": {"succ')
    assert read_evaluation(tmp_path, "pretrain") is None
    found = Evaluation((False,), (False,), (0.0,), (13,))
    write_evaluation(tmp_path, "finetune", found, "of this")
    assert (tmp_path / "evaluation-damaged.json").read_text() == '{"pretrain": {"succ'
    assert read_evaluation(tmp_path, "finetune", "of this") == found
    assert read_evaluation(tmp_path, "finetune", "of another") is None
    write_evaluation(tmp_path, guided("finetune"), found)
    write_evaluation(tmp_path, "pretrain", found)
    forget_evaluation(tmp_path, "finetune")  # Alone, and with its critics.
    assert list(read_json(tmp_path / "evaluation.json")) == ["pretrain"]


def test_a_stage_by_another_name_is_damage(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_evaluation(tmp_path, "pretrain", Evaluation((True,), (True,), (1.0,), (13,)))
    file = tmp_path / "evaluation.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"pretrain": {', '"prdtrain": {'))
    assert read_evaluation(tmp_path, "pretrain") is None
    assert "cannot be read" in caplog.text


def test_no_episode_is_evaluated_on_that_was_trained_on() -> None:
    purposes = ("data", "finetune", "validation", "evaluation")
    seeds = [derive_seed(p, run, i) for p in purposes for run in range(3) for i in range(2000)]
    assert len(set(seeds)) > 0.999 * len(seeds)  # 32 bits: a chance meeting is a chance meeting.
    assert evaluation_seeds(0, 3) == evaluation_seeds(0, 5)[:3]
    played = Evaluation((True,) * 3, (True,) * 3, (1.0,) * 3, tuple(evaluation_seeds(0, 3)))
    assert [played.begins_like(evaluation_seeds(n, 5)) for n in (0, 1)] == [True, False]
    assert all(0 <= seed < 2**32 for seed in seeds)
