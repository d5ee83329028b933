"""Ways to play on trial: critics are listened to as long as playing by them earns more."""

import copy
import dataclasses

import pytest
import torch
from torch import Tensor

from configs.command import compose_part
from configs.kinds import make_kind
from envs.vector.vector_env import Shapes, VectorEnv
from policy.finetuning.algorithms import q_guided
from policy.finetuning.config import ALGORITHMS, FinetuneConfig
from policy.finetuning.guided.decisions import Decided
from policy.finetuning.guided.distilling import DistilConfig
from policy.finetuning.guided.guide import Guide, Way
from policy.finetuning.guided.trial import Trial, TrialConfig
from policy.planner.planner import Planner
from policy.rollouts.rollout import roll_out
from tests.conftest import task_config
from tests.helpers.bandit import play, played, pretrained, same_contexts
from tests.helpers.small_planner import small_planner


def note(trial: Trial, first: int, returns: Tensor, successes: Tensor | None = None) -> None:
    none = torch.zeros(len(returns), dtype=torch.bool)
    trial.note(first, none if successes is None else successes, returns)


def counted(trial: Trial, first: int, count: int) -> dict[Way, int]:
    ways = [trial.way(number) for number in range(first, first + count)]
    return {way: ways.count(way) for way in Way}


def test_episodes_go_a_third_to_each_way_and_then_to_the_one_that_succeeds_most() -> None:
    trial = Trial(TrialConfig(every=5, episodes=4))
    assert counted(trial, 0, 12) == {Way.ALONE: 4, Way.GUIDED: 4, Way.EXPLORING: 4}
    note(trial, 0, torch.tensor([1.0, 9.0, 5.0] * 4))
    assert counted(trial, 12, 10) == {Way.ALONE: 6, Way.GUIDED: 2, Way.EXPLORING: 2}
    for best in (Way.EXPLORING, Way.GUIDED):
        successes = torch.tensor([trial.way(number) == best for number in range(12, 42)])
        note(trial, 12, torch.zeros(30), successes)
        assert counted(trial, 42, 10) == {**dict.fromkeys(Way, 2), best: 6}


@pytest.mark.parametrize(("guided", "earned"), [(0, False), (2, False), (3, True), (8, True)])
def test_critics_earn_by_successes_beyond_chance_and_not_by_returns(
    guided: int, earned: bool
) -> None:
    trial = Trial(TrialConfig(every=5, episodes=8))
    successes = torch.tensor([[False, number < guided, True] for number in range(8)])
    note(trial, 0, torch.tensor([1.0, 9.0, 0.0] * 8), successes.flatten())
    assert trial.earned == earned


def test_what_newer_episodes_were_decides_and_goes_on_after_a_stop() -> None:
    trial = Trial(TrialConfig(every=5, episodes=4))
    note(trial, 0, torch.tensor([1.0, 9.0, 0.0] * 3), torch.tensor([False, True, False] * 3))
    assert not trial.earned  # Before enough is known, critics are not listened to.
    note(trial, 9, torch.tensor([1.0, 9.0, 0.0]), torch.tensor([False, True, False]))
    assert trial.summary == {
        "success_alone": 0.0, "success_guided": 1.0, "success_exploring": 0.0,
        "return_alone": 1.0, "return_guided": 9.0, "return_exploring": 0.0, "earned": 1.0,
    }  # fmt: skip
    other = Trial(TrialConfig(every=5, episodes=4))
    other.load(copy.deepcopy(trial.state()))
    for one in (trial, other):
        note(one, 12, torch.zeros(10))  # Guided, but for two of each of the others.
        assert one.summary["return_alone"] == 0.5
        assert one.summary["success_guided"] == 0.0
        assert not one.earned


def test_where_nothing_is_played_critics_are_listened_to() -> None:
    trial = Trial(TrialConfig(every=5, episodes=4))
    assert trial.earned
    note(trial, 0, torch.zeros(2))
    assert not trial.earned


def test_without_a_trial_all_episodes_explore_and_critics_are_listened_to() -> None:
    trial = Trial(TrialConfig(every=0, episodes=4))
    note(trial, 0, torch.tensor([1.0, 0.0]))
    assert counted(trial, 2, 10)[Way.EXPLORING] == 10
    assert trial.earned
    assert trial.summary == {}


@pytest.fixture(scope="module")
def envs() -> VectorEnv:
    task = task_config("adroit-door", "env.episode_steps=10", "env.view.points=32")
    return VectorEnv(task, Shapes(envs=2, history=2, chunk=3), workers=0)


def q_config(every: int, critic_steps: int) -> FinetuneConfig:
    usual = compose_part(FinetuneConfig, "finetune", "q_guided")
    assert isinstance(usual.algorithm, q_guided.Config)
    algorithm = dataclasses.replace(
        usual.algorithm,
        critic=dataclasses.replace(usual.algorithm.critic, steps=critic_steps),
        trial=TrialConfig(every, episodes=6),
        distil=DistilConfig(steps=0, candidates=0, taught=30, situations=100),
    )
    return dataclasses.replace(usual, algorithm=algorithm, evaluate_every=0, gradient_steps=1)


def test_each_way_is_played_as_it_says(envs: VectorEnv) -> None:
    planner = small_planner().eval()
    usual = q_config(5, critic_steps=1)
    learner = make_kind(ALGORITHMS, usual.algorithm, planner, usual, 0)
    assert isinstance(learner, q_guided.QGuided)
    for first in (0, 2, 4):  # From the second time on critics have learned something.
        guide = learner.decide(explore=True)
        rollout = roll_out(planner, envs, [first, first + 1], success_at="end", decide=guide)
        chunks, critics = rollout.chunks, learner.critics
        same = (chunks.plans[:, :, None] == chunks.candidates).flatten(3).all(dim=3)
        for slot, way in enumerate(Way(number % 3) for number in (first, first + 1)):
            if way == Way.EXPLORING:
                assert not same[:, slot].any()
            elif way == Way.ALONE or critics.ready is None:
                assert same[:, slot, 0].all()
            else:
                seen = Decided.of(rollout)[slot * 4 : slot * 4 + 4]
                best = critics.least(seen, seen.candidates[:, :-1]).argmax(dim=1)
                assert same[torch.arange(4), slot, best].all()
        learner.observe(rollout)
        learner.update(2, 1e-4)


def test_guided_episodes_at_the_end_are_not_part_of_the_trial(envs: VectorEnv) -> None:
    usual = q_config(5, critic_steps=1)
    algorithm = usual.algorithm
    assert isinstance(algorithm, q_guided.Config)
    explore = dataclasses.replace(algorithm.explore, until=0.5)
    usual = dataclasses.replace(
        usual, episodes=4, algorithm=dataclasses.replace(algorithm, explore=explore)
    )
    learner = make_kind(ALGORITHMS, usual.algorithm, small_planner().eval(), usual, 0)
    assert isinstance(learner, q_guided.QGuided)
    compared = []
    for first in (0, 2):
        guide = learner.decide(explore=True)
        learner.observe(
            roll_out(guide.planner, envs, [first, first + 1], success_at="end", decide=guide)
        )
        compared.append(len(learner.state()["trial"]["ways"]))
    assert compared == [2, 2]


def learned(planner: Planner, every: int, wrong: dict[str, Tensor]) -> float:
    """Let a planner learn the bandit by given critics; give its new return."""
    usual = q_config(every, critic_steps=0)
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
    learner.finish()
    return float(play(planner, 300, torch.Generator().manual_seed(9)).returns.mean())


def test_critics_that_are_wrong_are_not_listened_to() -> None:
    before = pretrained()
    usual = q_config(0, critic_steps=50)
    learner = make_kind(ALGORITHMS, usual.algorithm, copy.deepcopy(before), usual, 0)
    assert isinstance(learner, q_guided.QGuided)
    generators = [torch.Generator().manual_seed(i) for i in range(20)]
    contexts = same_contexts(20)
    learner.observe(played(contexts, learner.decide(explore=True)(contexts, generators, 0)))
    learner.update(20, 1e-5)
    wrong = {name: part.clone() for name, part in learner.critics.online.state_dict().items()}
    for name in ("weights.2", "biases.2"):
        wrong[name].neg_()
    misled = learned(copy.deepcopy(before), 0, wrong)
    on_trial = learned(copy.deepcopy(before), 5, wrong)
    assert on_trial > misled + 0.2, (misled, on_trial)


def test_only_the_first_candidate_is_planned_at_the_planners_temperature() -> None:
    planner = small_planner().eval().at_temperature(0.0)
    usual = q_config(5, critic_steps=1)
    learner = make_kind(ALGORITHMS, usual.algorithm, planner, usual, 0)
    contexts = torch.zeros(2, planner.config.history * planner.encoder.features)
    generators = [torch.Generator().manual_seed(number) for number in range(2)]
    one, other = learner.decide(explore=False)(contexts, generators, 0).candidates
    assert (one == other).flatten(1).all(dim=1).tolist() == [True, *[False] * (len(one) - 1)]
