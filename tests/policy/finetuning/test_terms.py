"""The other terms of the objective, and their sum, worked by hand."""

import copy
from collections.abc import Mapping

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from configs.build import build
from configs.command import compose_part
from configs.kinds import make_kind
from perception.errors import InputError
from policy.finetuning.algorithms import sodp
from policy.finetuning.config import FinetuneConfig
from policy.finetuning.objective import Objective
from policy.finetuning.terms import bc, kl, pl, ppo
from policy.finetuning.terms.term import TERMS, Term, TermConfig
from policy.planner.planner import Planner
from tests.helpers import bandit
from tests.helpers.own import term as own_term
from tests.helpers.sampled_chains import CHUNKS, CONFIG, STEPS, minibatch, move, sampled, seeded
from tests.helpers.small_planner import small_planner

PPO = ppo.Config("ppo", weight=1.0, clip=0.02)
BC, KL, PL = bc.Config("bc", 1.0), kl.Config("kl", 1.0), pl.Config("pl", 1.0)


def term(config: TermConfig, planner: Planner) -> Term:
    made: Term = make_kind(TERMS, config, planner)
    return made


def gaussians(planner: Planner, noisy: torch.Tensor, contexts: torch.Tensor, step: int) -> Normal:
    """Give a denoising step of all chunks, at its executed numbers alone."""
    with torch.no_grad():
        index = torch.full((CHUNKS,), step)
        taken = planner.step(noisy[:, step], index, contexts, min_std=CONFIG.min_std)
    return Normal(taken.mean[:, 1:4], taken.std)  # Two observations, three actions executed.


def test_kl_is_the_divergence_from_the_planner_as_it_was() -> None:
    planner = small_planner(actions=5)
    experience, divergence = sampled(planner), term(KL, planner)
    loss = divergence.loss(minibatch(planner, experience)).loss
    assert loss.item() == pytest.approx(0, abs=1e-9)
    before = copy.deepcopy(planner)
    move(planner)
    chunk, step = experience.sample(CONFIG.batch, seeded())
    noisy, contexts = experience.samples, experience.chunks.contexts
    by_hand = torch.stack(
        [
            kl_divergence(*(gaussians(p, noisy, contexts, s) for p in (planner, before))).sum(
                dim=(1, 2)
            )
            for s in range(STEPS)
        ],
        dim=1,
    )[chunk, step].mean()
    loss = divergence.loss(minibatch(planner, experience)).loss
    assert loss.item() > 0.1
    assert loss.item() == pytest.approx(by_hand.item(), rel=1e-3)


def test_a_step_down_kl_comes_nearer_to_the_planner_as_it_was() -> None:
    planner = small_planner(actions=5)
    experience, divergence = sampled(planner), term(KL, planner)
    move(planner)
    before = divergence.loss(minibatch(planner, experience)).loss
    weights = list(planner.denoiser.parameters())
    gradients = torch.autograd.grad(before, weights)
    with torch.no_grad():
        norm = sum(g.square().sum() for g in gradients)
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.sub_(0.05 * before / norm * gradient)  # To first order, 5 % less.
    after = divergence.loss(minibatch(planner, experience)).loss
    assert after.item() == pytest.approx(0.95 * before.item(), rel=0.03)


def test_kl_holds_a_trained_encoder_too() -> None:
    planner = small_planner(actions=5)
    experience, divergence = sampled(planner), term(KL, planner)
    loss = divergence.loss(minibatch(planner, experience, encoder="trained")).loss
    assert loss.item() == pytest.approx(0, abs=1e-9)
    with torch.no_grad():
        for weight in planner.encoder.parameters():
            weight.mul_(1.1)
    loss = divergence.loss(minibatch(planner, experience, encoder="trained")).loss
    assert loss.item() > 1e-3


def test_pl_is_the_pre_training_loss_of_ones_own_plans() -> None:
    planner = small_planner(actions=5)
    experience, generator = sampled(planner), seeded()
    chunk, _ = experience.sample(CONFIG.batch, generator)
    chunks = experience.chunks
    expected = planner.denoising_loss(chunks.contexts[chunk], chunks.plans[chunk], generator)
    loss = term(PL, planner).loss(minibatch(planner, experience)).loss
    assert loss.item() == expected.item()


def test_bc_is_the_pre_training_loss_of_the_best_plans() -> None:
    planner = small_planner(actions=5)
    experience, best, generator = sampled(planner), sampled(planner, seed=1).chunks, seeded()
    experience.sample(CONFIG.batch, generator)
    chunk = torch.randint(len(best.plans), (CONFIG.batch,), generator=generator)
    expected = planner.denoising_loss(best.contexts[chunk], best.plans[chunk], generator)
    loss = term(BC, planner).loss(minibatch(planner, experience, best)).loss
    assert loss.item() == expected.item()


def test_contexts_of_kept_clouds_are_those_of_the_rollout_and_follow_the_encoder() -> None:
    planner = small_planner(actions=5)
    experience, everything = sampled(planner), torch.arange(CHUNKS)
    trained = minibatch(planner, experience, encoder="trained")
    again = trained.encode(experience.chunks, everything)
    torch.testing.assert_close(again, experience.chunks.contexts)
    term(PPO, planner).loss(trained).loss.backward()
    assert any(w.grad is not None and w.grad.any() for w in planner.encoder.parameters())
    with torch.no_grad():
        for weight in planner.encoder.parameters():
            weight.mul_(1.1)
    after = trained.encode(experience.chunks, everything)
    assert not torch.allclose(after, again, atol=1e-2)
    kept = minibatch(planner, experience).encode(experience.chunks, everything)
    assert torch.equal(kept, experience.chunks.contexts)


def objective(planner: Planner, configs: Mapping[str, TermConfig]) -> Objective:
    return Objective(planner, configs)


def test_the_objective_is_the_sum_of_weight_x_term() -> None:
    planner = small_planner(actions=5)
    terms = {"ppo": ppo.Config("ppo", 0.5, 0.02), "pl": pl.Config("pl", 3.0)}
    total = objective(planner, terms)
    losses = total.losses(minibatch(planner, sampled(planner)))
    by_hand = 0.5 * losses["ppo"].loss + 3.0 * losses["pl"].loss
    assert total.total(losses).item() == pytest.approx(by_hand.item())
    alone = objective(planner, {"ppo": PPO})
    losses = alone.losses(minibatch(planner, sampled(planner)))
    assert alone.total(losses).item() == losses["ppo"].loss.item()
    with pytest.raises(InputError, match="names no term"):
        objective(planner, {})


def test_a_term_of_ones_own_is_one_file() -> None:
    values = {
        "ppo": {"weight": 1.0, "clip": 0.02},
        "quiet": {"kind": "tests.helpers.own.term:QuietPlans", "weight": 2.0, "free": 0.1},
    }
    shared = {"batch": 32, "min_std": 0.1, "reduction": "sum", "encoder": "frozen"}
    config = build(sodp.Config, {"kind": "sodp", **shared, "terms": values})
    assert isinstance(config.terms["ppo"], ppo.Config)
    assert isinstance(config.terms["quiet"], own_term.QuietPlans.Config)
    planner = small_planner(actions=5)
    total = objective(planner, config.terms)
    losses = total.losses(minibatch(planner, sampled(planner)))
    assert losses["quiet"].loss.item() > 0
    by_hand = losses["ppo"].loss + 2 * losses["quiet"].loss
    assert total.total(losses).item() == pytest.approx(by_hand.item())


@pytest.mark.parametrize(
    ("group", "weights"),
    [
        ("ppo", {"ppo": 1.0}),
        ("ppo_bc", {"ppo": 1.0, "bc": 10.0}),
        ("ppo_kl", {"ppo": 1.0, "kl": 1.0}),
        ("ppo_pl", {"ppo": 1.0, "pl": 10.0}),
        ("bc_only", {"ppo": 0.0, "bc": 10.0}),
    ],
)
def test_each_group_chooses_its_terms(group: str, weights: dict[str, float]) -> None:
    config = compose_part(FinetuneConfig, "finetune", group)
    assert isinstance(config.algorithm, sodp.Config)
    assert {name: term.weight for name, term in config.algorithm.terms.items()} == weights


def test_cloning_takes_a_bandit_to_the_better_mode_and_kl_holds_it_at_both() -> None:
    before = bandit.pretrained()

    def share(planner: Planner) -> float:
        return (bandit.first_actions(planner) > 0).float().mean().item()

    assert share(before) == pytest.approx(0.5, abs=0.1)
    assert share(bandit.finetuned(before, bandit.BC)) > 0.95
    assert share(bandit.finetuned(before, bandit.KL)) == pytest.approx(share(before), abs=0.15)
