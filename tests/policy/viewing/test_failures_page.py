"""What an evaluation shows: the table, and films of the first failures."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from configs.command import compose
from perception.errors import InputError
from policy.evaluate import outcome_table
from policy.pipeline.judge import EvaluateConfig, judge
from policy.planner.checkpoint import save_planner
from policy.rollouts.evaluation import Evaluation
from policy.rollouts.evaluation_file import read_evaluation
from policy.rollouts.loading import load_for
from policy.viewing.failures_page import failures_page, write_failures
from policy.viewing.viewer import make_renderer
from tests.conftest import task_config
from tests.helpers.pictures import FETCHED
from tests.helpers.small_planner import SHORT, quick_planner


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "checkpoints" / "finetune.safetensors"
    save_planner(quick_planner(), path, {"task": "adroit-door", "stage": "finetune", "seed": 0})
    return path


def evaluate_config(checkpoint: Path, *overrides: str) -> EvaluateConfig:
    small = ["episodes=3", "envs=2", "workers=0", "threads=1", "device=cpu", *SHORT]
    return compose(EvaluateConfig, "evaluate", [f"checkpoint={checkpoint}", *small, *overrides])


def test_the_table_counts_and_gives_wilsons_interval() -> None:
    env = task_config("adroit-door")
    at_end = (True, *(False,) * 9)
    ever, lengths = (True,) * 5 + (False,) * 5, (12,) * 9 + (2,)
    found = Evaluation(at_end, ever, (1.0,) * 10, tuple(range(10)), lengths, at_end)
    kept = io.StringIO()
    Console(file=kept, width=200).print(outcome_table(found, env, "x.safetensors"))
    told = kept.getvalue()
    assert "success at the last step (counts for this task)" in told
    assert "1 = 10.0%" in told
    assert "23.7% to 76.3%" in told  # Five of ten: see test_evaluation.
    assert "11.0 (2 to 12)" in told


def test_the_first_failures_are_shown_with_their_seeds(checkpoint: Path, tmp_path: Path) -> None:
    config = evaluate_config(checkpoint, f"out={tmp_path}", "gallery=2")
    judged = judge(config)
    loaded, found = judged.loaded, judged.evaluation
    assert found.failures == found.seeds  # Nobody opens a door in twelve steps.
    assert read_evaluation(tmp_path, "finetune") == found
    written = write_failures(loaded, found, tmp_path, count=2).read_text()
    assert not FETCHED.search(written)
    assert [f"seed {seed}<" in written for seed in found.seeds] == [True, True, False]
    assert written.count('<div class="film">') == written.count("data:video/mp4;base64,") == 2
    assert sorted(p.name for p in tmp_path.glob("*.mp4")) == ["failures-0.mp4", "failures-1.mp4"]
    assert "When evaluated it failed" not in written


def test_a_failure_that_does_not_fail_again_is_said_to_succeed(tmp_path: Path) -> None:
    env = task_config("adroit-door", *SHORT)
    planner = quick_planner()
    shown = make_renderer(planner, env, None, size=(64, 48)).render(3, tmp_path / "a.mp4", 20)
    trajectory = replace(shown.trajectory, successes=np.ones(12, bool))
    won = replace(shown, trajectory=trajectory)
    lost = Evaluation((False,), (False,), (0.0,), (3,), (12,), (False,))
    written = failures_page(planner, {"stage": "finetune"}, env, lost, {3: won})
    assert "When evaluated it failed; played again it is a success in 12 steps" in written


def test_where_nothing_failed_the_page_says_so(checkpoint: Path, tmp_path: Path) -> None:
    won = Evaluation((True,), (True,), (0.0,), (3,), (12,), (True,))
    loaded = load_for(checkpoint, evaluate_config(checkpoint).task)
    written = write_failures(loaded, won, tmp_path, count=3).read_text()
    assert "No episode failed" in written
    assert '<div class="film">' not in written


def test_less_than_no_failures_are_refused(checkpoint: Path) -> None:
    with pytest.raises(InputError, match="gallery must be at least 0"):
        evaluate_config(checkpoint, "gallery=-1")
