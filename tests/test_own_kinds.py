"""A choice of one's own is one file and its YAML: each kind, through the project's own commands.

The files are in `tests/helpers/own/`, their YAMLs in `configs/` there: none stands in a room.
"""

from pathlib import Path

import numpy as np
import pytest

from datasets.store.store import EpisodeStore
from envs.make import make_simulator
from envs.simulator import Simulator
from envs.vector.chunked_env import ChunkedTask
from policy.planner.checkpoint import load_planner
from policy.rollouts.evaluation_file import read_evaluation
from policy.runs.metrics import read_metrics
from tests.conftest import task_config
from tests.helpers.commands import refuse, succeed

SIDE = "{position: [0.9, -0.3, 0.7], quaternion: [0.705, 0.453, 0.295, 0.458], fovy_deg: 45}"
OWN = ("--config-dir", str(Path(__file__).parent / "helpers" / "own" / "configs"))
SMALL = ("threads=1", "envs=2", "workers=0", "episodes=2")
SHORT = (
    "pretrain.steps=3",
    "pretrain.batch=4",
    "finetune.episodes=4",
    "finetune.initial_episodes=1",
    "finetune.initial_limit=2",
    "finetune.gradient_steps=2",
    "finetune.evaluate_every=0",
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data of a task, its simulator and a behaviour of one's own."""
    path = tmp_path_factory.mktemp("own") / "puck.zarr"
    task = ("env=puck", "env.episode_steps=12", "behaviour=swing", "episodes=3", "workers=0")
    succeed("datasets/collect.py", *OWN, *task, f"out={path}")
    return path


def test_a_simulator_and_a_behaviour_of_ones_own_make_data(store: Path) -> None:
    made = EpisodeStore.open(store)
    assert made.env.simulator == "tests.helpers.own.simulator:Puck"
    simulator = make_simulator(made.env)
    assert isinstance(simulator, Simulator)
    points = made.read_episode(0).points
    assert points.shape == (12, 128, 3)
    assert np.ptp(points[..., 0].mean(axis=1)) > 0  # The box is seen to move.
    assert "simulator" in made.identity["env"]


@pytest.mark.parametrize("finetune", ["quiet", "clone"])
def test_encoder_denoiser_term_and_algorithm_of_ones_own_are_trained_and_evaluated(
    finetune: str, store: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    own = ("encoder=means", "denoiser=attention", f"finetune={finetune}")
    succeed("policy/train.py", *OWN, f"data={store}", f"out={out}", *own, *SMALL, *SHORT)
    planner, about = load_planner(out / "checkpoints" / "finetune.safetensors")
    assert planner.config.encoder.kind == "tests.helpers.own.encoder:Means"
    assert planner.config.denoiser.kind == "tests.helpers.own.denoiser:CrossAttention"
    assert about["task"] == "puck"
    metrics = read_metrics(out / "finetune.jsonl")[-1]
    assert ("finetune/cloning_loss" in metrics) == (finetune == "clone")
    assert any("excess" in name for name in metrics) == (finetune == "quiet")
    # Whoever takes it up later says nothing of all this.
    succeed("policy/evaluate.py", f"checkpoint={out}", f"out={tmp_path}", *SMALL, "gallery=0")
    assert read_evaluation(tmp_path, "finetune") == read_evaluation(out, "finetune")


def test_what_does_not_import_is_refused_by_name(store: Path, tmp_path: Path) -> None:
    words = ("policy/train.py", f"data={store}", f"out={tmp_path / 'run'}", *SMALL, *SHORT)
    said = refuse(*words, "encoder.kind=nowhere:Eyes")
    assert "encoder.kind=nowhere:Eyes does not import" in said
    assert "PYTHONPATH" in said


def test_a_camera_of_ones_own_is_an_override_away() -> None:
    more = (f"+env.cameras.side={SIDE}", "env.view.cameras=[side]")
    seen = ChunkedTask(task_config("adroit-door", *more), 1).reset(0).points[0]
    from_above = ChunkedTask(task_config("adroit-door"), 1).reset(0).points[0]
    assert len(np.unique(seen, axis=0)) == 512  # It sees more than enough: none is repeated.
    assert (seen != from_above).any()
    # The same world in the same frame: most of what one sees lies within 5 cm of what both do.
    gaps = np.linalg.norm(seen[:, None] - from_above[None], axis=-1).min(axis=1)
    assert np.median(gaps) < 0.05
