"""Planners that see pictures: the same loop, from the store's pictures to those of the task."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from configs.command import compose
from datasets.collection.collector import collect
from datasets.collection.rerender import RenderConfig, render_again
from datasets.store.store import EpisodeStore
from datasets.windows import Windows, load_windows
from envs.vector.chunked_env import ChunkedTask
from envs.vector.vector_env import Shapes, VectorEnv
from perception.encoders import resnet
from perception.errors import InputError
from policy.finetuning.algorithms import sodp
from policy.pipeline.config import TrainConfig
from policy.pipeline.stages import train
from policy.planner.checkpoint import load_planner, save_planner
from policy.planner.config import Sizes
from policy.planner.normalizer import scaled
from policy.planner.planner import Planner
from policy.pretraining.learner import Learner
from tests.conftest import collect_config
from tests.helpers.commands import refuse, succeed
from tests.helpers.killing import assert_equal
from tests.helpers.small_planner import small_finetuning
from tests.policy.test_training import SMALL

PICTURES = ("images=[img]", "env.view.image_size=42")
RESNET = ("encoder=resnet", "encoder.width=16")
PLAN = {"history": 2, "horizon": 4, "chunk": 3}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three short real episodes of Adroit's door, with pictures."""
    path = tmp_path_factory.mktemp("data") / "adroit-door.zarr"
    collect(collect_config(path, *PICTURES, episodes=3))
    return path


@pytest.fixture(scope="module")
def windows(store: Path) -> Windows:
    return load_windows([store], **PLAN, observes="image")


@pytest.fixture
def planner(windows: Windows) -> Planner:
    """A small one that fits the store, always with the same weights."""
    config = compose(TrainConfig, "train", [*RESNET, *SMALL]).recipe.planner
    torch.manual_seed(0)
    made = Planner(config, Sizes(3, 24, 28))
    made.normalizer.fit(windows.observations, windows.actions)
    return made


def test_drawing_states_gives_the_pictures_that_collecting_gives(
    store: Path, tmp_path: Path
) -> None:
    bare, drawn = tmp_path / "bare.zarr", tmp_path / "drawn.zarr"
    collect(collect_config(bare, episodes=3))
    own = [f"data={bare}", f"out={drawn}", "workers=0", "image_size=42", "images=[img]"]
    render_again(compose(RenderConfig, "render", own))
    assert_equal(store, drawn)
    opened = EpisodeStore.open(drawn)
    assert opened.env.view.image == "flat"
    assert opened.read("img").dtype == np.uint8
    assert opened.read("img").shape == (36, 42, 42, 3)
    with pytest.raises(InputError, match=r"has no data/img: datasets/render\.py data="):
        load_windows([bare], **PLAN, observes="image")


def test_a_task_shows_the_pictures_that_its_store_keeps(store: Path) -> None:
    opened = EpisodeStore.open(store)
    pictures, actions, seeds = (opened.read(n) for n in ("img", "action", "meta/seed"))
    envs = VectorEnv(opened.env, Shapes(2, 2, 3, "image"), workers=0)
    assert envs.sizes == {"channels": 3, "robot_state": 24, "actions": 28}
    rows = [opened.rows(index).start for index in (0, 1)]
    seen = envs.reset([int(seed) for seed in seeds[:2]])
    assert seen.points.shape == (2, 2, 0, 0)
    for step in range(0, 9, 3):
        outcome = envs.step(np.stack([actions[row + step : row + step + 3] for row in rows]))
        assert outcome.observations.image is not None
        shown = np.stack([pictures[row + step + 2 : row + step + 4] for row in rows])
        np.testing.assert_array_equal(outcome.observations.image, shown)


def test_pictures_of_several_cameras_lie_behind_each_other(tmp_path: Path) -> None:
    path = tmp_path / "two.zarr"
    collect(collect_config(path, *PICTURES, "cameras=[top,fixed]", episodes=1))
    opened = EpisodeStore.open(path)
    image = load_windows([path], **PLAN, observes="image").observations.image
    expected = np.concatenate([opened.read("img_top"), opened.read("img_fixed")], axis=-1)
    np.testing.assert_array_equal(image.numpy(), expected)
    shown = ChunkedTask(opened.env, 1, "image").reset(int(opened.read("meta/seed")[0])).image
    assert shown is not None
    np.testing.assert_array_equal(shown[0], expected[0])


def test_windows_hold_bytes_and_planners_see_them_from_minus_one_to_one(
    store: Path, windows: Windows, planner: Planner
) -> None:
    batch = windows[torch.arange(5)]
    image = batch.observations.image
    assert image.dtype == torch.uint8
    assert image.shape == (5, 2, 42, 42, 3)
    assert batch.observations.points.shape == (5, 2, 0, 0)
    kept = torch.from_numpy(EpisodeStore.open(store).read("img"))
    assert torch.equal(image, kept[windows.rows[:5, :2]])
    ends = scaled(torch.tensor([0, 255], dtype=torch.uint8).reshape(1, 1, 2))
    assert ends.flatten().tolist() == [-1.0, 1.0]
    seen = planner.normalizer(batch.observations)
    assert torch.equal(seen.image, scaled(image))
    assert planner.encode(batch.observations).shape == (5, 2 * (64 + 24))


def test_a_few_windows_are_learned_and_the_planner_is_kept_whole(
    windows: Windows, planner: Planner, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    batch = windows[torch.arange(8)]
    optimizer = torch.optim.Adam(planner.parameters(), 3e-3)
    losses = []
    for _ in range(60):
        loss = planner.loss(batch, planner.draw(8))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-10:]) < 0.4 * sum(losses[:10])
    save_planner(planner, tmp_path / "a.safetensors", {})
    loaded, _ = load_planner(tmp_path / "a.safetensors")
    assert loaded.config.encoder == resnet.Config("resnet", width=16, crop=76)
    with torch.no_grad():
        contexts = planner.eval().encode(batch.observations)
        assert torch.equal(loaded.encode(batch.observations), contexts)


def test_a_stopped_run_crops_as_one_that_was_not(windows: Windows, planner: Planner) -> None:
    config = compose(TrainConfig, "train", [*RESNET, *SMALL]).recipe.pretrain
    torch.manual_seed(1)
    whole, saved = Learner(planner, config, 0), io.BytesIO()
    whole.update(windows)
    torch.save(whole.state(), saved)
    expected = whole.update(windows)
    torch.manual_seed(2)
    again = Learner(Planner(planner.config, planner.sizes), config, 0)
    saved.seek(0)
    again.load(torch.load(saved, weights_only=True))
    assert torch.equal(again.update(windows), expected)
    weights = planner.state_dict()
    for name, tensor in again.planner.state_dict().items():
        assert torch.equal(tensor, weights[name]), name


def test_a_whole_run_on_pictures(store: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    small = [part for part in SMALL if not part.startswith(("env.", "pretrain.steps", "episodes"))]
    own = [*RESNET, *small, "pretrain.steps=20", "episodes=1", f"data={store}", f"out={out}"]
    own += ["finetune.episodes=4", "finetune.evaluate_every=0"]
    train(compose(TrainConfig, "train", own))
    planner, about = load_planner(out / "checkpoints" / "finetune.safetensors")
    assert planner.observes == "image"
    assert about["env"]["view"]["image"] == "flat"
    judged = json.loads((out / "evaluation.json").read_text())
    assert set(judged) == {"pretrain", "finetune"}
    same = ("envs=2", "episodes=1", "threads=1", "gallery=0", "workers=0")
    again = tmp_path / "again"
    succeed("policy/evaluate.py", f"checkpoint={out}", *same, f"out={again}")
    assert json.loads((again / "evaluation.json").read_text())["finetune"] == judged["finetune"]
    small_video = ("size=[64,48]", f"out={again / 'rollout.html'}")
    succeed("policy/view.py", f"checkpoint={out}", *small_video)
    page = (again / "rollout.html").read_text()
    assert "whose pictures the planner sees" in page
    assert "2 frames of 42 x 42 pixels from top" in page


def test_what_does_not_go_with_pictures_is_refused(
    store: Path, tiny_store: Path, planner: Planner, tmp_path: Path
) -> None:
    out = f"out={tmp_path / 'x'}"
    bare = refuse("policy/train.py", *RESNET, f"data={tiny_store}", out, "stage=pretrain")
    assert "has no data/img" in bare
    jitter = "pretrain.augment.jitter_m=0.01"
    moved = refuse("policy/train.py", *RESNET, f"data={store}", out, jitter)
    assert "this planner learns from pictures" in moved
    trained = small_finetuning(encoder="trained")
    with pytest.raises(InputError, match="choose encoder=frozen"):
        sodp.make(trained.algorithm, planner, trained, 0)
