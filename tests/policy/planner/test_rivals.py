"""Laws of the policies that the planner is compared with (the encoder's are its own)."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from perception.encoders import state_only
from perception.errors import InputError
from policy.planner.config import PolicyConfig, Sizes
from policy.planner.denoisers import mlp
from policy.planner.policies import bcrnn, flow, ibc

ENCODER = state_only.Config(kind="state_only")
SIZES = Sizes(channels=0, robot_state=3, actions=2)
WIDTH = 128  # Of what the encoder makes.
NET = mlp.Config(kind="mlp", width=64, step=16)
RNN = bcrnn.Config(
    kind="bcrnn", history=1, horizon=4, chunk=1, encoder=ENCODER, hidden=16, layers=2, modes=3
)
IBC = ibc.Config(
    kind="ibc", history=1, horizon=1, chunk=1, encoder=ENCODER, width=64, depth=2, dropout=0.0,
    negatives=64, sampler="derivative_free", samples=256, iterations=5, noise=0.03,
)  # fmt: skip
FLOW = flow.Config(
    kind="flow", history=1, horizon=2, chunk=2, encoder=ENCODER, denoiser=NET, apart=0.5
)


def generators(count: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(count)]


@pytest.fixture(autouse=True)
def _same_weights() -> None:
    """Begin every test with the same random numbers, whatever was played before."""
    torch.manual_seed(2)


def fitted(policy: Any, wanted: Tensor, steps: int, batch: int = 256) -> Any:  # noqa: ANN401
    """Teach a policy actions that are taken in one and the same situation."""
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(policy.parameters(), 3e-3)
    context, draws = (
        torch.zeros(batch, policy.config.observed * policy.encoder.features),
        torch.Generator().manual_seed(1),
    )
    for _ in range(steps):
        chosen = wanted[torch.randint(len(wanted), (batch,), generator=draws)]
        loss = policy.loss_of(context, chosen, policy.draw(batch, draws))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return policy.eval()


def decided(policy: Any, count: int) -> Tensor:  # noqa: ANN401
    with torch.no_grad():
        return policy.begin(count)(torch.zeros(count, WIDTH), generators(count), 0).plans


def near_a_mode(plans: Tensor, modes: Tensor) -> Tensor:
    """Tell for each plan and each of two modes whether they are within 0.1 of each other."""
    return (plans[:, None] - modes[None]).abs().flatten(2).amax(dim=2) < 0.1


def test_the_mixtures_likelihood_is_that_of_its_parts() -> None:
    torch.manual_seed(0)
    policy, hidden, action = bcrnn.make(RNN, SIZES), torch.randn(5, 16), torch.rand(5, 2)
    means, stds, logits = policy.head(hidden).split([6, 6, 3], dim=-1)
    stds = torch.nn.functional.softplus(stds) + 1e-4
    parts = [
        Independent(Normal(means[:, i : i + 2].tanh(), stds[:, i : i + 2]), 1).log_prob(action)
        for i in (0, 2, 4)
    ]
    by_hand = torch.logsumexp(torch.stack(parts, dim=1) + logits.log_softmax(dim=1), dim=1)
    assert torch.allclose(policy.mixture(hidden).log_prob(action), by_hand, atol=1e-5)


@torch.no_grad()
def test_a_recurrent_policy_acts_as_its_sequences_were_learned_and_forgets_after_them() -> None:
    torch.manual_seed(0)
    policy = bcrnn.make(RNN, SIZES)
    seen = torch.randn(10, 2, WIDTH)  # step env feature
    acting, means = policy.begin(2), []
    for step, contexts in enumerate(seen):
        acting(contexts, generators(2), step)
        assert acting._memory is not None
        means.append(acting._memory[0][-1])  # What the head is given.
    for start in (0, 4, 8):
        whole, _ = policy.lstm(seen[start : start + 4].transpose(0, 1))
        assert torch.allclose(torch.stack(means[start : start + 4], dim=1), whole, atol=1e-6)
    fresh = policy.begin(2)(seen[0], generators(2), 0)
    assert torch.equal(fresh.plans, policy.begin(2)(seen[0], generators(2), 0).plans)


def test_a_mixture_keeps_both_ways_that_were_shown() -> None:
    modes = torch.tensor([[[-0.5, 0.5]], [[0.5, -0.5]]]).expand(-1, 4, -1)
    policy = fitted(bcrnn.make(RNN, SIZES), modes, 300)
    with torch.no_grad():
        first = policy.begin(100)(torch.zeros(100, WIDTH), generators(100), 0).plans[:, :1]
    near = near_a_mode(first, modes[:, :1])
    assert near.any(dim=1).float().mean() >= 0.9
    assert near.float().mean(dim=0).min() > 0.2


@pytest.mark.parametrize(
    ("sampler", "iterations", "negatives"), [("derivative_free", 5, 64), ("langevin", 10, 8)]
)
def test_low_energies_lie_where_actions_were_taken(
    sampler: Any,  # noqa: ANN401
    iterations: int,
    negatives: int,
) -> None:
    keys = {"sampler": sampler, "iterations": iterations, "negatives": negatives}
    config = ibc.Config(**{**vars(IBC), **keys})
    modes = torch.tensor([[[-0.5, 0.5]], [[0.5, -0.5]]])
    policy = fitted(ibc.make(config, SIZES), modes, 150, batch=64)
    near = near_a_mode(decided(policy, 100), modes)
    assert near.any(dim=1).float().mean() >= 0.9
    assert near.float().mean(dim=0).min() > 0.2


def test_nothing_is_told_apart_at_first() -> None:
    torch.manual_seed(0)
    policy = ibc.make(IBC, SIZES)
    context, actions = torch.randn(64, WIDTH), torch.rand(64, 1, 2) * 2 - 1
    loss = policy.loss_of(context, actions, policy.draw(64, torch.Generator().manual_seed(0)))
    assert loss.item() == pytest.approx(torch.tensor(65.0).log().item(), abs=0.1)


def test_one_step_from_noise_leads_to_both_plans_that_were_shown() -> None:
    modes = torch.tensor([[[-0.5, 0.5]], [[0.5, -0.5]]]).expand(-1, 2, -1)
    policy = fitted(flow.make(FLOW, SIZES), modes, 600, batch=128)
    near = near_a_mode(decided(policy, 200), modes)
    assert near.any(dim=1).float().mean() >= 0.8
    assert near.float().mean(dim=0).min() > 0.2


def test_a_mean_velocity_over_no_time_is_the_velocity() -> None:
    # Where both moments are one, the loss is plain flow matching's, whatever the derivative.
    torch.manual_seed(0)
    policy = flow.make(FLOW, SIZES)
    context, actions = torch.randn(32, WIDTH), torch.rand(32, 2, 2)
    noise, moments = policy.draw(32, torch.Generator().manual_seed(0))
    moments = moments[:, :1].expand(-1, 2)
    noisy = actions + moments[:, 0, None, None] * (noise - actions)
    predicted = policy.velocity(noisy, moments[:, 0], torch.zeros(32), context)
    errors = (predicted - (noise - actions)).square().flatten(1).mean(dim=1)
    expected = (errors / (errors.detach() + flow.SMALL)).mean()
    assert torch.allclose(policy.loss_of(context, actions, (noise, moments)), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("config", "changes", "said"),
    [
        (RNN, {"history": 2, "horizon": 5}, "give 1 for both"),
        (IBC, {"chunk": 2, "horizon": 2}, "the energy is of one action"),
        (FLOW, {"chunk": 5}, "planner.horizon=2 must be at least"),
    ],
)
def test_numbers_that_do_not_go_together(
    config: PolicyConfig, changes: dict[str, int], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        type(config)(**{**vars(config), **changes}).check()
