"""EXPO: edits, when critics are trusted with them, and what is chosen."""

import dataclasses

import pytest
import torch
from torch.distributions import Normal, TanhTransform, TransformedDistribution

from configs.command import compose_part
from datasets.behaviours.critics import Critics
from policy.finetuning.algorithms import expo
from policy.finetuning.algorithms.expo import EXPO
from policy.finetuning.config import FinetuneConfig
from policy.finetuning.guided.calibration import to_go
from policy.finetuning.guided.decisions import Decided
from policy.finetuning.guided.edits import EditConfig, Edits, tanh_log_probability
from policy.finetuning.guided.guide import Guide
from policy.finetuning.guided.sight import situation
from policy.finetuning.guided.trust import Trust, TrustConfig
from tests.helpers.bandit import played, pretrained, same_contexts
from tests.helpers.small_planner import quick_planner

EDIT = EditConfig(hidden=32, beta=0.3, learning_rate=1e-2, temperature=1e-4)
PLANNER = quick_planner(actions=5)
SEEN = 2 * PLANNER.encoder.features + 1


def plans(count: int, candidates: int) -> torch.Tensor:
    return torch.randn(count, candidates, 4, 5).clamp(-1, 1)


def test_the_density_of_an_edit_is_that_of_a_tanh_gaussian() -> None:
    mean, std, before = torch.randn(7, 5), torch.rand(7, 5) + 0.1, torch.randn(7, 5)
    squashed = TransformedDistribution(Normal(mean, std), TanhTransform())
    expected = squashed.log_prob(before.tanh())
    torch.testing.assert_close(tanh_log_probability(before, mean, std), expected, rtol=1e-3, atol=0)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_an_edit_changes_what_is_executed_by_its_share_of_beta_at_most(share: float) -> None:
    edits, before = Edits(EDIT, PLANNER, SEEN, seed=0), plans(6, 3)
    draws = edits.draws(torch.Generator().manual_seed(0), 6, 3)
    after = edits.edited(torch.randn(6, SEEN), before, share, draws)
    gap = (after - before).abs()
    assert gap.amax() <= share * EDIT.beta + 1e-6
    assert (gap.amax() > 0.1 * share * EDIT.beta) == (share > 0)
    assert after.abs().amax() <= 1
    assert torch.equal(after[..., :1, :], before[..., :1, :])  # Of the past: never executed.


def test_edits_learn_what_critics_prefer() -> None:
    torch.manual_seed(0)
    critics, edits = Critics(SEEN, 15, hidden=16), Edits(EDIT, PLANNER, SEEN, seed=0)
    situations, before = torch.randn(64, SEEN), plans(64, 1)
    generator = torch.Generator().manual_seed(0)

    def value(of: torch.Tensor) -> float:
        executed = PLANNER.executed(of).flatten(2)
        return critics.of_candidates(situations, executed).mean().item()

    for _ in range(100):
        edits.learn(situations, before[:, 0], critics, generator)
    gains = [value(edits.edited(situations, before, s)) - value(before) for s in (0.5, 1.0)]
    assert 0 < gains[0] < gains[1]


def test_rewards_to_go_end_with_their_episode() -> None:
    last = torch.tensor([False, True, False, True])
    sums = to_go(torch.tensor([1.0, 2.0, 4.0, 8.0]), last, 0.5)
    assert sums.tolist() == [2, 2, 8, 8]


def episodes(rewards: torch.Tensor) -> Decided:
    """Make the decisions of episodes of equal length, from episode x time."""
    count, length = rewards.shape
    time = torch.arange(length).float().expand(count, length)
    return Decided(
        contexts=torch.zeros(count * length, 1),
        features=torch.zeros(count * length, 0),
        elapsed=time.flatten(),
        candidates=torch.zeros(count * length, 1, 1, 1),
        rewards=rewards.flatten(),
        last=(time == length - 1).flatten(),
    )


def test_trust_rises_while_critics_foretell_and_is_gone_at_once_where_they_do_not() -> None:
    trust = Trust(TrustConfig(correlation=0.5, episodes=4, rise=8), discount=0.9)
    torch.manual_seed(0)
    for rounds in range(1, 7):
        new = episodes(torch.rand(2, 5))
        came = to_go(new.rewards, new.last, 0.9)
        trust.note(new, 3 * came + new.elapsed)
        assert trust.correlation == pytest.approx(1)
        assert trust.share == min(1, rounds / 4)
    new = episodes(torch.rand(4, 5))  # As many as are looked at.
    trust.note(new, -to_go(new.rewards, new.last, 0.9))
    assert trust.correlation == pytest.approx(-1)
    assert trust.share == 0


def test_knowing_how_long_an_episode_lasts_earns_no_trust() -> None:
    trust = Trust(TrustConfig(correlation=0.5, episodes=10, rise=1), discount=0.9)
    new = episodes(1 + 0.01 * torch.randn(8, 5))
    trust.note(new, 5 - new.elapsed)
    assert trust.correlation == 0
    assert trust.share == 0


def learner() -> EXPO:
    """Make one on the bandit, whose critics have learned a little."""
    usual = compose_part(FinetuneConfig, "finetune", "expo")
    assert isinstance(usual.algorithm, expo.Config)
    config = dataclasses.replace(usual.algorithm, trust=TrustConfig(-1.0, 10, 40))
    made = EXPO(config, pretrained(100), dataclasses.replace(usual, algorithm=config), seed=0)
    play(made)
    made.update(1, 1e-3)
    return made


def play(made: EXPO) -> None:
    contexts = same_contexts(20)
    generators = [torch.Generator().manual_seed(i) for i in range(20)]
    made.observe(played(contexts, made.decide(explore=True)(contexts, generators, 0)))


def test_without_edits_it_decides_as_q_guided_does_and_with_them_by_candidates_and_edits() -> None:
    made, contexts = learner(), same_contexts(5)
    explore = made._config.explore
    plain = Guide(made._planner, made.critics.online, explore, explore=False, motion=made.motion)
    assert made.decide(explore=False) == plain  # No share, no edit.
    play(made)
    assert made.trust.share == 0.5
    guide = made.decide(explore=False)

    def decision(by: Guide) -> tuple[torch.Tensor, torch.Tensor]:
        generators = [torch.Generator().manual_seed(i) for i in range(5)]
        decided = by(contexts, generators, 3)
        return decided.plans, decided.candidates

    followed, candidates = decision(guide)
    assert torch.equal(candidates, decision(plain)[1])
    seen = situation(contexts, torch.full((5,), 3.0))
    edited = made.edits.edited(seen, candidates, 0.5)
    options = torch.cat([candidates, edited], dim=1)
    values = made.critics.online.of_candidates(seen, options.flatten(2)).amin(dim=0)
    assert torch.equal(followed, options[torch.arange(5), values.argmax(dim=1)])
