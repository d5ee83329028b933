"""A store's card says how many points lie on what matters, and warns where few do."""

import json
import logging
import shutil
from pathlib import Path

import pytest
import zarr

from configs.command import compose
from datasets.cards.card import make_card, outcomes
from datasets.cards.card_files import keep_card
from datasets.cards.seen import FRAMES, PointsOn, Seen, points_on
from datasets.collection.collector import collect
from datasets.collection.rerender import RenderConfig, render_again
from datasets.store.descriptions import seal
from datasets.store.store import EpisodeStore
from datasets.summary import tables
from envs.boxes import has_own_box
from perception.errors import InputError
from tests.conftest import collect_config


def test_a_card_counts_the_points_on_hand_and_object(tiny_store: Path) -> None:
    store = EpisodeStore.open(tiny_store)
    seen = points_on(store)
    assert seen is not None
    assert (seen.frames, seen.points) == (FRAMES, 64)
    assert set(seen.on) == {"hand", "object"}  # The door has no goal but to swing.
    for found in seen.on.values():
        assert 0 < found.least <= found.median <= 64
    assert points_on(store) == seen


@pytest.fixture(scope="module")
def reach(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short episode of reach in the box that every task once had."""
    path = tmp_path_factory.mktemp("wide") / "reach.zarr"
    words = ("env=metaworld", "env.task=reach", "behaviour=scripted", "env.episode_steps=4")
    wide = ("env.view.crop_low=[-0.7,0.2,0.005]", "env.view.crop_high=[0.4,1.05,0.5]")
    collect(collect_config(path, *words, *wide, "points=64", episodes=1))
    return path


def test_few_points_are_warned_of_in_the_card_and_on_the_console(
    reach: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        keep_card(reach)
    (line,) = caplog.messages
    assert "few points of a cloud lie where it matters" in line
    assert "on the object" in line
    assert "on the goal" in line
    kept = json.loads((reach / "card.json").read_text())["seen"]
    assert kept["frames"] == 4
    assert kept["on"]["goal"]["median"] < 5
    assert "Warning: few points" in (reach / "card.html").read_text()
    store = EpisodeStore.open(reach)
    (table,) = [t for t in tables(make_card(store, outcomes(store))) if "64 points" in str(t.title)]
    assert "few points" in str(table.caption)


def rendered(data: Path, out: Path, *words: str) -> EpisodeStore:
    """Draw a store again, in this process."""
    render_again(
        compose(RenderConfig, "render", [f"data={data}", f"out={out}", "workers=0", *words])
    )
    return EpisodeStore.open(out)


def test_drawn_again_in_its_own_box_a_task_shows_more(reach: Path, tmp_path: Path) -> None:
    own = rendered(reach, tmp_path / "own.zarr", "box=own")
    assert has_own_box(own.env)
    wide, tight = points_on(EpisodeStore.open(reach)), points_on(own)
    assert wide is not None
    assert tight is not None
    for thing in ("hand", "object", "goal"):
        assert tight.on[thing].median > wide.on[thing].median
    mixed = rendered(reach, tmp_path / "mixed.zarr", "box=own", "crop_high=[0.4,1.05,0.5]")
    assert mixed.env.view.crop_low == own.env.view.crop_low
    assert mixed.env.view.crop_high == (0.4, 1.05, 0.5)


def test_a_task_without_a_box_of_its_own_says_so(tiny_store: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="adroit-door has no box of its own"):
        rendered(tiny_store, tmp_path / "x", "box=own")


def test_nothing_is_counted_where_no_simulator_can_tell(tiny_store: Path, tmp_path: Path) -> None:
    path = tmp_path / "brought.zarr"
    shutil.copytree(tiny_store, path)
    shutil.rmtree(path / "data/sim_state")
    seal(path)
    assert points_on(EpisodeStore.open(path)) is None
    attributes = zarr.open_group(path, mode="r+").attrs
    attributes["identity"] = {"format": "dp3"}
    seal(path)
    assert points_on(EpisodeStore.open(path)) is None


def test_a_warning_names_what_few_points_lie_on() -> None:
    few, many = PointsOn(0, 2.5, 2.6), PointsOn(4, 9.0, 9.1)
    assert Seen(24, 256, {"object": many, "goal": many}).warning is None
    assert Seen(24, 256, {"hand": few, "object": many}).warning is None
    said = Seen(24, 256, {"object": few, "goal": few}).warning
    assert said is not None
    assert "2.5 on the object and 2.5 on the goal of 256" in said
