"""Keeping successes alone: what fails is acted anew, and all follows from the seed as ever."""

from pathlib import Path

import pytest

from datasets.collection.collector import collect, successes_of
from datasets.store.store import EpisodeStore
from perception.errors import InputError
from tests.conftest import collect_config
from tests.helpers.killing import assert_equal

WHOLE = ("env.episode_steps=100", "points=0")
NOISY = ("behaviour.noise=[1.2,1.2]",)  # About every second door stays shut.
SUCCESSES = "keep=successes"


def collected(path: Path, *overrides: str, episodes: int) -> EpisodeStore:
    collect(collect_config(path, *WHOLE, *overrides, episodes=episodes))
    return EpisodeStore.open(path)


def test_only_successes_are_kept_and_more_of_them_begin_alike(tmp_path: Path) -> None:
    every = collected(tmp_path / "all.zarr", *NOISY, episodes=4)
    grown, whole = tmp_path / "grown.zarr", tmp_path / "whole.zarr"
    for episodes in (2, 4):
        store = collected(grown, *NOISY, SUCCESSES, episodes=episodes)
    assert successes_of(every, "end") < 4  # Or nothing was to be left out.
    assert successes_of(store, "end") == store.episodes == 4
    collect(collect_config(whole, *WHOLE, *NOISY, SUCCESSES, "workers=1", episodes=4))
    assert_equal(grown, whole)
    kept, acted = ((s.read("action", slice(0, 100))) for s in (store, every))
    first = bool(every.read("success", slice(99, 100))[0])
    assert (kept == acted).all() == first


def test_an_expert_acts_without_noise(tmp_path: Path) -> None:
    store = collected(tmp_path / "a.zarr", "behaviour=expert", SUCCESSES, episodes=1)
    assert store.identity["behaviour"]["noise"] == [0.0, 0.0]
    assert store.identity["behaviour"]["keep"] == "successes"


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        ("random", "in a row failed; give keep=all"),
        ("replay", "which behaviour=rl_replay does not"),
    ],
)
def test_where_no_success_can_be_had(behaviour: str, said: str, tmp_path: Path) -> None:
    own = (f"behaviour={behaviour}", SUCCESSES, "env.episode_steps=5")
    with pytest.raises(InputError, match=said):
        collected(tmp_path / "a.zarr", *own, episodes=1)
