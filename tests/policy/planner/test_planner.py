"""The planner: chains, densities, and that one step of learning goes the right way."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from datasets.windows import Batch
from perception.observation import Observation
from policy.planner.config import PlannerConfig, Sizes
from policy.planner.denoisers.unet import Config as UnetConfig
from policy.planner.normalizer import Normalizer, Range
from policy.planner.planner import FirstPlan, Planner
from policy.planner.policy import NotFiniteError
from policy.planner.schedule import log_probability
from policy.pretraining.ema import MovingAverage
from tests.helpers.small_planner import planner_config

SIZES = Sizes(channels=3, robot_state=24, actions=6)


both_noises = pytest.mark.parametrize("clipped", [True, False])


def config(prediction: str = "noise", eta: float = 1.0, *, clipped: bool = True) -> PlannerConfig:
    net = UnetConfig("unet", (16, 32, 48), 1, 5, 8, 16, None)
    plan = planner_config(net, prediction=prediction, eta=eta)
    return replace(plan, use_clipped_model_output=clipped)


def planner(prediction: str = "noise", eta: float = 1.0, *, clipped: bool = True) -> Planner:
    torch.manual_seed(0)
    return Planner(config(prediction, eta, clipped=clipped), SIZES)


def batch(size: int = 8) -> Batch:
    generator = torch.Generator().manual_seed(1)
    seen = Observation(
        torch.randn(size, 2, 40, 3, generator=generator),
        torch.randn(size, 2, 24, generator=generator),
    )
    return Batch(seen, torch.rand(size, 4, 6, generator=generator) * 2 - 1)


def test_normalising_undoes_itself_and_fills_the_range() -> None:
    torch.manual_seed(0)
    values = torch.randn(100, 5) * torch.tensor([1.0, 10.0, 0.1, 3.0, 0.0]) + 4
    channel = Range(5)
    channel.fit(values)
    torch.testing.assert_close(channel.inverse(channel(values)), values)
    torch.testing.assert_close(channel(values)[:, :4].amax(0), torch.ones(4))
    torch.testing.assert_close(channel(values)[:, :4].amin(0), -torch.ones(4))
    assert (channel(values)[:, 4] == 0).all()  # A constant channel is centred, not divided by 0.


def test_the_normaliser_is_saved_with_the_planner() -> None:
    first, second = planner(), planner()
    first.normalizer.fit(batch().observations, batch().actions[:, 0])
    second.load_state_dict(first.state_dict())
    torch.testing.assert_close(second.normalizer.points.shift, first.normalizer.points.shift)
    assert isinstance(second.normalizer, Normalizer)


def test_a_chain_follows_its_means_and_noises() -> None:
    net = planner().eval()
    context = torch.randn(3, 256)
    noises = net.noises([torch.Generator().manual_seed(i) for i in range(3)])
    for min_std in (0.0, 0.1):
        chain = net.sample(context, noises, min_std=min_std)
        std = net.reverse[:, -1].clamp(min=min_std).view(1, -1, 1, 1)
        torch.testing.assert_close(chain.samples[:, 0], noises[:, 0])
        torch.testing.assert_close(chain.samples[:, 1:], chain.means + std * noises[:, 1:])


@both_noises
def test_sampling_takes_the_steps_that_learning_scores(*, clipped: bool) -> None:
    net = planner(clipped=clipped).eval()
    context, min_std = torch.randn(3, 256), 0.1
    chain = net.sample(context, net.noises([torch.Generator().manual_seed(7)] * 3), min_std=min_std)
    for position in range(10):
        index = torch.full((3,), position)
        with torch.no_grad():
            step = net.step(chain.samples[:, position], index, context, min_std=min_std)
        torch.testing.assert_close(step.mean, chain.means[:, position], rtol=1e-4, atol=1e-5)


def test_the_noise_of_a_clipped_step_is_a_choice() -> None:
    context, noises = torch.randn(3, 256), torch.randn(3, 11, 4, 6)
    chains = [planner(clipped=clipped).sample(context, noises) for clipped in (True, False)]
    assert (chains[0].means - chains[1].means).abs().amax() > 0.1
    assert torch.equal(chains[0].samples[:, 0], chains[1].samples[:, 0])


@both_noises
def test_the_probability_of_a_chain_is_the_product_of_its_steps(*, clipped: bool) -> None:
    net = planner(clipped=clipped).eval()
    context, min_std = torch.randn(1, 256), 0.1
    chain = net.sample(context, net.noises([torch.Generator().manual_seed(3)]), min_std=min_std)
    by_hand, ours = 0.0, 0.0
    for position in range(10):
        with torch.no_grad():
            step = net.step(
                chain.samples[:, position], torch.tensor([position]), context, min_std=min_std
            )
        taken = chain.samples[:, position + 1]
        ours += log_probability(taken, step).sum().item()
        std = max(net.reverse[position, -1].item(), min_std)
        normal = torch.distributions.Normal(chain.means[0, position].double(), std)
        by_hand += normal.log_prob(taken[0].double()).sum().item()
    assert ours == pytest.approx(by_hand, rel=1e-4)


def test_each_episode_keeps_its_own_noise() -> None:
    net = planner()
    alone = net.noises([torch.Generator().manual_seed(5)])
    beside = net.noises([torch.Generator().manual_seed(4), torch.Generator().manual_seed(5)])
    assert torch.equal(alone[0], beside[1])


def test_at_a_temperature_plans_begin_with_so_much_of_the_noise() -> None:
    plans = planner().eval()
    context = torch.zeros(3, plans.config.history * plans.encoder.features)

    def planned(seed: int, min_std: float = 0.0) -> Tensor:
        generators = [torch.Generator().manual_seed(seed + number) for number in range(3)]
        return FirstPlan(plans, min_std)(context, generators, 0).plans

    drawn, explored = planned(0), planned(0, min_std=0.1)
    noises = plans.noises([torch.Generator().manual_seed(number) for number in range(3)])
    half = plans.sample(context, noises / 2).plan
    plans.at_temperature(0.5)
    assert torch.equal(planned(0), half)
    plans.at_temperature(0.0)
    assert torch.equal(planned(0), planned(7))
    assert not torch.equal(planned(0), drawn)
    assert torch.equal(planned(0, min_std=0.1), explored)  # Its chances follow from the noise.
    plans.at_temperature(1.0)
    assert torch.equal(planned(0), drawn)
    assert not torch.equal(planned(0), planned(7))


def test_only_the_current_action_and_those_after_it_are_executed() -> None:
    net = planner()
    plan = torch.arange(4.0).view(1, 4, 1).expand(1, 4, 6) / 4
    assert torch.equal(net.executed(plan)[0, :, 0], torch.tensor([0.25, 0.5, 0.75]))
    assert net.to_actions(plan * 9).abs().max() <= 1


def test_actions_that_are_not_finite_are_refused() -> None:
    net = planner().eval()
    with pytest.raises(NotFiniteError, match="not finite"):
        net.to_actions(torch.full((1, 4, 6), torch.nan))
    with torch.no_grad():
        net.denoiser.get_parameter("final.1.bias").fill_(torch.nan)
    chain = net.sample(torch.randn(2, 256), net.noises([torch.Generator()] * 2))
    with pytest.raises(NotFiniteError, match="not finite"):
        net.to_actions(chain.plan)


def test_a_denoiser_is_reset_and_the_rest_stays() -> None:
    net = planner()
    before = copy.deepcopy(net.state_dict())
    net.reset_denoiser(5)
    for name, tensor in net.state_dict().items():
        if name.endswith("conv.weight"):
            assert not torch.equal(tensor, before[name]), name
        if not name.startswith("denoiser."):
            assert torch.equal(tensor, before[name]), name


@pytest.mark.parametrize(("prediction", "min_std"), [("noise", 0.45), ("start", 1e-3)])
def test_one_batch_can_be_overfitted(prediction: str, min_std: float) -> None:
    # The clean chunk can be predicted exactly; the noise in an almost clean chunk cannot.
    net, one = planner(prediction), batch(2)
    seen = Observation(
        one.observations.points.repeat(16, 1, 1, 1), one.observations.robot_state.repeat(16, 1, 1)
    )
    repeated = Batch(seen, one.actions.repeat(16, 1, 1))
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    losses = []
    for _ in range(220):
        loss = net.loss(repeated, net.draw(32))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 0.5
    assert sum(losses[-20:]) / 20 < min_std


@pytest.mark.parametrize("prediction", ["noise", "start"])
def test_one_gradient_step_makes_a_good_chunk_likelier(prediction: str) -> None:
    net = planner(prediction)
    context, min_std = torch.randn(1, 256), 0.1
    chain = net.sample(context, net.noises([torch.Generator().manual_seed(2)]), min_std=min_std)

    def likelihood() -> torch.Tensor:
        total = torch.zeros(())
        for position in range(3, 10):
            step = net.step(
                chain.samples[:, position], torch.tensor([position]), context, min_std=min_std
            )
            total = total + log_probability(chain.samples[:, position + 1], step).mean()
        return total

    optimizer = torch.optim.SGD(net.denoiser.parameters(), 1e-5)
    before = likelihood()
    (-before).backward()
    optimizer.step()
    assert likelihood() > before


def test_the_average_follows_slowly_and_acts() -> None:
    net = planner()
    average = MovingAverage(net)
    start = copy.deepcopy(average.planner.state_dict())
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(1.0)
    average.update(net)  # The first decay is 0: the average is the planner.
    name = "denoiser.final.1.bias"
    torch.testing.assert_close(average.planner.state_dict()[name], start[name] + 1)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(1.0)
    average.update(net)
    moved = (average.planner.state_dict()[name] - start[name] - 1).mean().item()
    assert moved == pytest.approx(2**-0.75, rel=1e-4)
