"""The auxiliary loss: displacements as the simulator has them, resumed, no trace of its head."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from configs.command import compose
from datasets.behaviours.training_state import load_state
from datasets.collection.places import movable_places
from datasets.store.store import EpisodeStore
from datasets.windows import Windows, load_windows
from envs.make import make_simulator
from perception.errors import InputError
from policy.pipeline.config import TrainConfig
from policy.pipeline.stages import train
from policy.pretraining.config import PretrainConfig
from policy.pretraining.learner import Learner
from policy.pretraining.movement import movement_of
from policy.runs.metrics import read_metrics
from tests.helpers.small_planner import small_planner
from tests.policy.pretraining.stopped import goes_on, pretrained
from tests.policy.test_training import PRETRAINING

SHORT = PretrainConfig(12, 8, 1e-3, None, False, "float32", 5, 10, auxiliary=0.5)


@pytest.fixture(scope="module")
def windows(tiny_store: Path) -> Windows:
    return load_windows([tiny_store], history=2, horizon=4, chunk=3, places=True)


def test_places_are_where_the_simulator_has_hand_and_object(tiny_store: Path) -> None:
    store = EpisodeStore.open(tiny_store)
    found = movable_places(store)
    assert found.shape == (store.steps, 2, 3)
    simulator = make_simulator(store.env)
    for episode in (1, 3):  # Acted again: each state is the recorded one.
        recording, row = store.read_recording(episode), store.rows(episode).start
        assert recording.provenance is not None
        simulator.restore_state(recording.provenance.start)
        for step, action in enumerate(recording.actions):
            where = simulator.places()
            true = np.stack([where.hand, where.object])
            np.testing.assert_allclose(found[row + step], true, atol=1e-5)
            simulator.step(action)


def test_displacements_go_from_the_current_step_to_the_last_planned_one(windows: Windows) -> None:
    moved = windows[torch.arange(len(windows))].moved
    assert windows.places is not None
    assert moved is not None
    rows = windows.rows
    assert torch.equal(moved[3], windows.places[rows[3, 3]] - windows.places[rows[3, 1]])
    assert not moved[:, 0].eq(0).all()
    for others in (windows.some(8), windows.to(torch.device("cpu"))):
        assert others.places is windows.places
    with pytest.raises(ValueError, match="without the places"):
        Windows(windows.observations, windows.actions, rows, 2).moved(rows)


def test_the_head_learns_and_teaches_the_encoder(windows: Windows) -> None:
    planner = small_planner()
    planner.normalizer.fit(windows.observations, windows.actions)
    learner = Learner(
        planner,
        replace(SHORT, batch=16),
        0,
        heads={"movement": movement_of(planner, windows, 0)},
    )
    losses = torch.stack([learner.update(windows) for _ in range(40)])
    assert losses.shape == (40, 2)
    assert losses[-10:, 1].mean() < 0.7 * losses[:10, 1].mean()
    plain = small_planner()
    plain.normalizer.fit(windows.observations, windows.actions)
    alone = Learner(plain, replace(SHORT, batch=16, auxiliary=0.0), 0)
    assert torch.equal(alone.update(windows)[0], losses[0, 0])  # The same Eq. 7 before learning.


def test_a_stopped_pre_training_goes_on_bit_for_bit_and_the_head_is_thrown_away(
    windows: Windows, tmp_path: Path
) -> None:
    whole = goes_on(windows, SHORT, tmp_path)
    metrics = read_metrics(whole.path / "pretrain.jsonl")
    assert set(metrics[0]) > {"step", "pretrain/loss", "pretrain/movement"}

    plain = pretrained(windows, replace(SHORT, auxiliary=0.0), tmp_path, "plain")
    files = [load_file(run.checkpoint("pretrain")) for run in (whole, plain)]
    assert files[0].keys() == files[1].keys()
    assert any(not files[0][name].equal(files[1][name]) for name in files[0])
    states = [load_state(run.state_path("pretrain")) for run in (whole, plain)]
    assert states[0] is not None
    assert states[1] is not None
    assert states[0].keys() - states[1].keys() == {"movement"}


def test_a_store_without_simulator_states_is_refused(tiny_store: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.zarr"
    shutil.copytree(tiny_store, bare)
    shutil.rmtree(bare / "data" / "sim_state")
    with pytest.raises(InputError, match="does not hold its task and simulator states"):
        load_windows([bare], history=2, horizon=4, chunk=3, places=True)
    words = [*PRETRAINING, f"out={tmp_path / 'run'}", f"data={bare}", "pretrain.auxiliary=0.1"]
    with pytest.raises(InputError, match="does not hold its task and simulator states"):
        train(compose(TrainConfig, "train", [*words, "stage=pretrain"]))
    assert not (tmp_path / "run").exists()
