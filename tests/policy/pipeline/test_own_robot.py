"""A robot of one's own, which nobody simulates: trained, shown and saved, and not evaluated."""

from pathlib import Path

import numpy as np
import pytest

from configs.command import compose
from perception.errors import InputError
from policy.pipeline.config import TrainConfig
from policy.pipeline.judge import EvaluateConfig, judge
from policy.pipeline.stages import train
from policy.planner.checkpoint import load_planner
from policy.rollouts.recorder import RecordConfig, record
from policy.viewing.viewer import ViewRolloutConfig, view
from tests.helpers.made_up import episode, write
from tests.policy.test_training import FINETUNING, PRETRAINING

NOT_OF_A_TASK = tuple(part for part in PRETRAINING if not part.startswith("env."))
SHORT = (*NOT_OF_A_TASK, "pretrain.steps=4")


@pytest.fixture(scope="module")
def own_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("own") / "mine.zarr"
    write(path, episode(12), episode(9, seed=1))
    return path


@pytest.fixture(scope="module")
def own_run(own_store: Path) -> Path:
    """What the default stage makes of it."""
    out = own_store.parent / "run"
    train(compose(TrainConfig, "train", [f"data={own_store}", f"out={out}", *SHORT]))
    return out


def test_it_is_pre_trained_and_says_that_it_was_not_evaluated(
    own_store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = [f"data={own_store}", f"out={tmp_path / 'run'}", *SHORT, "stage=pretrain"]
    with caplog.at_level("INFO"):
        train(compose(TrainConfig, "train", [*words, "pretrain.windows=8"]))
    assert "no simulator for task made-up: not evaluated" in caplog.text
    _, about = load_planner(tmp_path / "run" / "checkpoints" / "pretrain.safetensors")
    assert (about["task"], "env" in about) == ("made-up", False)


def test_its_page_shows_the_planner_beside_the_data(own_run: Path) -> None:
    assert not (own_run / "evaluation.json").exists()
    page = (own_run / "report.html").read_text()
    assert "made-up: run" in page
    assert "Recorded episode 0" in page
    view(compose(ViewRolloutConfig, "views/rollout", [f"checkpoint={own_run}", "episodes=2"]))
    shown = (own_run / "rollout.html").read_text()
    assert "There is no simulator for made-up" in shown
    assert shown.count('<div class="film">') == 2


def test_what_plays_says_what_is_missing(own_run: Path, tmp_path: Path) -> None:
    words = "no simulator .*made-up|made-up.*no simulator"
    with pytest.raises(InputError, match=words):
        train(compose(TrainConfig, "train", [f"out={own_run}", *FINETUNING, "stage=finetune"]))
    with pytest.raises(InputError, match=words):
        judge(compose(EvaluateConfig, "evaluate", [f"checkpoint={own_run}"]))
    with pytest.raises(InputError, match=words):
        record(compose(RecordConfig, "record", [f"checkpoint={own_run}", f"out={tmp_path / 'x'}"]))


def test_a_task_of_the_same_robot_can_be_named(
    own_run: Path, own_store: Path, tmp_path: Path
) -> None:
    small = ["env=adroit-door", "env.episode_steps=6", "points=64", "envs=1", "workers=0"]
    words = [f"checkpoint={own_run}", f"out={tmp_path}", *small, "episodes=1", "gallery=0"]
    evaluation = judge(compose(EvaluateConfig, "evaluate", words)).evaluation
    assert len(evaluation.seeds) == 1
    assert np.isfinite(evaluation.returns).all()
