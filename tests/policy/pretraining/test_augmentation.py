"""Augmented clouds: nothing at 0, nothing outside the box, one motion for a window, and resumed."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from configs.command import compose
from datasets.windows import load_windows
from perception.errors import InputError
from perception.observation import Observation
from policy.pipeline.config import TrainConfig
from policy.pipeline.stages import train
from policy.planner.normalizer import Range
from policy.pretraining.augmentation import AugmentConfig, Chances, augmented, draw
from policy.pretraining.config import PretrainConfig
from policy.pretraining.learner import Learner
from policy.runs.distributed import Team
from policy.runs.metrics import read_metrics
from tests.helpers.small_planner import small_planner
from tests.policy.pretraining.stopped import goes_on, pretrained
from tests.policy.test_training import PRETRAINING

ALL = AugmentConfig(jitter_m=0.01, dropout=0.3, rotation_deg=5, translation_m=0.02)
SHORT = PretrainConfig(12, 8, 1e-3, None, False, "float32", 5, 10, ALL)


def clouds(colour: bool = False) -> tuple[Observation[Tensor], Range]:
    """Make five windows of two frames, and their box."""
    generator = torch.Generator().manual_seed(1)
    points = torch.rand(5, 2, 200, 6 if colour else 3, generator=generator)
    box = Range(points.shape[-1])
    box.fit(points, alike=True)
    return Observation(points, torch.zeros(5, 2, 4)), box


def chances(seed: int = 0) -> Chances:
    return draw(5, (2, 200), torch.Generator().manual_seed(seed), torch.device("cpu"))


def test_0_changes_no_bit() -> None:
    seen, box = clouds()
    assert not AugmentConfig().changes
    changed = augmented(seen, box, AugmentConfig(), chances())
    assert torch.equal(changed.points, seen.points)
    assert torch.equal(changed.robot_state, seen.robot_state)


@pytest.mark.parametrize("name", ["jitter_m", "dropout", "rotation_deg", "translation_m"])
def test_each_key_changes_clouds_and_keeps_count_box_and_colours(name: str) -> None:
    seen, box = clouds(colour=True)
    config = AugmentConfig(**{name: getattr(ALL, name)})
    assert config.changes
    points = augmented(seen, box, config, chances()).points
    assert points.shape == seen.points.shape
    assert not torch.equal(points, seen.points)
    assert bool(((points - box.shift) / box.scale)[..., :3].abs().max() <= 1 + 1e-5)
    recorded = {tuple(colour) for colour in seen.points[..., 3:].reshape(-1, 3).tolist()}
    assert {tuple(colour) for colour in points[..., 3:].reshape(-1, 3).tolist()} <= recorded


def test_dropped_points_are_repeats_of_others_of_their_cloud() -> None:
    seen, box = clouds()
    points = augmented(seen, box, AugmentConfig(dropout=0.3), chances()).points
    left = []
    for before, after in zip(seen.points.flatten(0, 1), points.flatten(0, 1), strict=True):
        own = (before == after).all(-1)
        kept = {tuple(point) for point in before[own].tolist()}
        assert {tuple(point) for point in after.tolist()} == kept
        left.append(len(kept))
    assert sum(left) / len(left) == pytest.approx(0.7 * 200, abs=10)


def test_one_motion_turns_all_frames_of_a_window_about_the_middle_of_the_box() -> None:
    seen, box = clouds()
    small = Observation(box.shift + (seen.points - box.shift) / 3, seen.robot_state)  # None leave.
    config = AugmentConfig(rotation_deg=5, translation_m=0.02)
    points = augmented(small, box, config, chances()).points
    turns = []
    for before, after in zip(small.points, points, strict=True):
        ones = torch.ones(400, 1)
        offset = (before - box.shift).flatten(0, 1)
        fitted = torch.linalg.lstsq(
            torch.cat([offset, ones], 1), (after - box.shift).flatten(0, 1)
        ).solution
        turn, shift = fitted[:3], fitted[3]
        torch.testing.assert_close(turn @ turn.T, torch.eye(3), atol=1e-4, rtol=0)
        moved = offset @ turn + shift + box.shift
        torch.testing.assert_close(moved, after.flatten(0, 1), atol=1e-5, rtol=0)
        assert shift.abs().max() <= 0.02 + 1e-5
        turns.append(torch.rad2deg(((turn.trace() - 1) / 2).clamp(-1, 1).acos()))
    assert torch.stack(turns).max() <= 5.1
    assert torch.stack(turns).std() > 0.1  # Each window has its own.


def test_jitter_is_clipped() -> None:
    seen, box = clouds()
    small = Observation(box.shift + (seen.points - box.shift) / 3, seen.robot_state)
    far = augmented(small, box, AugmentConfig(jitter_m=0.01), chances()).points - small.points
    assert 0.029 < far.abs().max() <= 0.03 + 1e-6
    assert far.std() == pytest.approx(0.01, rel=0.05)


def test_a_cloud_that_would_leave_the_box_stays_as_it_is() -> None:
    seen, box = clouds()
    away = replace(chances(), motion=torch.ones(5, 7))
    box.scale /= 1000
    changed = augmented(seen, box, AugmentConfig(translation_m=0.5), away)
    assert torch.equal(changed.points, seen.points)


def test_a_team_changes_clouds_as_one_process_does(tiny_store: Path) -> None:
    windows = load_windows([tiny_store], history=2, horizon=4, chunk=3)
    found = []
    for team in (Team(0, 1), Team(0, 2), Team(1, 2)):
        planner = small_planner()
        planner.normalizer.fit(windows.observations, windows.actions)
        learner = Learner(planner, SHORT, 0, team)
        batch = windows[team.share(torch.arange(8))]
        found.append(learner._augmented(batch).observations.points)
    assert torch.equal(found[0], torch.cat(found[1:]))


def test_a_stopped_pre_training_with_augmentation_goes_on_bit_for_bit(
    tiny_store: Path, tmp_path: Path
) -> None:
    windows = load_windows([tiny_store], history=2, horizon=4, chunk=3)
    whole = goes_on(windows, SHORT, tmp_path)
    without = pretrained(windows, replace(SHORT, augment=AugmentConfig()), tmp_path, "plain")
    metrics = [read_metrics(run.path / "pretrain.jsonl") for run in (whole, without)]
    assert metrics[0] != metrics[1]


def test_features_cannot_be_augmented(tmp_path: Path) -> None:
    words = [*PRETRAINING, f"out={tmp_path / 'run'}", "pretrain.augment.dropout=0.2"]
    for own in (["pretrain.features=true", "encoder_from=nowhere"], ["encoder=state_only"]):
        with pytest.raises(InputError, match=r"pretrain\.augment changes clouds"):
            train(compose(TrainConfig, "train", [*words, *own]))
    with pytest.raises(InputError, match=r"dropout must be at most 0\.9"):
        compose(TrainConfig, "train", [*words, "pretrain.augment.dropout=1"])
