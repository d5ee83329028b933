"""Actor-critics that compare with fine-tuning: their laws, and that they learn and go on."""

import copy
import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from configs.command import compose_part
from configs.kinds import make_kind
from envs.vector.vector_env import Shapes, VectorEnv
from perception.errors import InputError
from policy.finetuning.algorithms.calql import random_density, surplus, to_go
from policy.finetuning.config import ALGORITHMS, FinetuneConfig
from policy.finetuning.guided.actor_critic import ActorCritic
from policy.finetuning.guided.decisions import Decided
from policy.finetuning.loop import finetune
from policy.finetuning.trainer import Trainer
from policy.planner.actor import Actor, ActorConfig
from policy.planner.checkpoint import load_policy
from policy.planner.planner import Planner
from policy.planner.policies.ibrl import chances
from policy.runs.metrics import read_metrics
from policy.runs.run import Run
from tests.conftest import task_config
from tests.helpers.bandit import played, pretrained, same_contexts
from tests.helpers.small_planner import small_planner

OFFLINE: Mapping[str, Mapping[str, Any]] = {
    "rlpd": {},
    "ibrl": {"imitation": 5},
    "calql": {"offline": 3},
}
NOTHING: Mapping[str, Mapping[str, Any]] = {
    "rlpd": {},
    "ibrl": {"imitation": 0},
    "calql": {"offline": 0, "conservative": 0.5},
}


def config(name: str, own: Mapping[str, Any], **changes: object) -> FinetuneConfig:
    usual = compose_part(FinetuneConfig, "finetune", name)
    algorithm: Any = usual.algorithm
    actor = dataclasses.replace(algorithm.actor, hidden=32, layers=2)
    critic = dataclasses.replace(algorithm.critic, hidden=32, layers=2, learning_rate=3e-3)
    own = {"batch": 16, **own}
    algorithm = dataclasses.replace(algorithm, actor=actor, critic=critic, **own)
    return dataclasses.replace(usual, algorithm=algorithm, evaluate_every=0, **changes)


def made(planner: Planner, usual: FinetuneConfig) -> ActorCritic:
    learner = make_kind(ALGORITHMS, usual.algorithm, planner, usual, 0)
    assert isinstance(learner, ActorCritic)
    return learner


@pytest.mark.parametrize("name", NOTHING)
def test_an_actor_learns_the_better_arm_of_a_bandit(name: str) -> None:
    own = {**NOTHING[name], "batch": 32, "critic_steps": 2, "rounds": 0.5}
    learner = made(pretrained(0), config(name, own))
    with torch.no_grad():  # All begin with the worse arm.
        for actor in (part for part in learner.policy.modules() if isinstance(part, Actor)):
            weights, biases = list(actor.parameters())[-2:]
            weights.zero_()
            biases.zero_()[: actor.numbers] = -0.05
    generators = [torch.Generator().manual_seed(i) for i in range(40)]
    contexts, earned = same_contexts(40), []
    for _ in range(4):
        judged = played(contexts, learner.decide(explore=False)(contexts, generators, 0))
        earned.append(float(judged.returns.mean()))
        learner.observe(played(contexts, learner.decide(explore=True)(contexts, generators, 0)))
        learner.update(40, 1e-2)
    assert (earned[0], earned[-1]) == (0, 1)


@pytest.fixture(scope="module")
def envs() -> VectorEnv:
    task = task_config("adroit-door", "env.episode_steps=12", "env.view.points=32")
    return VectorEnv(task, Shapes(envs=2, history=2, chunk=3), workers=0)


@pytest.mark.parametrize("name", OFFLINE)
def test_it_goes_on_as_if_it_had_not_stopped_and_what_has_learned_is_kept(
    name: str, envs: VectorEnv, tiny_store: Path, tmp_path: Path
) -> None:
    own = {**OFFLINE[name], "prior": (tiny_store,)}
    usual = config(name, own, episodes=6, initial_limit=2)
    usual = dataclasses.replace(usual, evaluate_every=6, evaluate_episodes=1)
    part = Trainer(small_planner(), envs, usual, seed=0, success_at="end")
    for _ in range(3):
        part.iterate()
    gone_on = Trainer(small_planner(), envs, usual, seed=0, success_at="end")
    gone_on.load(copy.deepcopy(part.state()))
    while gone_on.episodes < 6:
        gone_on.iterate()
    run = Run(tmp_path, {"about": {"task": "adroit-door"}})
    whole = finetune(small_planner(), envs, usual, run=run, seed=0, success_at="end")
    kept, about = load_policy(run.checkpoint("finetune"))
    assert about["episodes"] == 6
    for one in (gone_on.policy, kept):
        for key, value in whole.state_dict().items():
            assert value.equal(one.state_dict()[key]), key
    before = small_planner().encoder.state_dict()
    assert all(value.equal(before[key]) for key, value in whole.encoder.state_dict().items())
    assert "evaluation/success" in read_metrics(tmp_path / "finetune.jsonl")[-1]


def test_rlpd_targets_take_the_least_of_exactly_two_heads() -> None:
    learner = made(pretrained(0), config("rlpd", {"entropy_backup": False}))
    asked = []
    values = torch.tensor([5.0, 4, 3, 2, 1])[:, None, None]  # Of five critics.

    def of_candidates(situations: torch.Tensor, done: torch.Tensor) -> torch.Tensor:
        return values.expand(-1, len(situations), done.shape[1])

    learner.critics.targets.of_candidates = of_candidates  # type: ignore[method-assign, assignment]
    now = Decided.of(played(same_contexts(4), learner.decide(explore=True)(
        same_contexts(4), [torch.Generator().manual_seed(i) for i in range(4)], 0
    )))  # fmt: skip
    for _ in range(200):
        asked.append(float(learner._value_of(now)[0]))
    share = [asked.count(value) / 200 for value in (5, 4, 3, 2, 1)]
    pairs = [0, 0.1, 0.2, 0.3, 0.4]  # Of ten pairs, those whose least is each.
    assert share == pytest.approx(pairs, abs=0.1)
    assert share[0] == 0


def test_cal_ql_does_not_push_values_below_what_was_earned() -> None:
    values = torch.tensor([[[0.5, 3.0]]], requires_grad=True)
    surplus(values.maximum(torch.tensor(2.0)), torch.zeros(1, 2), torch.zeros(1, 1)).backward()
    assert values.grad is not None
    assert values.grad[0, 0, 0] == 0
    assert values.grad[0, 0, 1] > 0
    assert random_density(4, "as_described") == pytest.approx(-4 * math.log(2))
    assert random_density(4, "as_released") == 0.5**4
    ends = torch.tensor([False, True, False, True])
    found = to_go(torch.tensor([1.0, 2, 0, 4]), ends, 0.5)
    assert found.tolist() == [2, 2, 2, 4]


def test_ibrl_takes_the_imitators_proposal_where_it_is_worth_more_by_one() -> None:
    values = torch.tensor([[1.01, 0.0]])
    assert chances(values, 10, "as_described")[0, 0] > 0.9999
    assert chances(torch.tensor([[100.0, 0.0]]), 10, "as_released").isfinite().all()


@pytest.mark.parametrize("std", [None, 0.1])
def test_an_actors_density_is_that_of_what_it_draws(std: float | None) -> None:
    torch.manual_seed(0)
    actor, seen = Actor(ActorConfig(16, 2, 0.0, std), 3, 2), torch.randn(50, 3)
    done, densities = actor(seen, 0.5 * torch.randn(50, 2))
    inside = done.abs().amax(dim=-1) < 1
    torch.testing.assert_close(
        actor.log_density(seen, done)[inside], densities[inside], atol=1e-3, rtol=1e-3
    )


def test_what_only_a_planner_has_and_missing_data_are_refused() -> None:
    for name in ("ibrl", "calql"):
        with pytest.raises(InputError, match=r"give finetune\.algorithm\.prior"):
            made(small_planner(), config(name, OFFLINE[name]))
    with pytest.raises(InputError, match=r"leave finetune\.init"):
        made(small_planner(), config("rlpd", {}, init="scratch"))
