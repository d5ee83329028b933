"""The card of a store: along time, what is covered, what was never recorded."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr

from datasets.cards.card import Card, along_time, make_card, outcomes
from datasets.cards.card_files import keep_card
from datasets.cards.store_plots import principal_plane
from datasets.collection.collector import collect
from datasets.store.descriptions import seal
from datasets.store.store import EpisodeStore
from tests.conftest import collect_config
from tests.helpers.commands import refuse, succeed
from tests.helpers.pictures import FETCHED, assert_varied


@pytest.fixture
def unjudged(tiny_store: Path, tmp_path: Path) -> Path:
    """A store as others bring it: no rewards, successes, simulator states or provenance."""
    path = tmp_path / "brought.zarr"
    shutil.copytree(tiny_store, path)
    for name in ("data/reward", "data/success", "data/sim_state"):
        shutil.rmtree(path / name)
    for folder in (path / "meta").iterdir():
        if folder.is_dir() and folder.name != "episode_ends":
            shutil.rmtree(folder)
    attributes = zarr.open_group(path, mode="r+").attrs
    attributes["identity"] = {"format": "dp3"}
    seal(path)
    return path


def card_of(path: Path) -> Card:
    store = EpisodeStore.open(path)
    return make_card(store, outcomes(store))


def test_the_best_episode_succeeded_whatever_others_earned(tiny_store: Path) -> None:
    known = outcomes(EpisodeStore.open(tiny_store))
    returns, won = np.array([4.0, 1.0, 3.0, 2.0]), np.array([False, True, False, True])
    assert replace(known, returns=returns, at_end=won, ever=won).ranked.tolist() == [3, 1, 0, 2]


def test_collecting_leaves_a_card_in_the_store(tmp_path: Path) -> None:
    out = tmp_path / "s.zarr"
    small = ("env.episode_steps=12", "points=64", "episodes=3", "workers=1")
    succeed("datasets/collect.py", *small, f"out={out}")
    card = json.loads((out / "card.json").read_text())
    assert (card["episodes"], card["steps"]) == (3, 36)
    assert card["stored_bytes"] == card_of(out).stored_bytes
    assert_varied((out / "card.png").read_bytes())
    page = (out / "card.html").read_text()
    assert "3 episodes of adroit-door" in page
    assert "noise (0.5, 1.75)" in page.replace("[", "(").replace("]", ")")
    assert not FETCHED.search(page)
    zarr.open_group(out, mode="r").tree()  # The card's files do not disturb other readers.


def test_tenths_follow_the_agents_time(tiny_store: Path) -> None:
    known = outcomes(EpisodeStore.open(tiny_store))
    learned = replace(
        known, agent_steps=np.array([30, 0, 20, 10]), ever=np.array([True, False, False, True]),
        success_at="ever",
    )  # fmt: skip
    tenths = along_time(learned)
    assert [tenth.first_agent_step for tenth in tenths] == [0, 10, 20, 30]
    assert [tenth.successes for tenth in tenths] == [0, 1, 0, 1]
    assert tenths[0].mean_return == pytest.approx(known.returns[1])


def test_the_spread_is_that_of_the_numbers(tiny_store: Path) -> None:
    store = EpisodeStore.open(tiny_store)
    card, actions = card_of(tiny_store), store.read("action")
    assert len(card.action_quantiles) == 28
    assert len(card.state_quantiles) == 24
    least, _, median, _, greatest = card.action_quantiles[3]
    column = actions[:, 3]
    np.testing.assert_allclose(
        (least, median, greatest), (column.min(), np.median(column), column.max()), rtol=1e-3
    )


def test_the_principal_plane_holds_the_main_directions() -> None:
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(500, 1))
    states = hidden @ rng.normal(size=(1, 6)) + 0.01 * rng.normal(size=(500, 6))
    first, second = principal_plane(states).T
    assert abs(np.corrcoef(first, hidden[:, 0])[0, 1]) > 0.99
    assert second.std() < 0.1 * first.std()
    first, second = principal_plane(hidden).T  # A robot with one number of state.
    assert abs(np.corrcoef(first, hidden[:, 0])[0, 1]) > 0.99
    assert not second.any()


def test_what_was_never_recorded_is_said_and_not_counted(unjudged: Path) -> None:
    card = card_of(unjudged)
    assert not card.judged
    keep_card(unjudged)
    page = (unjudged / "card.html").read_text()
    assert "Which of them succeeded was not recorded. Rewards were not recorded." in page
    told = succeed("datasets/summary.py", f"data={unjudged}")
    assert "not recorded" in told
    assert "success at" not in told
    assert "holds no simulator state" in refuse(
        "datasets/render.py", f"data={unjudged}", f"out={unjudged.with_name('again.zarr')}"
    )


def test_several_stores_are_set_out_together(tiny_store: Path, tmp_path: Path) -> None:
    collect(collect_config(tmp_path / "pen.zarr", "env=adroit-pen"))
    told = succeed("datasets/summary.py", f"data=[{tiny_store},{tmp_path / 'pen.zarr'}]")
    assert "All stores" in told
    assert "72" in told.split("All stores")[1]  # 48 steps of the door and 24 of the pen.
    assert "one store" in refuse(
        "datasets/summary.py", f"data=[{tiny_store},{tiny_store}]", f"out={tmp_path / 'c.json'}"
    )
