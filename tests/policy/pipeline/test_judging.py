"""Planners are judged on the same starts whatever their seed: alone, and with their critics."""

import json
from pathlib import Path

import pytest
import yaml

from configs.command import compose
from perception.errors import InputError
from policy.finetuning.guided.saved_critics import critics_path
from policy.pipeline.checks import check
from policy.pipeline.config import TrainConfig
from policy.pipeline.judge import EvaluateConfig, judge
from policy.planner.checkpoint import load_planner, save_planner
from policy.reports.result import Result
from policy.rollouts.evaluation import evaluation_seeds
from policy.rollouts.evaluation_file import read_evaluation
from policy.runs.json_files import read_json, write_json
from policy.viewing.failures_page import write_failures
from tests.helpers.small_planner import SHORT, quick_planner
from tests.policy.pipeline.without_page import train_without_page

PLAYED = ("envs=2", "workers=0", "threads=1", "device=cpu", "episodes=3", *SHORT)
LEARNED = (
    "stage=finetune", "env=adroit-door", "finetune=q_guided", "finetune.episodes=4",
    "finetune.initial_limit=2", "finetune.gradient_steps=1", "finetune.evaluate_every=0",
    "finetune.algorithm.critic.steps=1", "finetune.algorithm.distil.steps=1", "experiment=trial",
    "variant=guiding",
)  # fmt: skip


def run(out: Path, *words: str) -> None:
    given = (f"init_from={out.parent / 'before.safetensors'}", f"results={out.parent / 'results'}")
    train_without_page(f"out={out}", *given, *PLAYED, *LEARNED, *words)


def asked(run: Path, out: Path, *words: str) -> EvaluateConfig:
    return compose(EvaluateConfig, "evaluate", [f"checkpoint={run}", f"out={out}", *PLAYED, *words])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of a planner by critics, of two seeds."""
    made = tmp_path_factory.mktemp("runs")
    about = {"task": "adroit-door", "stage": "pretrain", "seed": 0}
    save_planner(quick_planner(), made / "before.safetensors", about)
    for seed in (0, 1):
        run(made / f"run{seed}", f"seed={seed}")
    return made


def test_both_seeds_are_judged_on_the_same_starts_alone_and_guided(folder: Path) -> None:
    starts = tuple(evaluation_seeds(0, 3))
    for variant, stage in (("guiding", "finetune"), ("guiding_with_critics", "finetune-guided")):
        for seed in (0, 1):
            path = folder / "results" / "trial" / "adroit-door" / variant / f"seed{seed}.json"
            result = Result.read(path)
            found = read_evaluation(folder / f"run{seed}", stage)
            assert found is not None
            assert (result.stage, result.seeds, found.seeds) == (stage, starts, starts)
            assert (result.at_end, result.ever) == (found.at_end, found.ever)
            assert result.env_steps == 4 * 12
            assert result.processor_s is not None
    of_both = [read_evaluation(folder / "run0", s) for s in ("finetune", "finetune-guided")]
    assert of_both[0] != of_both[1]


def test_evaluating_with_candidates_is_what_training_noted(folder: Path, tmp_path: Path) -> None:
    config = asked(folder / "run0", tmp_path, "candidates=6")
    judged = judge(config)
    assert judged.evaluation == read_evaluation(folder / "run0", "finetune-guided")
    assert judged.evaluation == read_evaluation(tmp_path, "finetune-guided")
    assert read_evaluation(tmp_path, "finetune") is None
    assert judged.critics is not None
    decide = judged.critics.guide(judged.loaded.planner, 6)
    page = write_failures(judged.loaded, judged.evaluation, tmp_path, count=1, decide=decide)
    assert "When evaluated it failed" not in page.read_text()


def test_a_planner_is_judged_at_another_temperature_beside_its_own(
    folder: Path, tmp_path: Path
) -> None:
    cold = judge(asked(folder / "run0", tmp_path, "temperature=0")).evaluation
    assert read_evaluation(tmp_path, "finetune-temperature0") == cold
    assert read_evaluation(tmp_path, "finetune") is None
    start, out = folder / "before.safetensors", tmp_path / "cold"
    train_without_page(
        f"out={out}", f"init_from={start}", "temperature=0", "stage=zero_shot", *PLAYED
    )
    kept, _ = load_planner(out / "checkpoints/pretrain.safetensors")
    assert kept.config.temperature == 0
    assert load_planner(start)[0].config.temperature == 1
    judged = judge(asked(start, tmp_path / "before", "temperature=0")).evaluation
    assert read_evaluation(out, "pretrain") == judged
    check(compose(TrainConfig, "train", ["stage=finetune", f"init_from={start}", "temperature=0"]))
    with pytest.raises(InputError, match="temperature=, needs init_from="):
        check(compose(TrainConfig, "train", ["stage=finetune", "temperature=0"]))


def test_a_run_from_before_there_were_temperatures_goes_on(folder: Path) -> None:
    path = folder / "run1" / "config.yaml"
    now = yaml.safe_load(path.read_text())
    assert (now.pop("temperature"), now["planner"].pop("temperature")) == (None, 1.0)
    path.write_text(yaml.safe_dump(now))
    run(folder / "run1", "seed=1")
    assert yaml.safe_load(path.read_text())["planner"]["temperature"] == 1.0
    with pytest.raises(InputError, match=r"temperature: None -> 0\.0"):
        run(folder / "run1", "seed=1", "temperature=0")


def test_a_planner_without_critics_is_refused_candidates(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There are no critics beside"):
        judge(asked(folder / "before.safetensors", tmp_path, "candidates=2"))
    assert list(tmp_path.iterdir()) == []


def test_an_evaluation_of_other_starts_is_played_again(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = folder / "run1" / "evaluation.json"
    before = file.read_text()
    values = read_json(file)
    values["finetune"]["seeds"] = evaluation_seeds(1, 3)  # As each seed had its own before.
    del values["finetune"]["crc32"]
    write_json(file, values)
    with caplog.at_level("INFO"):
        run(folder / "run1", "seed=1")
    assert "finetune: what was evaluated before began otherwise: played again" in caplog.text
    assert json.loads(file.read_text()) == json.loads(before)


def test_a_longer_fine_tuning_has_critics_of_its_own(folder: Path) -> None:
    path = critics_path(folder / "run1" / "checkpoints" / "finetune.safetensors")
    before = path.read_bytes()
    run(folder / "run1", "seed=1", "finetune.episodes=6")
    assert path.read_bytes() != before
    result = Result.read(folder / "results/trial/adroit-door/guiding_with_critics/seed1.json")
    assert result.env_steps == 6 * 12


def test_critics_that_see_the_state_learn_and_leave_the_planner_to_be_judged_alone(
    folder: Path, tmp_path: Path
) -> None:
    seeing = "finetune.algorithm.critic.sees=both"
    run(folder / "seeing", seeing, "variant=seeing")
    assert read_evaluation(folder / "seeing", "finetune") is not None
    assert read_evaluation(folder / "seeing", "finetune-guided") is None
    assert not (folder / "results" / "trial" / "adroit-door" / "seeing_with_critics").exists()
    with pytest.raises(InputError, match=r"see the simulator's state \(sees=both\)"):
        judge(asked(folder / "seeing", tmp_path, "candidates=2"))
    with pytest.raises(InputError, match=r"critic\.sees"):
        run(folder / "seeing", "variant=seeing")
