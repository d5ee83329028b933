"""Laws of the soft actor-critic that makes data."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.distributions import Normal, TransformedDistribution
from torch.distributions.transforms import TanhTransform

from datasets.behaviours.critics import Critics
from datasets.behaviours.rlpd import RLPD, Actor, RLPDConfig
from datasets.behaviours.transitions import Memory, Transitions

CONFIG = RLPDConfig(
    hidden=32,
    batch=64,
    updates_per_step=0.5,
    learning_rate=3e-3,
    discount=0.9,
    tau=0.01,
    temperature=0.1,
    warm_up=10,
)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Networks as small as these are slower on several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def some(count: int, seed: int = 0) -> Transitions:
    draw = torch.Generator().manual_seed(seed)
    return Transitions(
        torch.randn(count, 3, generator=draw),
        torch.rand(count, 2, generator=draw) * 2 - 1,
        torch.randn(count, generator=draw),
        torch.randn(count, 3, generator=draw),
        torch.ones(count),
    )


def test_the_log_probability_is_that_of_a_squashed_gaussian() -> None:
    torch.manual_seed(0)
    actor = Actor(features=3, actions=2, hidden=16).double()
    observations, noise = torch.randn(50, 3).double(), torch.randn(50, 2).double()
    actions, log_probs = actor(observations, noise)
    mean, log_deviation = actor.layers(observations).chunk(2, dim=-1)
    gaussian = Normal(mean, log_deviation.clamp(-8, 1).exp())
    squashed = TransformedDistribution(gaussian, [TanhTransform(cache_size=1)])
    torch.testing.assert_close(log_probs, squashed.log_prob(actions).sum(-1), atol=1e-5, rtol=1e-5)


def test_critics_side_by_side_are_the_same_as_one_after_the_other() -> None:
    torch.manual_seed(0)
    critics = Critics(observations=3, actions=2, hidden=16)
    observations, actions = torch.randn(7, 3), torch.randn(7, 2)
    for number, values in enumerate(critics(observations, actions)):
        x = torch.cat([observations, actions], dim=-1)
        for layer in range(2):
            x = x @ critics.weights[layer][number] + critics.biases[layer][number]
            x = torch.nn.functional.layer_norm(x, x.shape[-1:]).relu()
        x = x @ critics.weights[2][number] + critics.biases[2][number]
        torch.testing.assert_close(values, x[:, 0])


def test_it_learns_which_action_pays() -> None:
    """One step, then the end; the best action is (0.5, -0.5) wherever one is."""
    agent = RLPD(3, 2, CONFIG, seed=0)
    best = torch.tensor([0.5, -0.5])
    seen = replace(some(2000), not_done=torch.zeros(2000))
    seen = replace(seen, rewards=-5 * ((seen.actions - best) ** 2).sum(-1))
    draw = torch.Generator().manual_seed(0)
    for _ in range(600):
        rows = torch.randint(2000, (CONFIG.batch,), generator=draw)
        agent.update(Transitions(**{n: values[rows] for n, values in vars(seen).items()}))
    actions = np.stack([agent.act(np.float32(np.random.default_rng(0).normal(size=3)))] * 20)
    assert np.abs(actions.mean(axis=0) - best.numpy()).max() < 0.25


def test_values_of_the_last_step_do_not_look_beyond_it() -> None:
    agent = RLPD(3, 2, replace(CONFIG, discount=0.99), seed=0)
    batch = replace(some(64), rewards=torch.ones(64), not_done=torch.zeros(64))
    for _ in range(400):
        agent.update(batch)
    values = agent.critics(batch.observations, batch.actions)
    torch.testing.assert_close(values, torch.ones_like(values), atol=0.1, rtol=0)


def test_a_saved_agent_goes_on_as_if_it_had_never_stopped() -> None:
    one, other = RLPD(3, 2, CONFIG, seed=0), RLPD(3, 2, CONFIG, seed=1)
    one.update(some(64, 0))
    other.load(one.state())
    for agent in (one, other):
        agent.update(some(64, 1))
    observation = np.ones(3, np.float32)
    np.testing.assert_array_equal(one.act(observation), other.act(observation))
    for name, weights in one.critics.state_dict().items():
        assert torch.equal(weights, other.critics.state_dict()[name])


def test_a_memory_gives_back_what_was_put_in() -> None:
    memory = Memory(capacity=4, features=3, actions=2)
    batch = some(3)
    for row in range(3):
        memory.add(**{name: values[row].numpy() for name, values in vars(batch).items()})
    for name, values in vars(memory.everything()).items():
        assert torch.equal(values, vars(batch)[name])
    saved = memory.state()
    saved["going_on"] = saved.pop("not_done")  # As it was saved before.
    again = Memory(capacity=4, features=3, actions=2)
    again.load(saved)
    assert torch.equal(again.everything().not_done, batch.not_done)
    drawn = memory.sample(100, torch.Generator().manual_seed(0))
    assert set(drawn.rewards.tolist()) == set(batch.rewards.tolist())


def test_the_seed_decides_everything() -> None:
    observation = np.ones(3, np.float32)
    actions = [RLPD(3, 2, CONFIG, seed=seed).act(observation) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(actions[0], actions[1])
    assert not np.array_equal(actions[0], actions[2])
