"""Cards, summaries and pages of odd stores: short ones, and ones that do not say all."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from datasets.cards.card import Card, make_card, outcomes
from datasets.cards.card_files import keep_card
from datasets.cards.viewer import view
from datasets.episode import Episode, Recording
from datasets.store.store import EpisodeStore
from datasets.summary import suite_table, tables
from perception.errors import InputError
from tests.datasets.cards.test_view import data_config
from tests.helpers.made_up import PLAIN, attributes, episode

Change = Callable[[Episode], Episode | Recording]


def recording(**changes: object) -> Change:
    return lambda one: replace(one, recording=replace(one.recording, **changes))


KINDS: dict[str, tuple[tuple[int, ...], Change]] = {
    "one step": ((1,), recording()),
    "one episode": ((7,), recording()),
    "no reward": ((5, 6), recording(rewards=None)),
    "no success": ((5, 6), recording(successes=None)),
    "neither": ((5, 1), recording(rewards=None, successes=None, sim_states=None, provenance=None)),
    "no clouds": ((5, 6), lambda one: one.recording),
}


def made(path: Path, kind: str) -> EpisodeStore:
    lengths, change = KINDS[kind]
    with EpisodeStore.writing(path, PLAIN, attributes(a=1, of=str(path))) as store:
        for seed, steps in enumerate(lengths):
            store.append(change(episode(steps, seed)))
    return EpisodeStore.open(path)


def printed(cards: list[Card]) -> str:
    console = Console(width=200, record=True, quiet=False)
    with console.capture() as said:
        for table in [*tables(cards[-1]), suite_table(cards)]:
            console.print(table)
    return said.get()


@pytest.mark.parametrize("kind", KINDS)
def test_a_card_says_what_is_known(tmp_path: Path, kind: str) -> None:
    store = made(tmp_path / "s.zarr", kind)
    keep_card(store.path)
    known, page = outcomes(store), (store.path / "card.html").read_text()
    said = printed([make_card(store, known), make_card(store, known)])
    assert known.judged == ("succeeded was not recorded" not in page)
    assert known.rewarded == ("Rewards were not recorded" not in page)
    assert known.judged == ("success at any step" in said)
    assert known.rewarded == ("return, all" in said)
    assert ("not recorded" in said) == (not known.judged or not known.rewarded)
    kept = json.loads((store.path / "card.json").read_text())
    assert kept["judged"] == known.judged
    assert str(tmp_path) not in json.dumps(kept) + page  # Only the names of files.
    assert kept["identity"]["of"] == "s.zarr"


@pytest.mark.parametrize("kind", ["one step", "no reward", "no success"])
def test_a_page_of_it_can_be_looked_at(tmp_path: Path, kind: str) -> None:
    store = made(tmp_path / "s.zarr", kind)
    view(data_config(store.path, out=str(tmp_path / "s.html")))
    assert str(tmp_path) not in (tmp_path / "s.html").read_text()


def test_without_clouds_there_is_nothing_to_look_at(tmp_path: Path) -> None:
    store = made(tmp_path / "s.zarr", "no clouds")
    with pytest.raises(InputError, match="holds no clouds to look at"):
        view(data_config(store.path))


def test_stores_that_say_success_and_stores_that_do_not(tmp_path: Path) -> None:
    cards = []
    for kind in ("one episode", "no success"):
        store = made(tmp_path / f"{kind}.zarr", kind)
        cards.append(make_card(store, outcomes(store)))
    assert "of 1 episodes" in printed(cards)  # The share is one of those that say it.


def test_zero_rewards_are_rewards(tmp_path: Path) -> None:
    with EpisodeStore.writing(tmp_path / "s.zarr", PLAIN, attributes(a=1)) as store:
        store.append(recording(rewards=np.zeros(6, np.float32))(episode(6)))
    keep_card(tmp_path / "s.zarr")
    page = (tmp_path / "s.zarr" / "card.html").read_text()
    assert "Returns run from 0 over a median of 0 to 0" in page
