"""Every algorithm with critics: it makes a planner better, and goes on as if it had not stopped."""

import copy
import dataclasses
from typing import Any

import pytest
import torch

from configs.command import compose_part
from configs.kinds import make_kind
from envs.vector.vector_env import Shapes, VectorEnv
from policy.finetuning.config import ALGORITHMS, FinetuneConfig
from policy.finetuning.guided.distilling import DistilConfig, Lessons
from policy.finetuning.guided.learner import CriticLearner
from policy.finetuning.guided.trust import TrustConfig
from policy.finetuning.trainer import Trainer
from policy.planner.planner import Planner
from tests.conftest import task_config
from tests.helpers.bandit import play, played, pretrained, same_contexts
from tests.helpers.small_planner import small_planner


def config(
    name: str, own: dict[str, Any], critic_steps: int, sees: str = "context", **changes: object
) -> FinetuneConfig:
    usual = compose_part(FinetuneConfig, "finetune", name)
    algorithm: Any = usual.algorithm
    critic = dataclasses.replace(algorithm.critic, steps=critic_steps, count=3, sees=sees)
    algorithm = dataclasses.replace(algorithm, critic=critic, **own)
    return dataclasses.replace(usual, algorithm=algorithm, evaluate_every=0, **changes)


def made(planner: Planner, usual: FinetuneConfig) -> CriticLearner:
    learner = make_kind(ALGORITHMS, usual.algorithm, planner, usual, 0)
    assert isinstance(learner, CriticLearner)
    return learner


@pytest.fixture(scope="module")
def before() -> Planner:
    return pretrained()


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("q_guided", {}),
        ("ogpo", {"batch": 8, "links": 2, "imitation": 0.0, "imitated": 1}),  # By its groups alone.
        ("expo", {}),
    ],
)
def test_a_planner_learns_the_better_arm_of_a_bandit(
    name: str, own: dict[str, Any], before: Planner
) -> None:
    planner = copy.deepcopy(before)
    usual = config(name, own, critic_steps=5, gradient_steps=1)
    learner = made(planner, usual)
    generators = [torch.Generator().manual_seed(i) for i in range(20)]
    for _ in range(5):
        contexts = same_contexts(20)
        learner.observe(played(contexts, learner.decide(explore=True)(contexts, generators, 0)))
        learner.update(20, 3e-3)
    returns = [
        play(one, 300, torch.Generator().manual_seed(9)).returns.mean() for one in (before, planner)
    ]
    assert returns[0] < 0.6
    assert returns[1] > 0.85


@pytest.fixture(scope="module")
def envs() -> VectorEnv:
    task = task_config("adroit-door", "env.episode_steps=10", "env.view.points=32")
    return VectorEnv(task, Shapes(envs=2, history=2, chunk=3, features=True), workers=0)


@pytest.mark.parametrize(
    ("name", "own", "sees"),
    [
        ("q_guided", {}, "context"),
        ("q_guided", {}, "both"),
        ("ogpo", {"batch": 4, "group": 3}, "context"),
        ("expo", {"trust": TrustConfig(correlation=-1.0, episodes=3, rise=4)}, "state"),
    ],
)
def test_a_fine_tuning_goes_on_as_if_it_had_not_stopped(
    name: str, own: dict[str, Any], sees: str, envs: VectorEnv
) -> None:
    changes = {"episodes": 8, "initial_limit": 2, "gradient_steps": 1}
    usual = config(name, own, 5, sees, **changes)
    whole, part = (Trainer(small_planner(), envs, usual, seed=0, success_at="end") for _ in "ab")
    for _ in range(2):
        part.iterate()
    gone_on = Trainer(small_planner(), envs, usual, seed=0, success_at="end")
    gone_on.load(copy.deepcopy(part.state()))
    gone_on.iterate()
    for _ in range(3):
        whole.iterate()
    for weights, others in zip(
        whole.planner.parameters(), gone_on.planner.parameters(), strict=True
    ):
        assert torch.equal(weights, others)


@pytest.mark.parametrize(
    "distil",
    [
        DistilConfig(steps=100, candidates=2),
        DistilConfig(steps=0, candidates=0, taught=100, situations=200),
    ],
)
def test_once_all_is_played_the_planner_alone_learns_what_its_critics_prefer(
    before: Planner, distil: DistilConfig
) -> None:
    """Critics that learned from another run's decisions, and a planner that has not."""
    own = {"imitates": "successes", "batch": 64, "distil": distil}
    usual = config("q_guided", own, critic_steps=20, gradient_steps=1)
    learner = made(copy.deepcopy(before), usual)
    generators = [torch.Generator().manual_seed(i) for i in range(40)]
    contexts = same_contexts(40)
    learner.observe(played(contexts, learner.decide(explore=True)(contexts, generators, 0)))
    learner.update(20, 1e-3)
    planner = copy.deepcopy(before)
    taught = made(planner, usual)
    taught.load({**taught.state(), **{k: learner.state()[k] for k in ("critics", "decisions")}})
    for group in taught._optimizer.param_groups:
        group["lr"] = 1e-3
    assert len(taught.target) == 0  # Nothing to imitate: the critics alone teach.
    taught.finish()
    assert play(planner, 300, torch.Generator().manual_seed(9)).returns.mean() > 0.85


def test_lessons_are_what_guided_play_does_by_the_planner_as_it_was(before: Planner) -> None:
    usual = config("q_guided", {}, critic_steps=20, gradient_steps=0)
    learner = made(copy.deepcopy(before), usual)
    generators = [torch.Generator().manual_seed(i) for i in range(60)]
    contexts = same_contexts(60)
    learner.observe(played(contexts, learner.decide(explore=True)(contexts, generators, 0)))
    learner.update(60, 1e-3)
    shape = DistilConfig(steps=0, candidates=0, taught=1, situations=1500)
    draws = torch.Generator().manual_seed(0)
    lessons = Lessons.of(before, learner.critics, learner._drawn, shape, 3, draws)
    chosen = lessons.sample(4000, draws)[1].mean(dim=(1, 2)) > 0
    assert len(lessons.plans) == 1500
    assert chosen.float().mean() == pytest.approx(1 - 0.5**3, abs=0.06)  # Best of three.
