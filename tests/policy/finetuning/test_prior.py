"""Recorded episodes that critics learn from beside what is played."""

import dataclasses
from pathlib import Path

import pytest
import torch

from configs.command import compose_part
from datasets.store.store import EpisodeStore
from perception.errors import InputError
from policy.finetuning.algorithms import q_guided
from policy.finetuning.config import FinetuneConfig
from policy.finetuning.guided.decisions import Decisions
from policy.finetuning.guided.prior import Mixed, Prior, check_task
from tests.helpers.small_planner import small_planner

CHUNK = 3


def test_a_chunk_begins_at_every_recorded_step_and_leads_to_the_one_behind_it(
    tiny_store: Path,
) -> None:
    planner, store = small_planner().eval(), EpisodeStore.open(tiny_store)
    prior = Prior([tiny_store], planner, copies=2)
    decided = prior.decided
    assert decided is not None
    assert len(decided) == store.steps
    assert decided.candidates.shape == (store.steps, 3, 4, 28)
    assert int(decided.last.sum()) == store.episodes * CHUNK  # As many offsets.
    rewards = torch.from_numpy(store.read("reward", slice(0, 12)))
    until = len(range(0, 12, CHUNK))  # Of the first offset.
    first = decided[slice(0, until)]
    torch.testing.assert_close(first.rewards, rewards.reshape(-1, CHUNK).sum(dim=1))
    assert first.elapsed.tolist() == [0, 1, 2, 3]
    assert first.last.tolist() == [False, False, False, True]
    actions = torch.from_numpy(store.read("action", slice(0, 12)))
    done = planner.to_actions(first.candidates[:, -1])
    torch.testing.assert_close(done.flatten(0, 1), actions.clamp(-1, 1))


def test_half_of_a_batch_was_recorded_and_the_other_half_played(tiny_store: Path) -> None:
    prior, played = Prior([tiny_store], small_planner()), Decisions(1024)
    assert prior.decided is not None
    mine = dataclasses.replace(prior.decided, elapsed=prior.decided.elapsed + 1000)
    generator = torch.Generator().manual_seed(0)
    mixed = prior.beside(played, 0.5)
    assert isinstance(mixed, Mixed)
    assert bool((mixed.sample(64, generator)[0].elapsed < 1000).all())  # Nothing was played yet.
    played.add(mine)
    now, following = prior.beside(played, 0.5).sample(64, generator)
    assert int((now.elapsed >= 1000).sum()) == 32
    torch.testing.assert_close(following.elapsed[~now.last], now.elapsed[~now.last] + 1)


def test_stores_of_another_robot_or_task_are_refused(tiny_store: Path) -> None:
    with pytest.raises(InputError, match="the planner was made for"):
        Prior([tiny_store], small_planner(actions=4))
    with pytest.raises(InputError, match="is of adroit-door, not of adroit-pen"):
        check_task([tiny_store], "adroit-pen")


def test_critics_go_on_only_with_the_stores_they_began_with(tiny_store: Path) -> None:
    finetune = compose_part(FinetuneConfig, "finetune", "q_guided")
    assert isinstance(finetune.algorithm, q_guided.Config)
    own = dataclasses.replace(finetune.algorithm, prior=(tiny_store,))
    with_prior = q_guided.make(own, small_planner(), finetune, 0)
    without = q_guided.make(finetune.algorithm, small_planner(), finetune, 0)
    with_prior.load(with_prior.state())
    with pytest.raises(InputError, match="do not hold the episodes"):
        with_prior.load(without.state())
