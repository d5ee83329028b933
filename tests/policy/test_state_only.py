"""Planners that see the simulator's own features: the same loop, and nothing is drawn."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from configs.command import compose
from configs.kinds import make_kind
from datasets.behaviours.behaviour import BEHAVIOURS, act
from datasets.collection.collector import CollectConfig, collect
from datasets.collection.state_features import features_again
from datasets.store.store import EpisodeStore
from datasets.windows import load_windows
from envs.make import make_simulator
from envs.rendering.scene import Scene
from envs.simulator import Outcome
from envs.vector.chunked_env import ChunkedTask
from perception.encoders import state_only
from perception.errors import InputError
from policy.pipeline.config import TrainConfig
from policy.pipeline.stages import train
from policy.planner.checkpoint import load_planner, save_planner
from policy.planner.config import Sizes
from policy.planner.planner import Planner
from policy.pretraining.encode_store import EncodeConfig, encode
from tests.conftest import task_config
from tests.helpers.commands import refuse, succeed
from tests.policy.test_training import PRETRAINING, SMALL

STATE_ONLY = "encoder=state_only"
TASKS = {
    "adroit-door": ("env=adroit-door",),
    "metaworld-reach": (
        "env=metaworld",
        "env.task=reach",
        "denoiser=unet-simple",
        "denoiser.widths=[16,32]",
    ),
}
FEATURES = {"adroit-door": 39, "metaworld-reach": 39}


def collecting(name: str, out: Path, *more: str) -> CollectConfig:
    behaviour = "agent" if name.startswith("adroit") else "scripted"
    env = [part for part in TASKS[name] if part.startswith("env")]
    own = (f"behaviour={behaviour}", "workers=0", "episodes=2", f"out={out}")
    return compose(CollectConfig, "collect", [*env, *own, "env.episode_steps=10", *more])


def undrawable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make drawing a cloud an error."""

    def points(*_: object) -> None:
        raise AssertionError("A cloud was drawn")

    monkeypatch.setattr(Scene, "points", points)


@pytest.mark.parametrize("name", ["adroit-door", "adroit-hammer", "adroit-pen", "metaworld-reach"])
def test_features_had_again_are_those_that_were_live(name: str) -> None:
    env = task_config(name)
    simulator, other = make_simulator(env), make_simulator(env)
    behaviour = "agent" if name.startswith("adroit") else "scripted"
    group = [f"env={name}"] if behaviour == "agent" else ["env=metaworld", "env.task=reach"]
    config = compose(CollectConfig, "collect", [*group, f"behaviour={behaviour}"])
    source = make_kind(BEHAVIOURS, config.behaviour, env, simulator)
    live: list[np.ndarray] = []
    step = simulator.step

    def noted(action: np.ndarray) -> Outcome:
        live.append(simulator.features())
        return step(action)

    simulator.step = noted  # type: ignore[method-assign]
    recording = act(simulator, source, steps=20, seed=3)
    np.testing.assert_array_equal(features_again(other, recording), np.stack(live))
    if name.startswith("metaworld"):  # At the first step the frame before is that frame itself.
        np.testing.assert_array_equal(live[0][18:36], live[0][:18])
        np.testing.assert_array_equal(live[1][18:36], live[0][:18])
    # An evaluation begins with what the data begin with.
    chunked = ChunkedTask(task_config(name, "env.view.points=0"), 2, "features")
    seen = chunked.reset(3)
    assert seen.points.shape == (2, 0, 0)
    np.testing.assert_array_equal(seen.robot_state, np.stack([live[0], live[0]]))


def test_an_episode_that_comes_out_otherwise_is_refused() -> None:
    env = task_config("adroit-door")
    simulator = make_simulator(env)
    config = compose(CollectConfig, "collect", [])
    recording = act(
        simulator, make_kind(BEHAVIOURS, config.behaviour, env, simulator), steps=5, seed=0
    )
    recording.actions[2] += 0.01
    with pytest.raises(InputError, match="at step 3"):
        features_again(simulator, recording)


@pytest.mark.parametrize("name", TASKS)
def test_a_whole_run_on_states(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, out = tmp_path / "data.zarr", tmp_path / "run"
    small = [part for part in SMALL if not part.startswith(("env.", "pretrain.windows"))]
    command = [*small, *TASKS[name], STATE_ONLY, f"data={data}", f"out={out}"]
    with monkeypatch.context() as patch:
        undrawable(patch)
        patch.setattr("policy.viewing.run_page.write_run_page", lambda *_: "")  # It draws, for us.
        collect(collecting(name, data, "points=0"))
        store = EpisodeStore.open(data)
        assert "point_cloud" not in store.names
        assert store.env.view.points == 0
        encode(EncodeConfig(data, "state", None, "cpu", 1))
        train(compose(TrainConfig, "train", command))
    planner, _ = load_planner(out / "checkpoints" / "finetune.safetensors")
    assert (planner.sizes.channels, planner.sizes.robot_state) == (0, FEATURES[name])
    assert planner.observes == "features"
    assert planner.encoder.state[0].weight.shape == (128, FEATURES[name])
    judged = json.loads((out / "evaluation.json").read_text())
    assert set(judged) == {"pretrain", "finetune"}
    same = ("envs=2", "episodes=2", "threads=1", "gallery=0", f"out={tmp_path / 'again'}")
    succeed("policy/evaluate.py", f"checkpoint={out}", *same, "workers=1")
    again = json.loads((tmp_path / "again" / "evaluation.json").read_text())
    assert again["finetune"] == judged["finetune"]


def test_the_page_of_such_a_run_shows_the_scene(tmp_path: Path) -> None:
    data, out = tmp_path / "data.zarr", tmp_path / "run"
    small = [part for part in PRETRAINING if not part.startswith("env.")]
    collect(collecting("adroit-door", data, "points=0"))
    succeed("policy/encode.py", f"data={data}", "what=state", "threads=1")
    command = (*small, STATE_ONLY, f"data={data}", f"out={out}", "stage=pretrain")
    succeed("policy/train.py", *command)
    page = (out / "report.html").read_text()
    assert "The scene as a cloud" in page
    assert "What the planner sees" not in page
    drawn = tmp_path / "drawn.zarr"  # Clouds can still be had of a store that was made without.
    succeed("datasets/render.py", f"data={data}", f"out={drawn}", "points=32", "workers=0")
    assert EpisodeStore.open(drawn).read("point_cloud").shape == (20, 32, 3)


@pytest.fixture
def own_store(tiny_store: Path, tmp_path: Path) -> Path:
    """A copy of the store that others read too, to be written to."""
    return Path(shutil.copytree(tiny_store, tmp_path / "own.zarr"))


def test_features_beside_clouds_do_not_change_them(own_store: Path) -> None:
    plan = {"history": 2, "horizon": 4, "chunk": 3}
    with pytest.raises(
        InputError, match=r"has no data/state_feature; .*policy/encode\.py data=\S+ what=state"
    ):
        load_windows([own_store], **plan, observes="features")
    before = load_windows([own_store], **plan)
    encode(EncodeConfig(own_store, "state", None, "cpu", 1))
    after, states = (
        load_windows([own_store], **plan),
        load_windows([own_store], **plan, observes="features"),
    )
    assert torch.equal(before.observations.points, after.observations.points)
    batch = states[torch.arange(5)]
    assert batch.observations.points.shape == (5, 2, 0, 0)
    assert batch.observations.robot_state.shape == (5, 2, 39)
    assert torch.equal(states.actions, after.actions)


@pytest.mark.parametrize("denoiser", ["unet-small", "mixer"])
def test_a_planner_of_the_simulators_features_fits_them(
    denoiser: str, own_store: Path, tmp_path: Path
) -> None:
    encode(EncodeConfig(own_store, "state", None, "cpu", 1))
    plan = {"history": 2, "horizon": 4, "chunk": 3}
    windows = load_windows([own_store], **plan, observes="features")
    config = compose(TrainConfig, "train", ["encoder=state_only", f"denoiser={denoiser}"])
    torch.manual_seed(0)
    sizes = Sizes(0, windows.observations.robot_state.shape[-1], windows.actions.shape[-1])
    planner = Planner(config.recipe.planner, sizes)
    assert planner.observes == "features"
    planner.normalizer.fit(windows.observations, windows.actions)
    batch = windows[torch.arange(8)]
    optimizer = torch.optim.Adam(planner.parameters(), 3e-3)
    losses = []
    for _ in range(60):
        loss = planner.loss(batch, planner.draw(8))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-10:]) < 0.3 * sum(losses[:10])
    save_planner(planner, tmp_path / "a.safetensors", {})
    loaded, _ = load_planner(tmp_path / "a.safetensors")
    assert loaded.config.encoder == state_only.Config("state_only")
    with torch.no_grad():
        before, after = planner.encode(batch.observations), loaded.encode(batch.observations)
    assert torch.equal(before, after)


def test_points_and_encoder_must_go_together() -> None:
    config = compose(TrainConfig, "train", []).recipe.planner
    with pytest.raises(InputError, match="encoder=dp3 needs points"):
        Planner(config, Sizes(0, 39, 28))
    with pytest.raises(InputError, match="takes the simulator's features"):
        Planner(replace(config, encoder=state_only.Config("state_only")), Sizes(3, 24, 28))


def test_what_does_not_go_together_is_refused(tiny_store: Path, tmp_path: Path) -> None:
    out = f"out={tmp_path / 'x'}"
    both = ("pretrain.features=true", "encoder_from=x", f"data={tiny_store}")
    assert "choose encoder=dp3" in refuse("policy/train.py", STATE_ONLY, out, *both)
    unseen = ("points=0", "images=[depth]", "workers=0")
    assert "images=[]" in refuse("datasets/collect.py", out, *unseen)
    assert "needs checkpoint=" in refuse("policy/encode.py", f"data={tiny_store}")


def test_a_planner_of_clouds_needs_a_view_that_has_some(tmp_path: Path) -> None:
    data, out = tmp_path / "data.zarr", tmp_path / "run"
    collect(collecting("adroit-door", data, "points=0"))
    said = refuse("policy/train.py", f"data={data}", f"out={out}", "stage=pretrain", *PRETRAINING)
    assert "has no data/point_cloud" in said


def test_the_old_way_to_say_it_is_understood(tmp_path: Path) -> None:
    data = tmp_path / "data.zarr"
    collect(collecting("adroit-door", data, "env.view.sees=state"))
    assert EpisodeStore.open(data).env.view.points == 0
    config = compose(TrainConfig, "train", ["env.view.sees=state"])
    assert config.encoder.kind == "state_only"
