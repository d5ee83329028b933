"""Learning by critics: the replay of decisions, and the guide."""

import copy
import dataclasses

import pytest
import torch

from configs.command import compose_part
from datasets.behaviours.critics import Critics
from envs.vector.vector_env import Shapes, VectorEnv
from policy.finetuning.algorithms import q_guided
from policy.finetuning.config import FinetuneConfig
from policy.finetuning.guided.decisions import Decided, Decisions
from policy.finetuning.guided.guide import Guide, spread
from policy.rollouts.rollout import roll_out
from tests.conftest import task_config
from tests.helpers.small_planner import small_planner


def config(**changes: object) -> FinetuneConfig:
    usual = compose_part(FinetuneConfig, "finetune", "q_guided")
    return dataclasses.replace(usual, **{"evaluate_every": 0, **changes})


def algorithm_config(usual: FinetuneConfig) -> q_guided.Config:
    assert isinstance(usual.algorithm, q_guided.Config)
    return usual.algorithm


def test_critics_value_candidates_together_as_one_by_one_and_rescale_exactly() -> None:
    torch.manual_seed(0)
    critics = Critics(5, 4, hidden=16, count=3)
    situations, candidates = torch.randn(7, 5), torch.randn(7, 6, 4)
    together = critics.of_candidates(situations, candidates)
    alone = torch.stack([critics(situations, candidates[:, i]) for i in range(6)], dim=-1)
    torch.testing.assert_close(together, alone)
    critics.rescale(0.25)
    torch.testing.assert_close(critics.of_candidates(situations, candidates), together / 4)


def decided(number: int, steps: int) -> Decided:
    """Make an episode whose contexts count its steps after 1,000 times its number."""
    count = torch.arange(steps).float()
    return Decided(
        contexts=(1000 * number + count)[:, None],
        features=(1000 * number - count)[:, None],
        elapsed=count,
        candidates=torch.zeros(steps, 2, 4, 1),
        rewards=count,
        last=count == steps - 1,
    )


@pytest.mark.parametrize("capacity", [40, 5000])
def test_what_follows_a_decision_is_the_next_of_its_episode(capacity: int) -> None:
    replay, generator = Decisions(capacity), torch.Generator().manual_seed(0)
    for number in range(30):
        replay.add(decided(number, 3 + number % 4))
        now, following = replay.sample(200, generator)
        gone = torch.where(now.last, 0.0, 1.0)
        assert torch.equal(following.contexts[:, 0], now.contexts[:, 0] + gone)
        assert torch.equal(following.features[:, 0], now.features[:, 0] - gone)
        assert len(replay) <= capacity
    assert bool((replay.newest().contexts >= 1000 * 29).any())
    other = Decisions(capacity)
    other.load(copy.deepcopy(replay.state()))
    for one in (replay, other):
        one.add(decided(99, 5))
    assert torch.equal(replay.newest().contexts, other.newest().contexts)


@pytest.mark.parametrize("numbers", [4, 28])
def test_exploration_is_as_long_for_a_hand_as_for_an_arm(numbers: int) -> None:
    torch.manual_seed(0)
    plans = 0.1 * torch.randn(200, 6, 8, numbers)
    plans[..., 1] = plans[:, :1, :, 1]  # All plans of a situation agree about one number.
    unit = spread(plans)
    assert unit[1] == 0
    length = unit.square().sum().sqrt() / ((numbers - 1) / numbers) ** 0.5
    torch.testing.assert_close(length, torch.tensor(0.2), atol=0.01, rtol=0)


@pytest.fixture(scope="module")
def envs() -> VectorEnv:
    task = task_config("adroit-door", "env.episode_steps=10", "env.view.points=32")
    return VectorEnv(task, Shapes(envs=2, history=2, chunk=3), workers=0)


def test_a_guide_follows_the_best_candidate_and_leaves_it_only_to_explore(envs: VectorEnv) -> None:
    planner, explore = small_planner().eval(), algorithm_config(config()).explore
    torch.manual_seed(0)
    critics = Critics(2 * planner.encoder.features + 1, 3 * 28, hidden=8)
    judged = Guide(planner, critics, explore, explore=False)
    rollout = roll_out(planner, envs, [1, 2], success_at="end", decide=judged).chunks
    options = planner.executed(rollout.candidates)
    assert rollout.candidates.shape == (4, 2, explore.candidates, 4, 28)
    assert rollout.samples.shape[2] == 0
    for time in range(4):
        situations = torch.cat([rollout.contexts[time], torch.full((2, 1), time / 100)], dim=-1)
        values = critics.of_candidates(situations, options[time].flatten(2)).amin(dim=0)
        best = rollout.candidates[time][torch.arange(2), values.argmax(dim=1)]
        torch.testing.assert_close(rollout.plans[time], best)
    exploring = dataclasses.replace(judged, explore=True)
    other = roll_out(planner, envs, [1, 2], success_at="end", decide=exploring).chunks
    gaps = (other.plans[:, :, None] - other.candidates).abs().amax(dim=(-1, -2))
    assert (gaps > 0).all()
