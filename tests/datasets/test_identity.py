"""Stores made before today's keys: read, compared and continued as if they were made today."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from configs.build import build
from configs.command import compose
from datasets.behaviours import rl_replay
from datasets.collection.collector import CollectConfig, collect
from datasets.collection.merger import MergeConfig, merge
from datasets.collection.rerender import RenderConfig, render_again
from datasets.store.descriptions import seal
from datasets.store.identity import upgrade_identity
from datasets.store.provenance import as_json
from datasets.store.store import EpisodeStore
from envs.config import EnvConfig, upgrade_env
from perception.errors import InputError
from tests.conftest import collect_config, task_config
from tests.helpers.killing import assert_equal

PLANNERS = {"history": 2, "horizon": 16, "chunk": 8}
SHARED = {"path": None, "noise": [0.5, 1.75], "random_share": [0.0, 0.0]}


def old(name: str, **values: object) -> dict[str, Any]:
    """A behaviour as it was: every one had the keys of all."""
    return {"name": name, **SHARED, "replay": None, "checkpoint": None, **values}


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what a store says of itself, as another command would have written it."""
    attributes: Any = zarr.open_group(path, mode="r+").attrs
    said = dict(attributes["identity"])
    change(said)
    attributes["identity"] = said
    seal(path)


@pytest.fixture
def aged(tmp_path: Path) -> Path:
    """A store of two episodes as this project wrote it when planners belonged to tasks."""
    path = tmp_path / "aged.zarr"
    collect(collect_config(path, episodes=2))

    def age(said: dict[str, Any]) -> None:
        said["behaviour"] = old("agent")
        said["env"] |= PLANNERS

    rewrite(path, age)
    return path


def test_the_same_command_continues_it(aged: Path, tiny_store: Path) -> None:
    collect(collect_config(aged, episodes=4))
    assert_equal(aged, tiny_store)
    with pytest.raises(
        InputError, match=r"made by another command \(behaviour\.noise: \[0\.5, 1\.75\] -> "
    ):
        collect(collect_config(aged, "behaviour.noise=[0,1]", episodes=4))


def test_it_is_drawn_again_and_merged(aged: Path, tiny_store: Path, tmp_path: Path) -> None:
    again, merged = tmp_path / "again.zarr", tmp_path / "merged.zarr"
    own = [f"data={aged}", f"out={again}", "workers=0"]
    render_again(compose(RenderConfig, "render", own))
    assert EpisodeStore.open(again).identity == EpisodeStore.open(aged).identity
    collect(collect_config(tmp_path / "new.zarr", "seed=1", episodes=1))
    both = f"data=[{aged},{tmp_path / 'new.zarr'}]"
    merge(compose(MergeConfig, "merge", [both, f"out={merged}"]))
    assert EpisodeStore.open(merged).fingerprint == {"episodes": 3, "steps": 36, "seed": [0, 1]}
    assert EpisodeStore.open(merged).env == EpisodeStore.open(aged).env


def test_a_planners_horizon_does_not_matter() -> None:
    assert upgrade_env({"task": "door", **PLANNERS}) == {"task": "door"}
    assert upgrade_env({"task": "door"}) == {"task": "door"}


def test_a_task_seen_as_a_state_draws_nothing() -> None:
    view = {"cameras": ["top"], "points": 512}
    today = {**view, "faces": "front", "image": "flat"}
    assert upgrade_env({"view": {**view, "sees": "points"}}) == {"view": today}
    assert upgrade_env({"view": {**view, "sees": "state"}}) == {"view": {**today, "points": 0}}


def test_a_store_of_before_two_sided_faces_goes_on_as_it_was_begun(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "before.zarr"
    collect(collect_config(path, "env.view.faces=front", episodes=1))
    rewrite(path, lambda said: said["env"]["view"].pop("faces"))
    assert EpisodeStore.open(path).env.view.faces == "front"
    with caplog.at_level("INFO"):
        collect(collect_config(path, episodes=2))
    assert "goes on with env.view.faces=front" in caplog.text
    assert EpisodeStore.open(path).episodes == 2
    again = tmp_path / "again.zarr"
    own = [f"data={path}", f"out={again}", "workers=0", "faces=both"]
    render_again(compose(RenderConfig, "render", own))
    assert EpisodeStore.open(again).env.view.faces == "both"


def test_pictures_of_before_the_choice_are_opengls_as_the_camera_hung() -> None:
    said = {"env": {"view": {"cameras": ["top"]}}, "images": ["img"]}
    assert upgrade_identity(said)["env"]["view"]["image"] == "gl_turned"
    assert upgrade_identity({**said, "images": []})["env"]["view"]["image"] == "flat"
    assert upgrade_identity(upgrade_identity(said)) == upgrade_identity(said)
    foreign = {"images": ["img"], "source": "elsewhere"}
    assert upgrade_identity(foreign) == foreign


def test_behaviours_keep_their_own_keys_only() -> None:
    def today(said: dict[str, Any]) -> dict[str, Any]:
        upgraded = upgrade_identity({"behaviour": said})["behaviour"]
        assert upgrade_identity({"behaviour": upgraded})["behaviour"] == upgraded
        return upgraded

    noise = {key: SHARED[key] for key in ("noise", "random_share")}
    assert today(old("agent")) == {"kind": "state_agent", **SHARED}
    assert today(old("scripted")) == {"kind": "scripted", **noise}
    usual = {"noise": [0.0, 0.0], "random_share": [1.0, 1.0]}
    assert today(old("random", **usual)) == {"kind": "uniform"}
    assert today(old("random")) == {"kind": "uniform", **noise}
    planner = old("planner", checkpoint="a.safetensors")
    assert today(planner) == {"kind": "planner", "checkpoint": "a.safetensors"}
    assert today({"name": "recorded"}) == {"kind": "recorded"}


def test_learning_agents_have_a_tau() -> None:
    config = compose(CollectConfig, "collect", ["behaviour=replay"]).behaviour
    assert isinstance(config, rl_replay.Config)
    said = as_json(asdict(config))
    replay = said["replay"]
    rlpd = {"smoothing" if k == "tau" else k: v for k, v in replay["learning"]["rlpd"].items()}
    before = {**replay, "learning": {**replay["learning"], "rlpd": rlpd}}
    aged = {"behaviour": old("replay", **said["demonstrator"], replay=before)}
    assert upgrade_identity(aged)["behaviour"] == said
    assert upgrade_identity({"learning": before["learning"]})["learning"] == replay["learning"]


def test_a_store_gives_its_task(tiny_store: Path) -> None:
    store = EpisodeStore.open(tiny_store)
    assert store.env == task_config("adroit-door", "env.episode_steps=12", "env.view.points=64")
    assert store.env == build(EnvConfig, store.identity["env"])
    assert store.fingerprint == {"episodes": 4, "steps": 48, "seed": 0}


def test_nothing_is_drawn_of_a_task_without_points(tmp_path: Path) -> None:
    path, drawn = tmp_path / "s.zarr", tmp_path / "drawn.zarr"
    collect(collect_config(path, "points=0"))
    store = EpisodeStore.open(path)
    assert "point_cloud" not in store.names
    own = [f"data={path}", f"out={drawn}", "workers=0"]
    with pytest.raises(InputError, match=r"draws nothing of .* say how many points="):
        render_again(compose(RenderConfig, "render", own))
    render_again(compose(RenderConfig, "render", [*own, "points=64"]))
    collect(collect_config(tmp_path / "other.zarr"))
    assert_equal(drawn, tmp_path / "other.zarr")
    collect(collect_config(tmp_path / "more.zarr", "points=0", "seed=1"))
    both = f"data=[{path},{tmp_path / 'more.zarr'}]"
    merge(compose(MergeConfig, "merge", [both, f"out={tmp_path / 'merged.zarr'}"]))
    merged = EpisodeStore.open(tmp_path / "merged.zarr")
    np.testing.assert_array_equal(merged.read("action", slice(0, 24)), store.read("action"))
    with pytest.raises(InputError, match=r"choose images=\[\]"):
        collect(collect_config(tmp_path / "x.zarr", "points=0", "images=[depth]"))
