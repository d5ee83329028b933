"""Training for real, small: killed at any moment it goes on to the same weights."""

import json
import random
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file

from configs.command import compose
from policy.pipeline.config import TrainConfig
from policy.pipeline.stages import train
from policy.planner.checkpoint import load_planner
from policy.rollouts.evaluation import evaluation_seeds
from policy.runs.metrics import read_metrics
from tests.helpers.commands import succeed
from tests.helpers.killing import stop
from tests.helpers.pictures import FETCHED
from visualizer.pages import page

SMALL = (
    "env.episode_steps=12",
    "env.view.points=64",
    "denoiser=unet-simple",
    "denoiser.widths=[16,32,48]",
    "denoiser.step_features=16",
    "planner.denoising_steps=10",
    "planner.sampling_steps=2",
    "threads=1",
    "envs=2",
    "workers=0",
    "episodes=2",
    "pretrain.steps=30",
    "pretrain.batch=8",
    "pretrain.log_every=5",
    "pretrain.save_every=5",
    "finetune=ppo_bc",
    "finetune.episodes=8",
    "finetune.initial_episodes=1",
    "finetune.initial_limit=2",
    "finetune.gradient_steps=2",
    "finetune.algorithm.batch=8",
    "finetune.evaluate_every=4",
    "finetune.evaluate_episodes=2",
)

PRETRAINING = tuple(part for part in SMALL if not part.startswith("finetune"))
OF_PLANNERS = ("denoiser", "planner.", "pretrain.")
FINETUNING = tuple(part for part in SMALL if not part.startswith(OF_PLANNERS))


@pytest.fixture(scope="module")
def whole(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run, not interrupted."""
    out = tmp_path_factory.mktemp("run") / "whole"
    succeed("policy/train.py", f"data={tiny_store}", f"out={out}", *SMALL)
    return out


def assert_same_weights(one: Path, other: Path, stage: str) -> None:
    first, second = (load_file(p / "checkpoints" / f"{stage}.safetensors") for p in (one, other))
    assert first.keys() == second.keys()
    for name, weights in first.items():
        assert weights.equal(second[name]), name


def test_a_run_killed_in_each_stage_goes_on_to_the_same_weights(
    whole: Path, tiny_store: Path, tmp_path: Path
) -> None:
    out, rng = tmp_path / "killed", random.Random(0)
    command = ("policy/train.py", f"data={tiny_store}", f"out={out}", *SMALL)
    moments = (
        ("workers=0", lambda: len(read_metrics(out / "pretrain.jsonl")) >= 2),
        ("workers=0", (out / "checkpoints" / "pretrain.safetensors").exists),
        ("workers=1", lambda: len(read_metrics(out / "finetune.jsonl")) >= 2),
    )
    for workers, begun in moments:
        # Returns when nobody holds the command's output any more: its worker has ended too.
        assert stop((*command, workers), rng.uniform(0, 0.05), begun=begun)
        assert not (out / "checkpoints" / "finetune.safetensors").exists()
    succeed(*command)
    for stage in ("pretrain", "finetune"):
        assert_same_weights(whole, out, stage)
        assert read_metrics(out / f"{stage}.jsonl") == read_metrics(whole / f"{stage}.jsonl")
    assert (out / "evaluation.json").read_text() == (whole / "evaluation.json").read_text()


def test_a_finished_run_is_not_run_again(whole: Path, tiny_store: Path) -> None:
    before = (whole / "checkpoints" / "finetune.safetensors").stat().st_mtime_ns
    said = succeed("policy/train.py", f"data={tiny_store}", f"out={whole}", *SMALL)
    assert (whole / "checkpoints" / "finetune.safetensors").stat().st_mtime_ns == before
    assert "finetune: " in said
    assert "fine-tune:" not in said  # The progress bar of the stage.


def test_a_run_folder_holds_what_it_should(whole: Path) -> None:
    assert yaml.safe_load((whole / "config.yaml").read_text())["planner"]["horizon"] == 4
    assert list((whole / "tensorboard").rglob("events*"))
    judged = json.loads((whole / "evaluation.json").read_text())
    assert set(judged) == {"pretrain", "finetune"}
    assert len(judged["finetune"]["successes"]) == 2
    planner, about = load_planner(whole / "checkpoints" / "finetune.safetensors")
    assert about["task"] == "adroit-door"
    assert about["env_steps"] == 8 * 12
    assert about["gradient_steps"] == 6 * 2
    assert not planner.training
    report = (whole / "report.html").read_text()
    assert report.startswith(page("x", [])[:15])
    for told in ("recorded data", "pre-trained", "fine-tuned", "Learning", "data:video/mp4"):
        assert told in report
    assert not FETCHED.search(report)
    sections = [
        report.index(f">{name}</h2>") for name in ("Before | after fine-tuning", "Learning")
    ]
    assert sections == sorted(sections)
    assert report.count('<div class="film">') == report.count("<video muted") == 2


def test_evaluating_again_gives_the_same(whole: Path, tmp_path: Path) -> None:
    checkpoint = whole / "checkpoints" / "finetune.safetensors"
    same = ("env.episode_steps=12", "env.view.points=64", "threads=1", "envs=2", "workers=0")
    said = succeed(
        "policy/evaluate.py", f"checkpoint={checkpoint}", f"out={tmp_path}", "episodes=2", *same
    )
    assert "of 2 episodes succeed" in said
    again = json.loads((tmp_path / "evaluation.json").read_text())["finetune"]
    before = json.loads((whole / "evaluation.json").read_text())["finetune"]
    assert again == before


def test_results_have_exactly_the_agreed_fields(
    whole: Path, tiny_store: Path, tmp_path: Path
) -> None:
    own = ("experiment=trial", "variant=bc", f"results={tmp_path}")
    train(compose(TrainConfig, "train", [f"data={tiny_store}", f"out={whole}", *SMALL, *own]))
    written = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.json"))
    assert written == [
        "trial/adroit-door/bc/seed0.json",
        "trial/adroit-door/pretrained/seed0.json",
    ]
    result = json.loads((tmp_path / written[0]).read_text())
    assert list(result) == [
        "experiment", "task", "variant", "seed", "stage", "episodes", "successes", "success_rate",
        "wilson_low", "wilson_high", "top5_mean", "mean_return", "env_steps", "gradient_steps",
        "wall_time_s", "command", "config_sha256", "source_commit", "machine", "date",
        "processor_s", "success_at", "seeds", "at_end", "ever", "parameters",
    ]  # fmt: skip
    assert result["stage"] == "finetune"
    assert result["env_steps"] == 96
    assert result["seeds"] == evaluation_seeds(0, 2)
    assert 0 < result["processor_s"] < 100 * result["wall_time_s"]
