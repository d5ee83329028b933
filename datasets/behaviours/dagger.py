"""DAgger: a small agent imitates an expert in the states that the agent itself comes to.

Ross et al., AISTATS 2011: the agent acts, with noise; the expert labels every state with the action
it would have taken; the agent is fitted to all labels so far.
"""

import logging
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from configs.ranges import Count, NotNegative, Rate, Width
from datasets.behaviours.state_agent import StateAgent
from envs.simulator import Simulator

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DaggerConfig:
    """How long to train, and how large the agent is.

    Attributes:
        rounds: Times the agent acts and is fitted again; in the first the expert acts.
        episodes: Episodes per round.
        gradient_steps: Updates per round.
        hidden: Width of both hidden layers.
        noise: Largest noise while acting, in units of the expert's spread of actions.
        learning_rate: Of Adam.
    """

    rounds: Count
    episodes: Count
    gradient_steps: Count
    hidden: Width
    noise: NotNegative
    learning_rate: Rate


def dagger(
    simulator: Simulator, expert: StateAgent, config: DaggerConfig, *, steps: int, seed: int
) -> StateAgent:
    """Train an agent to imitate an expert.

    Args:
        simulator: The task.
        expert: Labels states with actions.
        config: How long, and how large.
        steps: Of an episode.
        seed: All randomness follows from it.
    """
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    seen: list[np.ndarray] = []
    network: nn.Sequential | None = None
    agent = expert
    for round_ in range(config.rounds):
        for _ in range(config.episodes):
            noise = rng.uniform(0, config.noise)
            seen.append(
                _walk(simulator, agent, steps=steps, noise=noise * expert.out_scale, rng=rng)
            )
        features = np.concatenate(seen)
        network, loss = _fit(network, features, expert, config)
        agent = _to_agent(network, features, expert)
        logger.info("round %d of %d: loss %.4f", round_ + 1, config.rounds, loss)
    return agent


def _walk(
    simulator: Simulator,
    agent: StateAgent,
    *,
    steps: int,
    noise: Float[np.ndarray, " action"],
    rng: np.random.Generator,
) -> Float[np.ndarray, "time feature"]:
    """Act one episode with noise; return the features of its states."""
    simulator.reset(int(rng.integers(2**31)))
    seen = []
    for _ in range(steps):
        seen.append(simulator.features())
        action = agent.act(seen[-1]) + noise * rng.standard_normal(simulator.action_size)
        if simulator.step(np.clip(action, -1, 1)).terminated:
            break
    return np.array(seen)


def _fit(
    network: nn.Sequential | None,
    features: Float[np.ndarray, "sample feature"],
    expert: StateAgent,
    config: DaggerConfig,
) -> tuple[nn.Sequential, float]:
    """Regress the expert's actions, in units of its spread, on scaled features."""
    inputs = torch.from_numpy((features - features.mean(0)) / (features.std(0) + 1e-2)).float()
    actions = (expert.act(features) - expert.out_shift) / expert.out_scale
    targets = torch.from_numpy(actions).float()
    if network is None:
        widths = (inputs.shape[1], config.hidden, config.hidden, targets.shape[1])
        layers = [nn.Linear(a, b) for a, b in pairwise(widths)]
        network = nn.Sequential(layers[0], nn.Tanh(), layers[1], nn.Tanh(), layers[2])
    optimizer = torch.optim.Adam(network.parameters(), config.learning_rate)
    loss = torch.zeros(())
    for _ in range(config.gradient_steps):
        batch = torch.randint(len(inputs), (512,))
        loss = nn.functional.smooth_l1_loss(network(inputs[batch]), targets[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network, loss.item()


def _to_agent(
    network: nn.Sequential, features: Float[np.ndarray, "sample feature"], expert: StateAgent
) -> StateAgent:
    arrays = [parameter.detach().numpy().copy() for parameter in network.parameters()]
    w0, b0, w1, b1, w2, b2 = arrays
    return StateAgent(
        w0, b0, w1, b1, w2, b2,
        in_shift=features.mean(0),
        in_scale=features.std(0) + np.float32(1e-2),
        out_shift=expert.out_shift,
        out_scale=expert.out_scale,
    )  # fmt: skip
