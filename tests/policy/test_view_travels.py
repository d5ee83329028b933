"""How a task is seen is decided once: store, planner, fine-tuning and evaluation agree on it."""

import json
import logging
import re
from pathlib import Path

import pytest
import yaml

from configs.command import compose
from datasets.collection.collector import collect
from envs.boxes import has_own_box
from envs.config import EnvConfig, read_env
from perception.errors import InputError
from policy.pipeline import identity
from policy.pipeline.checks import check
from policy.pipeline.config import TrainConfig
from policy.planner.checkpoint import load_planner
from tests.conftest import collect_config
from tests.helpers.commands import refuse, succeed
from tests.policy.pipeline.without_page import train_without_page

PLAYED = ("threads=1", "envs=2", "workers=0", "episodes=2")
FINETUNED = (
    *PLAYED,
    "finetune=ppo_bc",
    "finetune.episodes=4",
    "finetune.initial_episodes=1",
    "finetune.initial_limit=2",
    "finetune.gradient_steps=1",
    "finetune.evaluate_every=0",
)
PRETRAINED = (
    *PLAYED,
    "denoiser=unet-small",
    "denoiser.widths=[16,32,48]",
    "denoiser.step_features=16",
    "pretrain.steps=2",
    "pretrain.batch=4",
)
TINY = (*PRETRAINED, *FINETUNED[len(PLAYED) :])


def env_of(checkpoint: Path) -> EnvConfig:
    return read_env(load_planner(checkpoint)[1]["env"])


def planner_of(out: Path, stage: str = "pretrain") -> Path:
    return out / "checkpoints" / f"{stage}.safetensors"


@pytest.fixture(scope="module")
def odd_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose view is none of the defaults."""
    path = tmp_path_factory.mktemp("odd") / "odd.zarr"
    own = ("points=48", "cameras=[fixed]", "env.action_repeat=1", "env.view.image_size=60")
    collect(collect_config(path, *own))
    return path


@pytest.fixture(scope="module")
def odd_run(odd_store: Path) -> Path:
    """A run on it that says nothing of its view."""
    out = odd_store.parent / "run"
    succeed("policy/train.py", f"data={odd_store}", f"out={out}", *TINY)
    return out


def test_a_run_sees_as_its_data_were_seen(odd_run: Path) -> None:
    for stage in ("pretrain", "finetune"):
        env = env_of(planner_of(odd_run, stage))
        assert (env.view.points, env.view.cameras, env.view.image_size) == (48, ("fixed",), 60)
        assert (env.action_repeat, env.episode_steps) == (1, 12)


def test_an_evaluation_of_a_run_folder_repeats_the_run_s_own(odd_run: Path, tmp_path: Path) -> None:
    said = succeed(
        "policy/evaluate.py", f"checkpoint={odd_run}", f"out={tmp_path}", *PLAYED, "gallery=0"
    )
    assert "otherwise than" not in said
    again, before = (
        json.loads((folder / "evaluation.json").read_text())["finetune"]
        for folder in (tmp_path, odd_run)
    )
    assert again == before


def test_another_view_is_one_line_and_is_kept_by_what_is_tuned_with_it(
    odd_run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "more"
    said = succeed(
        "policy/train.py", "stage=finetune", f"init_from={odd_run}", f"out={out}", "points=64",
        *FINETUNED,
    )  # fmt: skip
    (line,) = {text for text in said.splitlines() if "otherwise than" in text}
    assert line.endswith("view.points: 48 -> 64")
    assert env_of(planner_of(out, "finetune")).view.points == 64
    assert "recorded data" not in (out / "report.html").read_text()  # It learned from none.
    assert "recorded data" in (odd_run / "report.html").read_text()


def test_another_action_repeat_than_the_data_s_is_refused(odd_store: Path, tmp_path: Path) -> None:
    words = ("policy/train.py", f"data={odd_store}", f"out={tmp_path / 'x'}", *TINY)
    assert "made with action_repeat=1, not 2" in refuse(*words, "env.action_repeat=2")
    assert not (tmp_path / "x").exists()


def test_data_of_another_task_than_the_one_named_is_refused(
    odd_store: Path, tmp_path: Path
) -> None:
    words = ("policy/train.py", f"data={odd_store}", f"out={tmp_path / 'x'}", *TINY)
    assert "made for adroit-door, not for adroit-pen" in refuse(*words, "env=adroit-pen")


def test_metaworld_needs_no_words_about_its_task(tmp_path: Path) -> None:
    store, out = tmp_path / "reach.zarr", tmp_path / "run"
    task = ("env=metaworld", "env.task=reach", "behaviour=scripted", "env.episode_steps=16")
    collect(collect_config(store, *task, "points=32"))
    train_without_page(f"data={store}", f"out={out}", "stage=pretrain", *PRETRAINED)
    planner, about = load_planner(planner_of(out))
    assert (planner.config.horizon, planner.config.chunk) == (12, 8)
    assert about["task"] == "metaworld-reach"
    words = ("policy/evaluate.py", f"checkpoint={out}", *PLAYED, "gallery=0")
    assert "metaworld-reach" in succeed(*words)
    said = succeed(*words, "env.task=push", f"out={tmp_path / 'push'}")
    assert "was made for metaworld-reach and acts in metaworld-push" in said


def test_a_store_that_grew_is_not_the_store_of_the_run(tmp_path: Path) -> None:
    store, out = tmp_path / "door.zarr", tmp_path / "run"
    words = (f"data={store}", f"out={out}", "stage=pretrain", *PRETRAINED)
    collect(collect_config(store))
    train_without_page(*words)
    kept = yaml.safe_load((out / "config.yaml").read_text())["stores"][str(store.resolve())]
    assert kept == {"episodes": 2, "steps": 24, "seed": 0}
    train_without_page(*words)
    collect(collect_config(store, episodes=3))
    with pytest.raises(InputError, match=re.escape("door.zarr.episodes: 2 -> 3")):
        train_without_page(*words)


def test_old_names_of_keys_are_understood_and_said(
    odd_run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out, planner = tmp_path / "run", planner_of(odd_run)
    noted = (f"results={tmp_path}", "experiment=trial", "variant=start")
    train_without_page("stage=start", f"checkpoint={planner}", f"out={out}", *PLAYED, *noted)
    result = json.loads((tmp_path / "trial/adroit-door/start/seed0.json").read_text())
    assert (result["stage"], result["episodes"]) == ("pretrain", 2)
    assert "stage=start is now stage=zero_shot" in caplog.text
    assert f"is now init_from={planner}" in caplog.text


def test_keys_that_contradict_each_other_are_refused(odd_run: Path, odd_store: Path) -> None:
    out = f"out={odd_run.parent / 'none'}"
    words = ("policy/train.py", f"data={odd_store}", out, *TINY)
    assert "choose stage=finetune" in refuse(*words, f"init_from={odd_run}")
    assert "needs init_from=" in refuse("policy/train.py", out, "stage=zero_shot")
    assert "needs encoder_from=" in refuse(*words, "pretrain.features=true")


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["planner.chunk=2"], "planner.chunk has no effect with init_from="),
        (["denoiser=unet-small", "pretrain.steps=3"], "denoiser, pretrain.steps have no effect"),
        (["encoder=state_only"], "encoder has no effect with init_from="),
        (["data=a.zarr"], "data has no effect with init_from="),
        (["stage=zero_shot", "finetune=ppo_kl"], "finetune has no effect with stage=zero_shot"),
        (["variant=kl"], "variant has no effect without experiment="),
    ],
)
def test_keys_without_effect_are_refused_by_name(overrides: list[str], said: str) -> None:
    words = ["stage=finetune", "init_from=outputs/none", *overrides]
    config = compose(TrainConfig, "train", words)
    with pytest.raises(InputError, match=re.escape(said)):
        check(config)


def test_how_to_fine_tune_is_no_matter_of_pre_training() -> None:
    with pytest.raises(InputError, match=r"finetune\.episodes has no effect with stage=pretrain"):
        check(compose(TrainConfig, "train", ["stage=pretrain", "finetune.episodes=4"]))
    check(compose(TrainConfig, "train", ["stage=pretrain"]))  # What nobody typed is silent.
    check(compose(TrainConfig, "train", ["stage=finetune"]))


def test_stores_that_are_seen_otherwise_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = tmp_path / "one.zarr", tmp_path / "other.zarr"
    collect(collect_config(one))
    collect(collect_config(other, "cameras=[fixed]"))
    config = compose(TrainConfig, "train", [f"data=[{one},{other}]"])
    with caplog.at_level(logging.WARNING):
        identity.env_of_stores(config.data, config.task)
    assert caplog.messages == [
        f"{other} is seen otherwise than {one}: cameras: ('top',) -> ('fixed',)",
    ]


def test_each_task_may_have_a_box_of_its_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = []
    for task in ("reach", "push"):
        data.append(tmp_path / f"{task}.zarr")
        words = ("env=metaworld", f"env.task={task}", "behaviour=scripted", "env.episode_steps=2")
        collect(collect_config(data[-1], *words, "points=32", episodes=1))
    config = compose(TrainConfig, "train", [f"data=[{data[0]},{data[1]}]", "env.task=drawer-open"])
    with caplog.at_level(logging.INFO):
        env = identity.env_of_stores(config.data, config.task)
    assert not [text for text in caplog.messages if "seen otherwise" in text]
    assert env is not None
    assert env.task == "drawer-open"  # An unseen task, in its own box.
    assert has_own_box(env)
