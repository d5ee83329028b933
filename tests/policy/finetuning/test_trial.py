"""Critics on trial: they are listened to as long as episodes played by them earn more."""

import copy
import dataclasses

import pytest
import torch

from configs.command import compose_part
from configs.kinds import make_kind
from envs.vector.vector_env import Shapes, VectorEnv
from policy.finetuning.algorithms import q_guided
from policy.finetuning.config import ALGORITHMS, FinetuneConfig
from policy.finetuning.guided.guide import Guide
from policy.finetuning.guided.trial import Trial, TrialConfig
from policy.planner.planner import Planner
from policy.rollouts.rollout import roll_out
from tests.conftest import task_config
from tests.helpers.bandit import play, played, pretrained, same_contexts
from tests.helpers.small_planner import small_planner


def test_episodes_go_half_to_either_kind_and_then_to_who_earns_more() -> None:
    trial = Trial(TrialConfig(behind=0.25, episodes=4))
    expected = {0: 4, 8: 6, 16: 2}  # Of eight, how many the planner plays alone.
    for first, count in expected.items():
        alone = [trial.plays_alone(number) for number in range(first, first + 8)]
        assert sum(alone) == count
        assert sum(alone[:4]) == count / 2  # Evenly spread.
        worth = 1.0 if first == 0 else 0.0  # The planner alone earns more, and then less.
        trial.note(first, torch.tensor([worth if one else 0.5 for one in alone]))


def test_what_newer_episodes_earned_decides_and_goes_on_after_a_stop() -> None:
    trial = Trial(TrialConfig(behind=0.5, episodes=4))
    trial.note(0, torch.tensor([9.0, 1.0] * 3))  # Even numbers are played by critics.
    assert not trial.earned  # Before enough is known, critics are not listened to.
    trial.note(6, torch.tensor([9.0, 1.0]))
    assert trial.earned
    trial.note(8, torch.tensor([0.0, 1.0, 0.0]))
    trial.note(11, torch.tensor([1.0, 0.0]))
    assert trial.summary == {"return_alone": 1.0, "return_guided": 2.25, "earned": 1.0}
    other = Trial(TrialConfig(behind=0.5, episodes=4))
    other.load(copy.deepcopy(trial.state()))
    for one in (trial, other):
        one.note(13, torch.tensor([1.0, 0.0]))
        assert one.summary == {"return_alone": 1.0, "return_guided": 0.0, "earned": 0.0}


def test_without_a_trial_critics_are_listened_to() -> None:
    trial = Trial(TrialConfig(behind=0.0, episodes=4))
    trial.note(0, torch.tensor([1.0, 0.0]))
    assert trial.earned
    assert trial.summary == {}


@pytest.fixture(scope="module")
def envs() -> VectorEnv:
    task = task_config("adroit-door", "env.episode_steps=10", "env.view.points=32")
    return VectorEnv(task, Shapes(envs=2, history=2, chunk=3), workers=0)


def q_config(behind: float, critic_steps: int) -> FinetuneConfig:
    usual = compose_part(FinetuneConfig, "finetune", "q_guided")
    assert isinstance(usual.algorithm, q_guided.Config)
    algorithm = dataclasses.replace(
        usual.algorithm,
        critic=dataclasses.replace(usual.algorithm.critic, steps=critic_steps),
        trial=TrialConfig(behind, episodes=10),
    )
    return dataclasses.replace(usual, algorithm=algorithm, evaluate_every=0, gradient_steps=1)


def test_alone_the_first_plan_is_followed_as_it_is_even_while_exploring(envs: VectorEnv) -> None:
    planner = small_planner().eval()
    usual = q_config(0.5, critic_steps=1)
    learner = make_kind(ALGORITHMS, usual.algorithm, planner, usual, 0)
    for first in (1, 3):  # Before the critics have learned anything, and behind it.
        guide = learner.decide(explore=True)
        rollout = roll_out(planner, envs, [first, first + 1], success_at="end", decide=guide)
        chunks = rollout.chunks
        alone = (chunks.plans == chunks.candidates[:, :, 0]).flatten(2).all(dim=2)
        assert alone.tolist() == [[False, True]] * len(alone)
        learner.observe(rollout)
        learner.update(2, 1e-4)


def learned(planner: Planner, behind: float, wrong: dict[str, torch.Tensor]) -> float:
    """Let a planner learn the bandit by given critics; give its new return."""
    usual = q_config(behind, critic_steps=0)
    learner = make_kind(ALGORITHMS, usual.algorithm, planner, usual, 0)
    assert isinstance(learner, q_guided.QGuided)
    generators = [torch.Generator().manual_seed(i) for i in range(20)]
    for _ in range(5):
        contexts = same_contexts(20)
        guide = learner.decide(explore=True)
        assert isinstance(guide, Guide)
        learner.observe(played(contexts, guide(contexts, generators, 0)))
        learner.update(20, 3e-3)
        learner.critics.online.load_state_dict(wrong)
    return float(play(planner, 300, torch.Generator().manual_seed(9)).returns.mean())


def test_critics_that_are_wrong_are_not_listened_to() -> None:
    before = pretrained()
    usual = q_config(0.0, critic_steps=50)
    learner = make_kind(ALGORITHMS, usual.algorithm, copy.deepcopy(before), usual, 0)
    assert isinstance(learner, q_guided.QGuided)
    generators = [torch.Generator().manual_seed(i) for i in range(20)]
    contexts = same_contexts(20)
    learner.observe(played(contexts, learner.decide(explore=True)(contexts, generators, 0)))
    learner.update(20, 1e-5)
    wrong = {name: part.clone() for name, part in learner.critics.online.state_dict().items()}
    for name in ("weights.2", "biases.2"):
        wrong[name].neg_()
    misled = learned(copy.deepcopy(before), 0.0, wrong)
    on_trial = learned(copy.deepcopy(before), 0.2, wrong)
    assert on_trial > misled + 0.2, (misled, on_trial)
