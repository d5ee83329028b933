"""Success along pre-training: on starts of its own, and in the result as DP3 reports it."""

from pathlib import Path

import pytest

from configs.stopping import StoppedError
from datasets.windows import load_windows
from perception.errors import InputError
from policy.planner.policy import Policy
from policy.pretraining.config import PretrainConfig
from policy.pretraining.looks import Looks
from policy.pretraining.pretrain import pretrain
from policy.reports.curves import loss_plot
from policy.reports.result import Result
from policy.rollouts.evaluation import Evaluation, evaluation_seeds, validation_seeds
from policy.runs.metrics import read_metrics
from policy.runs.run import Run
from tests.helpers.made_up import episode, write
from tests.helpers.pictures import assert_varied
from tests.helpers.small_planner import small_planner
from tests.policy.pipeline.test_stopping import ABOUT, asked
from tests.policy.pipeline.without_page import train_without_page
from tests.policy.test_training import PRETRAINING

CONFIG = PretrainConfig(12, 8, 1e-3, None, False, "float32", 5, 10, evaluate_every=4)


def play(planner: Policy) -> Evaluation:
    """Tell planners apart: a 'return' that follows from their weights."""
    total = sum(float(weight.double().sum()) for weight in planner.parameters())
    return Evaluation((True, False), (True, True), (total, total), (1, 2))


def test_it_is_noted_at_each_multiple_and_anew_where_a_run_goes_on(
    tiny_store: Path, tmp_path: Path
) -> None:
    windows = load_windows([tiny_store], history=2, horizon=4, chunk=3)
    whole, stopped = (Run(tmp_path / name, ABOUT) for name in ("whole", "stopped"))
    pretrain(small_planner(), windows, CONFIG, run=whole, seed=0, looks=Looks(play=play))
    with pytest.raises(StoppedError):
        pretrain(
            small_planner(), windows, CONFIG, run=stopped, seed=0, looks=Looks(play=play),
            stop=asked(6),
        )  # fmt: skip
    pretrain(small_planner(), windows, CONFIG, run=stopped, seed=0, looks=Looks(play=play))
    metrics = [read_metrics(run.path / "pretrain.jsonl") for run in (whole, stopped)]
    assert metrics[0] == metrics[1]
    noted = [row for row in metrics[0] if "evaluation/success" in row]
    assert [row["step"] for row in noted] == [4, 8, 12]
    assert {row["evaluation/success"] for row in noted} == {0.5}
    assert len({row["evaluation/return"] for row in noted}) == 3
    assert_varied(loss_plot(metrics[0]))
    assert len(loss_plot(metrics[0])) > len(loss_plot([r for r in metrics[0] if r not in noted]))


def test_the_result_tells_the_mean_of_the_five_best(tiny_store: Path, tmp_path: Path) -> None:
    words = ("pretrain.evaluate_every=5", "pretrain.evaluate_episodes=2", "experiment=along")
    where = (f"data={tiny_store}", f"out={tmp_path / 'run'}", f"results={tmp_path / 'results'}")
    train_without_page(*PRETRAINING, "stage=pretrain", *words, *where)
    (path,) = (tmp_path / "results").rglob("seed0.json")
    result = Result.read(path)
    rows = read_metrics(tmp_path / "run" / "pretrain.jsonl")
    rates = [row["evaluation/success"] for row in rows if "evaluation/success" in row]
    assert len(rates) == 6
    assert result.top5_mean == pytest.approx(sum(sorted(rates)[1:]) / 5)


def test_its_starts_are_those_of_no_other_evaluation() -> None:
    assert not set(validation_seeds(0, 100)) & set(evaluation_seeds(0, 100))


def test_without_a_simulator_it_is_refused(tmp_path: Path) -> None:
    data, out = tmp_path / "mine.zarr", tmp_path / "run"
    write(data, episode(12), episode(9, seed=1))
    own = [part for part in PRETRAINING if not part.startswith("env.")]
    with pytest.raises(InputError, match=r"pretrain\.evaluate_every= plays .*held_out=0\.1"):
        train_without_page(*own, f"data={data}", f"out={out}", "pretrain.evaluate_every=5")
    assert not out.exists()
