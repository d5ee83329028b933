"""A run that goes on: longer, by another name of its store, or refused in words."""

import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from configs.command import compose_part, options
from configs.locks import only_writer
from datasets.behaviours.training_state import load_state
from datasets.collection.collector import collect
from perception.errors import InputError
from policy.finetuning.config import FinetuneConfig
from policy.pipeline.growth import SECTIONS
from policy.pipeline.identity import maker
from policy.planner.checkpoint import load_planner
from policy.rollouts.evaluation_file import read_evaluation
from policy.runs.json_files import read_json, write_json
from policy.runs.metrics import read_metrics
from policy.runs.run import as_yaml_knows
from tests.conftest import collect_config
from tests.policy.pipeline.without_page import train_without_page
from tests.policy.test_training import FINETUNING, PRETRAINING, assert_same_weights

SHORT = ("pretrain.steps=6", "pretrain.log_every=4")
PRETRAIN = (*PRETRAINING, *SHORT, "stage=pretrain")
OF_VIEW = ("env.episode_steps=12", "env.view.points=64")


def run(out: Path, *words: str) -> None:
    train_without_page(f"out={out}", *words)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "door.zarr"
    collect(collect_config(path))
    return path


@pytest.fixture(scope="module")
def short(store: Path) -> Path:
    """A run that is pre-trained for six steps, and fine-tuned from there."""
    out = store.parent / "short"
    run(out, f"data={store}", *PRETRAIN)
    run(out, *FINETUNING, "stage=finetune")
    return out


@pytest.fixture
def copy(short: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(short, tmp_path / "copy"))


def test_a_longer_pre_training_is_the_one_that_was_longer_from_the_start(
    copy: Path, store: Path, tmp_path: Path
) -> None:
    longer = (*PRETRAIN, "pretrain.steps=10", f"data={store}")
    run(copy, *longer)
    run(tmp_path / "whole", *longer)
    assert_same_weights(copy, tmp_path / "whole", "pretrain")
    metrics = [read_metrics(out / "pretrain.jsonl") for out in (copy, tmp_path / "whole")]
    assert metrics[0] == metrics[1]
    assert [line["step"] for line in metrics[0]] == [4, 8]
    assert yaml.safe_load((copy / "config.yaml").read_text())["pretrain"]["steps"] == 10
    # What was fine-tuned from the shorter one is a run of its own now.
    aside = copy / "pretrained-6-steps"
    _, about = load_planner(aside / "checkpoints" / "finetune.safetensors")
    assert about["stage"] == "finetune"
    assert read_evaluation(aside, "finetune") is not None
    assert not (copy / "checkpoints" / "finetune.safetensors").exists()
    assert read_evaluation(copy, "pretrain") is not None


def test_fine_tuning_goes_on_for_more_episodes_and_counts_them_exactly(copy: Path) -> None:
    before = read_evaluation(copy, "finetune")
    run(copy, *FINETUNING, "stage=finetune", "finetune.episodes=11")
    _, about = load_planner(copy / "checkpoints" / "finetune.safetensors")
    assert about["episodes"] == 11
    assert about["env_steps"] == 11 * 12
    steps = [line["step"] for line in read_metrics(copy / "finetune.jsonl")]
    assert steps == [2, 4, 6, 8, 10, 11]
    after = read_evaluation(copy, "finetune")
    assert after is not None
    assert before is not None
    assert after.seeds == before.seeds


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((*PRETRAIN, "pretrain.steps=5"), r"pretrain\.steps=5: .* was made with 6. It can be rai"),
        ((*PRETRAIN, "pretrain.batch=4"), r"belongs to another configuration \(pretrain\.batch: 8"),
        ((*FINETUNING, "stage=finetune", "finetune.episodes=7"), "was made with 8. It can be rais"),
        ((*FINETUNING, "stage=finetune", "pretrain.steps=9"), "has no effect with stage=finetune"),
        ((*FINETUNING, "stage=finetune", "denoiser=unet-dp3"), "has no effect with stage=finetune"),
        ((*FINETUNING, "stage=finetune", "seed=1"), r"another configuration \(.*seed: 0 -> 1"),
    ],
)
def test_what_cannot_go_on_is_refused_in_words(
    short: Path, store: Path, words: tuple[str, ...], said: str
) -> None:
    kept = (short / "config.yaml").read_bytes()
    data = (f"data={store}",) if "stage=pretrain" in words else ()
    with pytest.raises(InputError, match=said):
        run(short, *data, *words)
    assert (short / "config.yaml").read_bytes() == kept


def test_what_the_planner_is_may_be_said_again(short: Path, store: Path) -> None:
    same = (
        "pretrain.steps=6",
        "denoiser=unet-simple",
        "denoiser.widths=[16,32,48]",
        "denoiser.step_features=16",
        f"data={store}",
    )
    run(short, *FINETUNING, *same, "stage=finetune")


def test_a_store_by_another_name_is_the_same_and_one_made_anew_is_not(
    short: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(store.parent)
    (tmp_path / "link.zarr").symlink_to(store)
    for name in ("door.zarr", "../" + store.parent.name + "/door.zarr", tmp_path / "link.zarr"):
        run(short, f"data={name}", *PRETRAIN)
    kept = store.rename(store.parent / "kept.zarr")
    try:
        collect(collect_config(store, "behaviour.noise=[0.5,0.5]"))  # As many, as long.
        with pytest.raises(InputError, match="made_by"):
            run(short, f"data={store}", *PRETRAIN)
    finally:
        shutil.rmtree(store)
        kept.rename(store)


def test_runs_of_before_pictures_know_their_stores_again() -> None:
    view = {"cameras": ["top"], "faces": "both"}
    older, flat, other = (
        {"seed": 0, "env": {"task": "door", "view": {**view, **image}}}
        for image in ({}, {"image": "flat"}, {"image": "gl"})
    )
    assert maker(older) == maker(flat) != maker(other)


@pytest.mark.parametrize("name", options("finetune"))
def test_runs_of_before_a_key_have_its_default(name: str) -> None:
    played = ["finetune.experience=run"]  # The offline ones need it.
    written = as_yaml_knows(asdict(compose_part(FinetuneConfig, "finetune", name, played)))
    before = {key: value for key, value in written.items() if key != "precision"}
    assert as_yaml_knows(asdict(SECTIONS["finetune"](before))) == written


def test_a_first_try_that_was_refused_or_killed_does_not_bind(store: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(InputError, match=r"pretrain\.learning_rate must be at most 1"):
        run(out, f"data={store}", *PRETRAIN, "pretrain.learning_rate=1e30")
    assert not out.exists()
    out.mkdir()
    killed = {"about": {"task": "adroit-door", "seed": 0}, "pretrain": {"batch": -1}}
    (out / "config.yaml").write_text(yaml.safe_dump(killed))  # Of a try that was killed at once.
    run(out, f"data={store}", *PRETRAIN, "pretrain.steps=1")


def test_a_second_trainer_is_refused(short: Path, store: Path) -> None:
    with only_writer(short), pytest.raises(InputError, match="Another process is writing"):
        run(short, f"data={store}", *PRETRAIN)


@pytest.mark.parametrize("left", [b"", b'{"pretrain": {"succ', b"[1]", b'{"pretrain": {}}'])
def test_an_evaluation_that_cannot_be_read_is_made_anew(
    copy: Path, left: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (copy / "evaluation.json").write_bytes(left)
    run(copy, *FINETUNING, "stage=finetune")
    assert "cannot be read" in caplog.text or left == b'{"pretrain": {}}'
    assert read_evaluation(copy, "finetune") is not None


def test_an_evaluation_of_another_view_is_not_taken_for_the_run_s_own(copy: Path) -> None:
    values = read_json(copy / "evaluation.json")
    values["finetune"] |= {"judged": "another", "returns": [9.0, 9.0]}
    write_json(copy / "evaluation.json", values)
    run(copy, *FINETUNING, "stage=finetune")
    found = read_evaluation(copy, "finetune")
    assert found is not None
    assert found.returns != (9.0, 9.0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("finetune.episodes=2",), "leaves nothing to learn from.*take 2 or more"),
        (
            ("finetune.episodes=3", "finetune.initial_limit=100", "finetune.initial_episodes=3"),
            "leaves nothing to learn from",
        ),
    ],
)
def test_too_few_episodes_are_refused_before_anything_is_played(
    short: Path, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    out = tmp_path / "run"
    with pytest.raises(InputError, match=said):
        run(out, f"init_from={short}", *FINETUNING, "stage=finetune", *words)
    assert not out.exists()


def test_a_search_that_took_all_episodes_says_so_and_goes_on_with_more(
    short: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "run"
    words = (f"init_from={short}", *FINETUNING, *OF_VIEW, "stage=finetune")
    longer = ("finetune.initial_limit=5", "finetune.evaluate_every=0")
    for _ in range(2):
        with pytest.raises(InputError, match=r"all 4 episodes were played in search.*\(0 found"):
            run(out, *words, *longer, "finetune.episodes=4")
    assert not (out / "checkpoints" / "finetune.safetensors").exists()
    state = load_state(out / "checkpoints" / "finetune-state.pt")
    assert state is not None
    assert state["step"] == 4
    with caplog.at_level("INFO"):
        run(out, *words, *longer, "finetune.episodes=7")
    assert "no success in 5 rollouts, learning from the 5 best returns" in caplog.text
    _, about = load_planner(out / "checkpoints" / "finetune.safetensors")
    assert (about["episodes"], about["env_steps"]) == (7, 7 * 12)
    whole = tmp_path / "whole"
    run(whole, *words, *longer, "finetune.episodes=7")
    assert_same_weights(out, whole, "finetune")
