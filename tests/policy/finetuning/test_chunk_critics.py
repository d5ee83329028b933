"""What critics come to believe, where it is known by arithmetic."""

import dataclasses
from typing import Literal

import pytest
import torch
from torch import Tensor

from configs.command import compose_part
from policy.finetuning.algorithms import q_guided
from policy.finetuning.config import FinetuneConfig
from policy.finetuning.guided.calibration import to_go
from policy.finetuning.guided.critics import ChunkCritics
from policy.finetuning.guided.decisions import Decided, Decisions
from tests.helpers.small_planner import small_planner

STEPS, DISCOUNT = 3, 0.5


def episode(contexts: int) -> Decided:
    """Make an episode that earns 1 with each decision."""
    count = torch.arange(STEPS)
    return Decided(
        contexts=torch.zeros(STEPS, contexts),
        elapsed=30.0 * count,
        candidates=torch.zeros(STEPS, 2, 4, 28),
        rewards=torch.ones(STEPS),
        last=count == STEPS - 1,
        features=torch.zeros(STEPS, 0),
    )


@pytest.mark.parametrize(("beyond_limit", "values"), [(True, [2, 2]), (False, [1.75, 1.5, 1])])
def test_a_time_limit_is_an_end_only_where_it_is_said_to_be(
    beyond_limit: bool, values: list[float]
) -> None:
    algorithm = compose_part(FinetuneConfig, "finetune", "q_guided").algorithm
    assert isinstance(algorithm, q_guided.Config)
    config = dataclasses.replace(
        algorithm.critic, hidden=16, learning_rate=1e-2, tau=0.2, discount=DISCOUNT,
        beyond_limit=beyond_limit,
    )  # fmt: skip
    planner = small_planner()
    critics, replay = ChunkCritics(config, planner, seed=0), Decisions(1024)
    played = episode(planner.config.history * planner.encoder.features)
    replay.add(played)

    def value_of(following: Decided) -> Tensor:
        return critics.least(following, following.candidates, targets=True).amax(dim=1)

    critics.learn(replay, 400, torch.Generator().manual_seed(0), value_of)
    learned = critics.least(played, played.candidates)[: len(values), 0]
    torch.testing.assert_close(learned, torch.tensor(values).float(), atol=0.05, rtol=0)


@pytest.mark.parametrize(("backup", "wanted"), [("best", 1.0), ("mean", 0.5)])
def test_what_follows_is_worth_its_best_plan_or_the_mean_of_all(
    backup: Literal["best", "mean"], wanted: float
) -> None:
    finetune = compose_part(FinetuneConfig, "finetune", "q_guided")
    assert isinstance(finetune.algorithm, q_guided.Config)
    critic = dataclasses.replace(finetune.algorithm.critic, backup=backup)
    algorithm = dataclasses.replace(finetune.algorithm, critic=critic)
    learner = q_guided.make(algorithm, small_planner(), finetune, seed=0)

    def valued(_: Decided, plans: Tensor, *, targets: bool) -> Tensor:
        assert targets
        return plans[:, :, 0, 0]

    learner.critics.least = valued  # type: ignore[method-assign, assignment]
    following = episode(learner.critics.situation_size - 1)
    following.candidates[:, 0, 0, 0] = 1.0
    plans = torch.cat([following.candidates, torch.full_like(following.candidates[:, :1], -9)], 1)
    following = dataclasses.replace(following, candidates=plans)
    assert learner._value_of(following).tolist() == [wanted] * STEPS


def test_what_critics_expected_is_compared_with_what_came() -> None:
    finetune = compose_part(FinetuneConfig, "finetune", "q_guided")
    assert isinstance(finetune.algorithm, q_guided.Config)
    planner = small_planner()
    critics = ChunkCritics(finetune.algorithm.critic, planner, seed=0)
    played = episode(planner.config.history * planner.encoder.features)
    assert len(critics.foresee(played)) == 0  # They have learned nothing.
    critics.follow_rewards(played.rewards * 4)
    discount = finetune.algorithm.critic.discount
    came = to_go(played.rewards, played.last, discount)

    def valued(_: Decided, plans: Tensor) -> Tensor:
        return (3 * came * critics.scale)[:, None].expand(plans.shape[:2])

    critics.least = valued  # type: ignore[method-assign, assignment]
    torch.testing.assert_close(critics.foresee(played), 3 * came)
    found = critics.calibration.summary
    assert found["expected"] == pytest.approx(3 * found["came"])
    other = ChunkCritics(finetune.algorithm.critic, planner, seed=1)
    other.load(critics.state())
    assert other.calibration.summary == found
