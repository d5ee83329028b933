"""OGPO: groups of plans, what critics grant them, and what a step does with that."""

import dataclasses

import pytest
import torch

from configs.command import compose_part
from policy.finetuning.algorithms import ogpo
from policy.finetuning.algorithms.ogpo import OGPO, against_group, conservative
from policy.finetuning.config import FinetuneConfig
from tests.helpers.bandit import played, pretrained, same_contexts


def test_what_critics_say_against_the_group_sums_to_zero() -> None:
    values = torch.randn(3, 5, 8, dtype=torch.float64)
    compared = against_group(values)
    assert compared.sum(dim=-1).abs().max() < 1e-12
    shifted = against_group(values + torch.randn(3, 5, 1, dtype=torch.float64))
    torch.testing.assert_close(shifted, compared)


def test_a_plan_gets_what_all_critics_grant_it() -> None:
    #                 all above, all below, of two minds, one indifferent
    first = torch.tensor([[0.5, -0.1, 0.4, 0.0]])
    second = torch.tensor([[0.2, -0.3, -0.4, 0.7]])
    granted = conservative(torch.stack([first, second]))
    assert granted.tolist() == [pytest.approx([0.2, -0.1, 0.0, 0.0])]
    alone = torch.randn(1, 4, 6)
    assert torch.equal(conservative(alone), alone[0])


def learner(**own: object) -> OGPO:
    """Make one on the bandit, whose critics have learned a little."""
    usual = compose_part(FinetuneConfig, "finetune", "ogpo")
    assert isinstance(usual.algorithm, ogpo.Config)
    config = dataclasses.replace(usual.algorithm, batch=8, **own)
    usual = dataclasses.replace(usual, algorithm=config, gradient_steps=1)
    made, contexts = OGPO(config, pretrained(100), usual, seed=0), same_contexts(20)
    generators = [torch.Generator().manual_seed(i) for i in range(20)]
    made.observe(played(contexts, made.decide(explore=True)(contexts, generators, 0)))
    return made


@pytest.mark.parametrize("links", [1, 3, 10])
def test_the_first_step_starts_at_a_ratio_of_one(links: int) -> None:
    watched = learner(links=links).update(1, 1e-3)
    assert watched["finetune/ratio"] == pytest.approx(1, abs=1e-5)
    assert watched["finetune/clip_fraction"] == 0
    assert 0 < watched["finetune/agreed"] <= 1


def test_the_slow_planner_moves_by_its_share() -> None:
    made = learner(tau=0.25)
    before = [weight.clone() for weight in made._planner.denoiser.parameters()]
    made.update(1, 1e-3)
    for old, new, slow in zip(
        before,
        made._planner.denoiser.parameters(),
        made._slow.denoiser.parameters(),
        strict=True,
    ):
        torch.testing.assert_close(slow, old + 0.25 * (new - old))
        assert not slow.requires_grad
