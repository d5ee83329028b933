"""Eq. 12 against losses, densities and gradients worked by hand."""

import pytest
import torch
from torch.distributions import Normal

from policy.finetuning.terms import ppo
from policy.planner.planner import Planner
from policy.planner.schedule import Step, log_probability
from tests.helpers.sampled_chains import CHUNKS, CONFIG, STEPS, every_step, minibatch, move, sampled
from tests.helpers.small_planner import small_planner

TERM = ppo.make(ppo.Config("ppo", weight=1.0, clip=0.02), small_planner(actions=5))


def test_the_clipped_loss_worked_by_hand() -> None:
    old = torch.zeros(4)
    new = torch.tensor([0.5, 0.5, -0.5, -0.5]).exp().log()  # Ratios e^0.5 and e^-0.5.
    advantages = torch.tensor([1.0, -1.0, 1.0, -1.0])
    up, down = float(torch.tensor(0.5).exp()), float(torch.tensor(-0.5).exp())
    # min(A r, A clip(r)): gains are cut at 1.2, losses are not.
    terms = [1.2, -up, down, -0.8]
    result = ppo.clipped_loss(new, old, advantages, clip=0.2)
    assert result.loss.item() == pytest.approx(-sum(terms) / 4)
    assert result.metrics["clip_fraction"].item() == 1.0


def test_where_nothing_changed_the_gradient_is_the_policy_gradient() -> None:
    log_probs = torch.randn(6, requires_grad=True)
    advantages = torch.randn(6)
    result = ppo.clipped_loss(log_probs, log_probs.detach(), advantages, clip=0.02)
    result.loss.backward()
    assert result.metrics["ratio"].item() == pytest.approx(1.0)
    assert result.metrics["clip_fraction"].item() == 0.0
    torch.testing.assert_close(log_probs.grad, -advantages / 6)


def test_beyond_the_clip_a_good_step_gives_no_gradient_and_a_bad_one_does() -> None:
    log_probs = torch.tensor([0.5, 0.5], requires_grad=True)
    advantages = torch.tensor([1.0, -1.0])
    ppo.clipped_loss(log_probs, torch.zeros(2), advantages, clip=0.2).loss.backward()
    assert log_probs.grad is not None
    assert log_probs.grad[0] == 0
    assert log_probs.grad[1] > 0


def test_the_gradient_of_one_gaussian_step_is_the_analytic_one() -> None:
    generator = torch.Generator().manual_seed(0)
    sigma, mean = 0.3, torch.tensor(0.2, requires_grad=True)
    actions = 0.2 + sigma * torch.randn(50, 1, 1, generator=generator)
    advantages = torch.randn(50, generator=generator)
    step = Step(mean.expand(50, 1, 1), torch.full((50, 1, 1), sigma))
    log_probs = log_probability(actions, step).sum(dim=(1, 2))
    ppo.clipped_loss(log_probs, log_probs.detach(), advantages, clip=0.02).loss.backward()
    analytic = -(advantages * (actions.flatten() - 0.2) / sigma**2).mean()
    assert mean.grad is not None
    assert mean.grad.item() == pytest.approx(analytic.item(), rel=1e-4)


def gaussians(planner: Planner, step: int) -> Normal:
    """Give a denoising step of all chunks, at its executed numbers alone."""
    experience, index = sampled(planner), torch.full((CHUNKS,), step)
    with torch.no_grad():
        taken = planner.step(
            experience.samples[:, step], index, experience.chunks.contexts, min_std=CONFIG.min_std
        )
    return Normal(taken.mean[:, 1:4], taken.std)  # Two observations, three actions executed.


def test_the_log_probability_of_a_chain_is_that_of_its_gaussians() -> None:
    planner = small_planner(actions=5)
    experience = sampled(planner)
    by_hand = torch.zeros(CHUNKS)
    for position in range(STEPS):
        taken = experience.samples[:, position + 1, 1:4]
        by_hand += gaussians(planner, position).log_prob(taken).sum(dim=(1, 2))
    for log_probs in ppo.log_probabilities(every_step(planner, experience)):
        torch.testing.assert_close(
            log_probs.view(CHUNKS, STEPS).sum(dim=1), by_hand, rtol=1e-4, atol=1e-3
        )


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("encoder", ["frozen", "trained"])
def test_the_ratio_is_one_before_the_first_update(encoder: str, reduction: str) -> None:
    planner = small_planner(actions=5)
    experience, options = sampled(planner), {"encoder": encoder, "reduction": reduction}
    everything = every_step(planner, experience, **options)
    new, old = ppo.log_probabilities(everything)
    torch.testing.assert_close(new, old, rtol=1e-3, atol=1e-3)
    assert new.requires_grad
    metrics = TERM.loss(minibatch(planner, experience, **options)).metrics
    assert metrics["ratio"].item() == pytest.approx(1, abs=1e-3)
    assert metrics["clip_fraction"].item() == 0.0
    move(planner)
    metrics = TERM.loss(minibatch(planner, experience, **options)).metrics
    assert metrics["clip_fraction"].item() > 0.5


def test_only_executed_actions_count() -> None:
    planner = small_planner(actions=5)
    average = minibatch(planner, sampled(planner), reduction="mean")
    densities = torch.zeros(1, 4, 5)
    densities[:, 0] = 100.0  # The action of the step before: planned, never executed.
    assert average.reduce(densities).item() == 0.0
    densities[:, 1] = 3.0
    assert average.reduce(densities).item() == pytest.approx(1.0)
