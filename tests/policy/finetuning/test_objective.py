"""What fine-tuning minimises, against densities, divergences and gradients worked by hand."""

import copy
import dataclasses
from typing import get_args

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from perception.observation import Observation
from policy.finetuning.buffers import Chunks, Experience
from policy.finetuning.losses import improvement_loss
from policy.finetuning.objective import Objective, ObjectiveConfig, Regulariser, Terms
from policy.planner.denoisers.unet import Config as UnetConfig
from policy.planner.planner import Planner, PlannerConfig, Sizes
from policy.planner.schedule import Step, log_probability
from tests.helpers import bandit

CHUNKS, STEPS = 6, 10
CONFIG = ObjectiveConfig(
    batch=32,
    clip=0.02,
    improvement=1.0,
    regulariser="none",
    regularisation=1.0,
    min_std=0.1,
    ratio="sum",
    encoder="frozen",
)


def small_planner() -> Planner:
    torch.manual_seed(0)
    net = UnetConfig("unet", (16, 32, 48), 1, 5, 8, 16, None)
    return Planner(
        PlannerConfig(2, 4, 3, "noise", 100, STEPS, 1.0, "trailing", net), Sizes(3, 24, 5)
    )


def sampled(planner: Planner, seed: int = 0) -> Experience:
    """Let a planner plan from made-up observations; the weights are made up too."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(CHUNKS, 2, 20, 3, generator=generator)
    state = torch.randn(CHUNKS, 2, 24, generator=generator)
    with torch.no_grad():
        contexts = planner.encode(Observation(points, state))
    chain = planner.sample(contexts, planner.noises([generator] * CHUNKS), min_std=CONFIG.min_std)
    plans = chain.plan.clamp(-1, 1)
    weights = torch.randn(CHUNKS, generator=generator)
    return Experience(Chunks(contexts, points, state, plans), chain.means, chain.samples, weights)


def objective(planner: Planner, **changes: object) -> Objective:
    return Objective(planner, dataclasses.replace(CONFIG, **changes))


def terms(of: Objective, experience: Experience, target: Chunks | None = None) -> Terms:
    return of.terms(experience, target or experience.chunks, seeded())


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def move(planner: Planner) -> None:
    """Change every weight of the denoiser a little."""
    with torch.no_grad():
        for weight in planner.denoiser.parameters():
            weight.add_(0.02 * torch.randn(weight.shape, generator=seeded()))


def gaussians(planner: Planner, experience: Experience, step: int) -> Normal:
    """Give a denoising step of all chunks, at its executed numbers alone."""
    index = torch.full((CHUNKS,), step)
    with torch.no_grad():
        found = planner.step(
            experience.samples[:, step], index, experience.chunks.contexts, min_std=CONFIG.min_std
        )
    return Normal(found.mean[:, 1:4], found.std)  # Two observations, three actions executed.


def test_the_log_probability_of_a_chain_is_that_of_its_gaussians() -> None:
    planner = small_planner()
    experience = sampled(planner)
    by_hand = torch.zeros(CHUNKS)
    for position in range(STEPS):
        taken = experience.samples[:, position + 1, 1:4]
        by_hand += gaussians(planner, experience, position).log_prob(taken).sum(dim=(1, 2))
    chunk = torch.arange(CHUNKS).repeat_interleave(STEPS)
    step = torch.arange(STEPS).repeat(CHUNKS)
    for found in objective(planner).log_probs(experience, chunk, step):
        torch.testing.assert_close(
            found.view(CHUNKS, STEPS).sum(dim=1), by_hand, rtol=1e-4, atol=1e-3
        )


@pytest.mark.parametrize("encoder", ["frozen", "trained"])
@pytest.mark.parametrize("regulariser", get_args(Regulariser))
def test_the_ratio_is_one_before_the_first_update(regulariser: Regulariser, encoder: str) -> None:
    planner = small_planner()
    of = objective(planner, regulariser=regulariser, encoder=encoder)
    found = terms(of, sampled(planner))
    assert found.improvement.ratio.item() == pytest.approx(1, abs=1e-3)
    assert found.improvement.clipped.item() == 0.0
    move(planner)
    assert terms(of, sampled(small_planner())).improvement.clipped.item() > 0.5


def test_contexts_of_kept_clouds_are_those_of_the_rollout_and_follow_the_encoder() -> None:
    planner = small_planner()
    experience = sampled(planner)
    of, everything = objective(planner, encoder="trained"), torch.arange(CHUNKS)
    again = of._contexts(experience.chunks, everything)
    torch.testing.assert_close(again, experience.chunks.contexts)
    terms(of, experience).improvement.loss.backward()
    assert any(w.grad is not None and w.grad.any() for w in planner.encoder.parameters())
    with torch.no_grad():
        for weight in planner.encoder.parameters():
            weight.mul_(1.1)
    assert not torch.allclose(of._contexts(experience.chunks, everything), again, atol=1e-2)
    kept = objective(planner)._contexts(experience.chunks, everything)
    assert torch.equal(kept, experience.chunks.contexts)


def test_the_gradient_of_one_gaussian_step_is_the_analytic_one() -> None:
    generator = torch.Generator().manual_seed(0)
    sigma, mean = 0.3, torch.tensor(0.2, requires_grad=True)
    actions = 0.2 + sigma * torch.randn(50, 1, 1, generator=generator)
    weights = torch.randn(50, generator=generator)
    step = Step(mean.expand(50, 1, 1), torch.full((50, 1, 1), sigma))
    log_probs = log_probability(actions, step).sum(dim=(1, 2))
    improvement_loss(log_probs, log_probs.detach(), weights, clip=0.02).loss.backward()
    analytic = -(weights * (actions.flatten() - 0.2) / sigma**2).mean()
    assert mean.grad is not None
    assert mean.grad.item() == pytest.approx(analytic.item(), rel=1e-4)


def test_kl_is_the_divergence_from_the_planner_as_it_was() -> None:
    planner = small_planner()
    experience, of = sampled(planner), objective(planner, regulariser="kl")
    assert terms(of, experience).regularisation.item() == pytest.approx(0, abs=1e-9)
    before = copy.deepcopy(planner)
    move(planner)
    chunk, step = experience.draw(CONFIG.batch, seeded())
    by_hand = torch.stack(
        [
            kl_divergence(*(gaussians(p, experience, s) for p in (planner, before))).sum(dim=(1, 2))
            for s in range(STEPS)
        ],
        dim=1,
    )[chunk, step].mean()
    found = terms(of, experience).regularisation
    assert found.item() > 0.1
    assert found.item() == pytest.approx(by_hand.item(), rel=1e-3)


def test_a_step_down_kl_comes_nearer_to_the_planner_as_it_was() -> None:
    planner = small_planner()
    experience, of = sampled(planner), objective(planner, regulariser="kl")
    move(planner)
    before = terms(of, experience).regularisation
    weights = list(planner.denoiser.parameters())
    gradients = torch.autograd.grad(before, weights)
    with torch.no_grad():
        norm = sum(g.square().sum() for g in gradients)
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.sub_(0.05 * before / norm * gradient)  # To first order, 5 % less.
    after = terms(of, experience).regularisation.item()
    assert after == pytest.approx(0.95 * before.item(), rel=0.03)


def test_kl_holds_a_trained_encoder_too() -> None:
    planner = small_planner()
    experience = sampled(planner)
    of = objective(planner, regulariser="kl", encoder="trained")
    assert terms(of, experience).regularisation.item() == pytest.approx(0, abs=1e-9)
    with torch.no_grad():
        for weight in planner.encoder.parameters():
            weight.mul_(1.1)
    assert terms(of, experience).regularisation.item() > 1e-3


def test_pl_is_the_pre_training_loss_of_ones_own_plans() -> None:
    planner = small_planner()
    experience, generator = sampled(planner), seeded()
    chunk, _ = experience.draw(CONFIG.batch, generator)
    chunks = experience.chunks
    expected = planner.denoising_loss(chunks.contexts[chunk], chunks.plans[chunk], generator)
    found = terms(objective(planner, regulariser="pl"), experience)
    assert found.regularisation.item() == expected.item()


def test_bc_is_the_pre_training_loss_of_the_best_plans() -> None:
    planner = small_planner()
    experience, best, generator = sampled(planner), sampled(planner, seed=1).chunks, seeded()
    experience.draw(CONFIG.batch, generator)
    chunk = torch.randint(len(best.plans), (CONFIG.batch,), generator=generator)
    expected = planner.denoising_loss(best.contexts[chunk], best.plans[chunk], generator)
    found = terms(objective(planner, regulariser="bc"), experience, best)
    assert found.regularisation.item() == expected.item()


def test_none_leaves_the_improvement_alone() -> None:
    planner = small_planner()
    of = objective(planner)
    found = terms(of, sampled(planner))
    assert found.regularisation.item() == 0.0
    assert not found.regularisation.requires_grad
    assert of.weighed(found).item() == found.improvement.loss.item()


def test_both_terms_are_weighed() -> None:
    planner = small_planner()
    of = objective(planner, regulariser="pl", improvement=0.5, regularisation=3.0)
    found = terms(of, sampled(planner))
    by_hand = 0.5 * found.improvement.loss + 3.0 * found.regularisation
    assert of.weighed(found).item() == pytest.approx(by_hand.item())


def test_cloning_takes_a_bandit_to_the_better_mode_and_kl_holds_it_at_both() -> None:
    before = bandit.pretrained()

    def share(planner: Planner) -> float:
        return (bandit.first_actions(planner) > 0).float().mean().item()

    assert share(before) == pytest.approx(0.5, abs=0.1)
    assert share(bandit.finetuned(before, bandit.BC)) > 0.95
    assert share(bandit.finetuned(before, bandit.KL)) == pytest.approx(share(before), abs=0.15)
