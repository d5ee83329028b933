"""What a run writes beside its result: none of it changes the result."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from configs.stopping import StoppedError
from datasets.windows import Windows, load_windows
from envs.vector.vector_env import Shapes, VectorEnv
from perception.errors import InputError
from policy.finetuning.loop import finetune
from policy.finetuning.validation import Best
from policy.planner.checkpoint import load_policy
from policy.pretraining.config import PretrainConfig
from policy.pretraining.pretrain import pretrain
from policy.rollouts.evaluation_file import of_checkpoint
from policy.runs.keeping import Keeping, LoggerName
from policy.runs.metrics import read_metrics
from policy.runs.run import Run
from tests.conftest import task_config
from tests.helpers.small_planner import small_finetuning, small_planner
from tests.policy.pipeline.test_stopping import ABOUT, asked
from tests.policy.test_training import assert_same_weights

CONFIG = PretrainConfig(12, 8, 1e-3, None, False, "float32", 5, 10, decay="cosine")


@pytest.fixture(scope="module")
def windows(tiny_store: Path) -> Windows:
    return load_windows([tiny_store], history=2, horizon=4, chunk=3)


def files(run: Run) -> list[str]:
    return sorted(path.name for path in (run.path / "checkpoints").glob("*.safetensors"))


@pytest.mark.parametrize(
    ("every", "before", "now", "due"),
    [(0, 0, 100, False), (5, 4, 5, True), (5, 5, 9, False), (5, 8, 21, True), (1, 7, 8, True)],
)
def test_a_planner_is_kept_where_a_multiple_is_passed(
    every: int, before: int, now: int, due: bool
) -> None:
    assert Keeping(keep_every=every).due(before, now) is due


def test_kept_planners_are_those_of_shorter_runs(windows: Windows, tmp_path: Path) -> None:
    plain, run = (Run(tmp_path / n, ABOUT, Keeping(keep_every=k)) for n, k in (("a", 0), ("b", 4)))
    constant = replace(CONFIG, decay="constant")
    pretrain(small_planner(), windows, replace(constant, steps=8), run=plain, seed=0)
    with pytest.raises(StoppedError):
        pretrain(small_planner(), windows, constant, run=run, seed=0, stop=asked(6))
    pretrain(small_planner(), windows, constant, run=run, seed=0)
    named = [f"pretrain-{step}.safetensors" for step in (12, 4, 8)]
    assert files(run) == [*named, "pretrain.safetensors"]
    kept, about = load_policy(run.kept("pretrain", 8))
    assert about["gradient_steps"] == 8
    short = load_policy(plain.checkpoint("pretrain"))[0].state_dict()
    assert all(value.equal(short[name]) for name, value in kept.state_dict().items())


def test_no_logger_changes_what_is_learned_and_noted(windows: Windows, tmp_path: Path) -> None:
    names: tuple[LoggerName, ...] = ("tensorboard", "none")
    shown, bare = (Run(tmp_path / name, ABOUT, Keeping(logger=name)) for name in names)
    for run in (shown, bare):
        pretrain(small_planner(), windows, CONFIG, run=run, seed=0)
    assert [(run.path / "tensorboard").exists() for run in (shown, bare)] == [True, False]
    assert_same_weights(shown.path, bare.path, "pretrain")
    noted = [read_metrics(run.path / "pretrain.jsonl") for run in (shown, bare)]
    assert noted[0] == noted[1]
    assert [line["pretrain/learning_rate"] for line in noted[0]] == [
        CONFIG.rate(step) for step in (4, 9)
    ]
    assert all(line["pretrain/gradient_norm"] > 0 for line in noted[0])


def test_weights_and_biases_writes_without_network(
    windows: Windows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="an extra: pip install -e '.[wandb]'")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    run = Run(tmp_path / "run", ABOUT, Keeping(logger="wandb"))
    pretrain(small_planner(), windows, CONFIG, run=run, seed=0)
    (written,) = run.path.glob("wandb/offline-run-*/run-*.wandb")
    said = written.read_bytes()
    assert all(name in said for name in (b"pretrain/loss", b"pretrain/windows_per_s"))


def test_without_weights_and_biases_one_line_says_how(
    windows: Windows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    run = Run(tmp_path / "run", ABOUT, Keeping(logger="wandb"))
    with pytest.raises(InputError, match=r"logger=wandb needs .* pip install -e '\.\[wandb\]'"):
        pretrain(small_planner(), windows, CONFIG, run=run, seed=0)


def test_the_best_planner_is_that_of_the_best_evaluation(tmp_path: Path) -> None:
    config = task_config("adroit-door", "env.episode_steps=6", "env.view.points=32")
    envs = VectorEnv(config, Shapes(envs=2, history=2, chunk=3), workers=0)
    tuning = small_finetuning(initial_limit=2, episodes=8, evaluate_every=2, evaluate_episodes=2)
    whole, stopped = (Run(tmp_path / n, ABOUT, Keeping(keep_every=2)) for n in ("whole", "stopped"))
    own = {"seed": 0, "success_at": "end"}
    finetune(small_planner(), envs, tuning, run=whole, **own)
    with pytest.raises(StoppedError):
        finetune(small_planner(), envs, tuning, run=stopped, stop=asked(3), **own)
    finetune(small_planner(), envs, tuning, run=stopped, **own)
    noted = [line for line in read_metrics(whole.path / "finetune.jsonl") if len(line) > 1]
    ranks = {
        (line["evaluation/success"], line["evaluation/return"]): line["step"]
        for line in reversed(noted)  # Of equals, the first.
        if "evaluation/success" in line
    }
    best, about = load_policy(whole.checkpoint("best"))
    assert about["episodes"] == ranks[max(ranks)]
    kept = load_policy(whole.kept("finetune", about["episodes"]))[0].state_dict()
    assert all(value.equal(kept[name]) for name, value in best.state_dict().items())
    again = load_policy(stopped.checkpoint("best"))[0].state_dict()
    assert all(value.equal(again[name]) for name, value in best.state_dict().items())
    assert files(whole) == files(stopped)


def test_the_best_goes_on_from_what_was_noted(tmp_path: Path) -> None:
    run = Run(tmp_path, ABOUT)
    metrics = run.metrics("finetune", 0)
    for step, success in ((10, 0.5), (20, 0.9)):
        metrics.write(step, {"evaluation/success": success, "evaluation/return": 1.0})
    metrics.close()
    best = Best(run, 10)  # The evaluation of step 20 is made again.
    assert not best.beaten_by({"finetune/success": 1.0})
    assert not best.beaten_by({"evaluation/success": 0.5, "evaluation/return": 1.0})
    assert best.beaten_by({"evaluation/success": 0.5, "evaluation/return": 1.5})
    assert best.beaten_by({"evaluation/success": 0.9, "evaluation/return": 0.0})
    assert not best.beaten_by({"evaluation/success": 0.8, "evaluation/return": 9.0})


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("run/checkpoints/finetune.safetensors", "finetune"),
        ("run/checkpoints/best.safetensors", "finetune-best"),
        ("run/checkpoints/finetune-100.safetensors", "finetune-100"),
        ("elsewhere/mine.safetensors", "finetune"),
    ],
)
def test_each_planner_of_a_run_has_an_evaluation_of_its_own(path: str, named: str) -> None:
    assert of_checkpoint(Path(path), "finetune") == named
