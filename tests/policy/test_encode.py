"""Clouds encoded once: the same features, the same gradients, and the encoder they came from."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from datasets.collection.collector import collect
from datasets.store.descriptions import seal
from datasets.store.store import EpisodeStore
from datasets.windows import load_windows
from perception.errors import InputError
from policy.planner.checkpoint import load_planner, save_planner
from policy.planner.planner import Planner
from policy.pretraining.encode_store import (
    EncodeConfig,
    check_encoder,
    copy_visual_part,
    encode,
)
from tests.conftest import collect_config
from tests.helpers.commands import refuse, succeed
from tests.helpers.own.encoder import Means
from tests.helpers.small_planner import small_planner
from tests.policy.pipeline.without_page import train_without_page
from tests.policy.test_training import SMALL


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A store with features, and the planner that made them."""
    folder = tmp_path_factory.mktemp("encoded")
    data, checkpoint = folder / "data.zarr", folder / "encoder.safetensors"
    collect(collect_config(data, episodes=4))
    planner, windows = small_planner(), load_windows([data], history=2, horizon=4, chunk=3)
    planner.normalizer.fit(windows.observations, windows.actions)
    save_planner(planner, checkpoint, {"task": "adroit-door"})
    succeed("policy/encode.py", f"data={data}", f"checkpoint={checkpoint}")
    return data, checkpoint


def test_features_are_what_the_encoder_makes_of_the_clouds(encoded: tuple[Path, Path]) -> None:
    data, checkpoint = encoded
    store, planner = EpisodeStore.open(data), load_planner(checkpoint)[0]
    features = store.read("visual_feature")
    assert features.shape == (48, 64)
    with torch.no_grad():
        visual = planner.visual(torch.from_numpy(store.read("point_cloud")))
    np.testing.assert_allclose(features, visual.numpy(), atol=1e-5)


def test_the_loss_is_the_same_from_features_as_from_clouds(encoded: tuple[Path, Path]) -> None:
    data, checkpoint = encoded
    planner: Planner = load_planner(checkpoint)[0]
    losses = []
    for features in (False, True):
        windows = load_windows([data], history=2, horizon=4, chunk=3, features=features)
        batch = windows[torch.arange(10)]
        losses.append(planner.loss(batch, planner.draw(10, torch.Generator().manual_seed(0))))
    torch.testing.assert_close(losses[0], losses[1])


def test_a_planner_trained_on_features_acts_with_the_encoder_that_made_them(
    encoded: tuple[Path, Path], tmp_path: Path
) -> None:
    data, checkpoint = encoded
    own = (f"data={data}", f"out={tmp_path / 'run'}", "pretrain.features=true")
    assert "needs encoder_from=" in refuse("policy/train.py", *SMALL, *own)
    train_without_page(*SMALL, *own, f"encoder_from={checkpoint}")
    before, after = (
        load_file(path) for path in (checkpoint, tmp_path / "run/checkpoints/finetune.safetensors")
    )
    kept = [name for name in before if name.startswith(("encoder.cloud", "normalizer.points"))]
    assert len(kept) > 10
    for name in kept:
        assert torch.equal(before[name], after[name]), name
    assert not torch.equal(before["encoder.state.0.weight"], after["encoder.state.0.weight"])


def test_features_of_another_encoder_are_refused(
    encoded: tuple[Path, Path], tmp_path: Path
) -> None:
    torch.manual_seed(5)
    other = small_planner()
    with torch.no_grad():
        next(other.encoder.visual_part.parameters()).add_(1)
    save_planner(other, tmp_path / "other.safetensors", {"task": "adroit-door"})
    with pytest.raises(InputError, match="were made by"):
        check_encoder(EpisodeStore.open(encoded[0]), tmp_path / "other.safetensors")


def test_an_older_store_names_its_encoder_in_another_way(
    encoded: tuple[Path, Path], tmp_path: Path
) -> None:
    old = tmp_path / "old.zarr"
    shutil.copytree(encoded[0], old)
    attributes = old / "data" / "visual_feature" / ".zattrs"
    text = attributes.read_text()
    assert "encoder_sha256" in text
    attributes.write_text(text.replace("encoder_sha256", "eye_sha256"))
    seal(attributes.parent)
    check_encoder(EpisodeStore.open(old), encoded[1])


def test_a_part_that_encodes_clouds_is_copied_only_between_equal_encoders() -> None:
    source, target = small_planner(), small_planner()
    with torch.no_grad():
        next(source.encoder.visual_part.parameters()).add_(1)
    copy_visual_part(source, target)
    for one, other in zip(
        source.encoder.visual_part.parameters(),
        target.encoder.visual_part.parameters(),
        strict=True,
    ):
        assert torch.equal(one, other)
        assert not other.requires_grad
    own = Means.Config("tests.helpers.own.encoder:Means")
    foreign = Planner(replace(target.config, encoder=own), target.sizes)
    with pytest.raises(InputError, match="encoder:Means"):
        copy_visual_part(source, foreign)


def test_encoding_again_replaces_and_leaves_the_rest(tmp_path: Path) -> None:
    data = tmp_path / "data.zarr"
    collect(collect_config(data, "zarr_format=3"))
    checkpoint = tmp_path / "encoder.safetensors"
    save_planner(small_planner(), checkpoint, {"task": "adroit-door"})
    with pytest.raises(InputError, match="has no data/visual_feature"):
        load_windows([data], history=2, horizon=4, chunk=3, features=True)
    clouds = EpisodeStore.open(data).read("point_cloud")
    (data / "adding").mkdir()  # As a killed writer leaves it.
    for _ in range(2):
        encode(EncodeConfig(data, "visual", checkpoint, "cpu", 1))
    store = EpisodeStore.open(data)
    assert store.read("visual_feature").shape == (24, 64)
    np.testing.assert_array_equal(store.read("point_cloud"), clouds)
    assert not (data / "adding").exists()
    with pytest.raises(InputError, match="the next episode"):
        collect(collect_config(data, "zarr_format=3", episodes=3))
