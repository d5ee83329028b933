"""The mixer and its place in a planner: equal sizes, equal parts, and that it learns by heart."""

import pytest
import torch

from configs.command import compose
from perception.observation import Encoded
from policy.pipeline.config import TrainConfig
from policy.planner.denoisers.make import make_denoiser
from policy.planner.denoisers.mixer import Mixer, MixerConfig
from policy.planner.planner import Planner, PlannerConfig, Sizes
from policy.planner.schedule import log_probability

SMALL = MixerConfig("mixer", 32, 2, 8, 64, 32)
ADROIT = "env=adroit-door"
META_WORLD = "env=metaworld"
CONTEXT = 256


def lively(net: Mixer) -> Mixer:
    """Give films to a fresh mixer, whose own do not yet look at the step and the context."""
    for name, weight in net.named_parameters():
        if "film" in name:
            torch.nn.init.normal_(weight, std=0.3)
    return net.eval()


def planner(horizon: int = 4) -> Planner:
    torch.manual_seed(0)
    config = PlannerConfig(2, horizon, 3, "start", 100, 2, 1.0, "trailing", SMALL)
    return Planner(config, Sizes(3, 24, 6))


@pytest.mark.parametrize(
    ("denoiser", "task", "actions", "parameters"),
    [
        ("mixer", ADROIT, 28, 720_004),
        ("mixer", META_WORLD, 4, 711_292),
        ("unet-small", ADROIT, 28, 666_652),
        ("unet-simple", ADROIT, 28, 7_396_764),
        ("unet-dp3", ADROIT, 28, 255_160_476),
        ("unet-cleandiffuser", META_WORLD, 4, 68_949_252),  # The paper: 68.9 million.
    ],
)
def test_the_sizes_are_those_told(denoiser: str, task: str, actions: int, parameters: int) -> None:
    config = compose(TrainConfig, "train", [f"denoiser={denoiser}", task]).planner
    with torch.device("meta"):
        net = make_denoiser(
            config.denoiser, horizon=config.horizon, action_size=actions, context_size=CONTEXT
        )
    assert sum(p.numel() for p in net.parameters()) == parameters


@pytest.mark.parametrize("horizon", [4, 12])
def test_films_made_ahead_change_nothing(horizon: int) -> None:
    torch.manual_seed(0)
    net = lively(Mixer(horizon, 6, 10, config=SMALL))
    noisy, k, context = torch.randn(3, horizon, 6), torch.tensor([5, 50, 99]), torch.randn(3, 10)
    with torch.no_grad(), net.fixed_weights():
        together = net(noisy, k, context)
        apart = net.denoise(noisy, net.films(k, context))
    assert together.shape == (3, horizon, 6)
    torch.testing.assert_close(apart, together)


def test_everything_given_matters_everywhere_in_the_chunk() -> None:
    torch.manual_seed(0)
    net = lively(Mixer(12, 6, 10, config=SMALL))
    noisy, k, context = torch.randn(1, 12, 6), torch.tensor([50]), torch.randn(1, 10)
    before = net(noisy, k, context)
    first = torch.cat([noisy[:, :1] + 1, noisy[:, 1:]], dim=1)
    for changed in (net(first, k, context), net(noisy, k + 1, context), net(noisy, k, -context)):
        assert ((changed - before).abs().amax(dim=-1) > 0).all()


@pytest.mark.parametrize("horizon", [4, 12])
def test_fixed_chunks_are_learned_by_heart_and_found_again_in_two_steps(horizon: int) -> None:
    net, size = planner(horizon), 64
    seen = Encoded(torch.randn(size, 2, 64), torch.randn(size, 2, 24))
    actions = torch.rand(size, horizon, 6) * 2 - 1
    net.normalizer.actions.fit(actions.flatten(0, 1))
    net.normalizer.state.fit(seen.robot_state)
    clean = net.normalizer.actions(actions)
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(400):
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
