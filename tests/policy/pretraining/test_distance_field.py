"""The distance field: true distances, learned through the encoder; a stopped run goes on."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from datasets.windows import Windows, load_windows
from perception.observation import Observation
from policy.planner.planner import Planner
from policy.pretraining.config import PretrainConfig
from policy.pretraining.distance_field import SCALE_M, DistanceField, distance_field_of
from policy.pretraining.learner import Learner
from policy.runs.metrics import read_metrics
from tests.helpers.small_planner import small_planner
from tests.policy.pretraining.stopped import goes_on

SHORT = PretrainConfig(12, 8, 1e-3, None, False, "float32", 5, 10, distance_field=1.0)


@pytest.fixture(scope="module")
def windows(tiny_store: Path) -> Windows:
    return load_windows([tiny_store], history=2, horizon=4, chunk=3)


def fitted(windows: Windows) -> Planner:
    planner = small_planner()
    planner.normalizer.fit(windows.observations, windows.actions)
    return planner


def test_it_asks_for_the_distance_to_the_nearest_point_of_the_current_cloud(
    windows: Windows, monkeypatch: pytest.MonkeyPatch
) -> None:
    planner = fitted(windows)
    field = distance_field_of(planner, windows, 0)
    batch = windows.batch(torch.arange(5))
    assert isinstance(batch.observations, Observation)
    drawn = field.draw(5, torch.Generator().manual_seed(0))
    near, beside, anywhere = drawn
    cloud = batch.observations.points[:, -1, :, :3]
    true = torch.empty(5, near.shape[1] + anywhere.shape[1])
    box = planner.normalizer.points
    for window in range(5):
        around = cloud[window, near[window]] + 0.04 * beside[window]
        places = torch.cat([around, anywhere[window] * box.scale[:3] + box.shift[:3]])
        for place, where in enumerate(places):
            nearest = min(float((where - point).norm()) for point in cloud[window])
            true[window, place] = torch.exp(torch.tensor(-nearest / SCALE_M))
    context = planner.encode(batch.observations)
    monkeypatch.setattr(field, "_nearness", lambda current, places: true)
    assert float(field.loss(context, batch, drawn)) < 1e-6
    monkeypatch.setattr(field, "_nearness", lambda current, places: true.mean().expand_as(true))
    assert float(field.loss(context, batch, drawn)) == pytest.approx(1, abs=0.01)


def test_features_are_seen_in_full_by_the_prediction_for_each_place(windows: Windows) -> None:
    planner = fitted(windows)
    field = distance_field_of(planner, windows, 0)
    context, places = torch.randn(3, planner.encoder.features), torch.rand(3, 5, 3)
    together = field._nearness(context, places)
    assert together.shape == (3, 5)
    for window in range(3):
        for place in range(5):
            alone = field._nearness(context[window, None], places[None, None, window, place])
            torch.testing.assert_close(alone[0, 0], together[window, place])
    other = field._nearness(context.flip(0), places)
    assert not torch.allclose(other[0], together[0])


def test_it_learns_where_things_are_through_the_encoder(windows: Windows) -> None:
    planner = fitted(windows)
    before = [weight.clone() for weight in planner.encoder.visual_part.parameters()]
    field = DistanceField(planner, windows.observations.points.shape[-2], 0)
    config = replace(SHORT, batch=16, distance_field=1e6)  # Eq. 7 hardly counts beside it.
    learner = Learner(planner, config, 0, heads={"distance_field": field})
    losses = torch.stack([learner.update(windows) for _ in range(60)])
    assert losses[-10:, 1].mean() < 0.5 * losses[:10, 1].mean()
    after = planner.encoder.visual_part.parameters()
    assert all(not old.equal(new) for old, new in zip(before, after, strict=True))
    alone = Learner(fitted(windows), replace(SHORT, batch=16, distance_field=0.0), 0)
    assert torch.equal(alone.update(windows)[0], losses[0, 0])  # The same Eq. 7 before learning.


def test_a_stopped_pre_training_goes_on_bit_for_bit(windows: Windows, tmp_path: Path) -> None:
    whole = goes_on(windows, SHORT, tmp_path)
    metrics = read_metrics(whole.path / "pretrain.jsonl")
    assert set(metrics[0]) > {"step", "pretrain/loss", "pretrain/distance_field"}
