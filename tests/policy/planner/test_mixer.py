"""The mixer in a planner: it fits fixed chunks, and its chain of two steps has densities."""

import pytest
import torch

from perception.observation import Encoded
from policy.planner.config import Sizes
from policy.planner.denoisers.mixer import Config as MixerConfig
from policy.planner.denoisers.mixer import Mixer
from policy.planner.planner import Planner
from policy.planner.schedule import log_probability
from tests.helpers.small_planner import planner_config

SMALL = MixerConfig("mixer", 32, 2, 8, 64, 32)
CONTEXT = 256


def lively(net: Mixer) -> Mixer:
    """Let a fresh mixer depend on step and context: its FiLM layers start at zero."""
    for name, weight in net.named_parameters():
        if "film" in name:
            torch.nn.init.normal_(weight, std=0.3)
    return net.eval()


def planner(horizon: int = 4) -> Planner:
    torch.manual_seed(0)
    config = planner_config(SMALL, horizon=horizon, prediction="start", sampling_steps=2)
    return Planner(config, Sizes(3, 24, 6))


@pytest.mark.parametrize("horizon", [4, 12])
def test_fixed_chunks_are_fitted_and_sampled_again_in_two_steps(horizon: int) -> None:
    net, size = planner(horizon), 64
    seen = Encoded(torch.randn(size, 2, 64), torch.randn(size, 2, 24))
    actions = torch.rand(size, horizon, 6) * 2 - 1
    net.normalizer.actions.fit(actions.flatten(0, 1))
    net.normalizer.state.fit(seen.robot_state)
    clean = net.normalizer.actions(actions)
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(150):
        loss = net.denoising_loss(net.encode(seen), clean)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        noises = net.noises([torch.Generator().manual_seed(i) for i in range(size)])
        chain = net.sample(net.encode(seen), noises)
    assert chain.samples.shape == (size, 3, horizon, 6)
    assert (chain.plan - clean).abs().mean() < 0.1  # By chance it would be 2/3.


def test_a_chain_of_two_steps_has_finite_densities_that_learning_scores() -> None:
    net, context, min_std = planner().eval(), torch.randn(5, CONTEXT), 0.1
    lively(net.denoiser)
    chain = net.sample(context, net.noises([torch.Generator().manual_seed(1)] * 5), min_std=min_std)
    for position in range(2):
        index = torch.full((5,), position)
        step = net.step(chain.samples[:, position], index, context, min_std=min_std)
        torch.testing.assert_close(step.mean, chain.means[:, position], rtol=1e-4, atol=1e-5)
        density = log_probability(chain.samples[:, position + 1], step)
        assert density.isfinite().all()
        (slope,) = torch.autograd.grad(density.mean(), step.mean, retain_graph=True)
        assert slope.isfinite().all()
