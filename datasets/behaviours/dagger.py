"""Teach a small state-space agent by imitating a teacher where the pupil goes (DAgger).

Ross et al., AISTATS 2011: the pupil acts, noisily; the teacher says what it would have done; the
pupil learns from everything seen so far.
"""

import logging
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from datasets.behaviours.state_agent import StateAgent
from envs.simulator import Simulator

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TeachingConfig:
    """How long to teach, and how large the pupil is.

    Attributes:
        rounds: Times the pupil acts and learns again; in the first the teacher acts.
        episodes: Episodes per round.
        gradient_steps: Updates per round.
        hidden: Width of both hidden layers.
        noise: Largest noise while acting, in units of the teacher's spread of actions.
        learning_rate: Of Adam.
    """

    rounds: int
    episodes: int
    gradient_steps: int
    hidden: int
    noise: float
    learning_rate: float


def teach(
    simulator: Simulator, teacher: StateAgent, config: TeachingConfig, *, steps: int, seed: int
) -> StateAgent:
    """Return a pupil of the teacher."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    seen: list[np.ndarray] = []
    network: nn.Sequential | None = None
    pupil = teacher
    for round_ in range(config.rounds):
        for _ in range(config.episodes):
            noise = rng.uniform(0, config.noise)
            seen.append(
                _walk(simulator, pupil, steps=steps, noise=noise * teacher.out_scale, rng=rng)
            )
        features = np.concatenate(seen)
        network, loss = _fit(network, features, teacher, config)
        pupil = _to_agent(network, features, teacher)
        logger.info("round %d of %d: loss %.4f", round_ + 1, config.rounds, loss)
    return pupil


def _walk(
    simulator: Simulator,
    agent: StateAgent,
    *,
    steps: int,
    noise: Float[np.ndarray, " action"],
    rng: np.random.Generator,
) -> Float[np.ndarray, "time feature"]:
    """Act one episode with noise; return what was seen."""
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
    teacher: StateAgent,
    config: TeachingConfig,
) -> tuple[nn.Sequential, float]:
    """Regress the teacher's actions, in units of its spread, on scaled features."""
    inputs = torch.from_numpy((features - features.mean(0)) / (features.std(0) + 1e-2)).float()
    actions = (teacher.act(features) - teacher.out_shift) / teacher.out_scale
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
    network: nn.Sequential, features: Float[np.ndarray, "sample feature"], teacher: StateAgent
) -> StateAgent:
    arrays = [parameter.detach().numpy().copy() for parameter in network.parameters()]
    w0, b0, w1, b1, w2, b2 = arrays
    return StateAgent(
        w0, b0, w1, b1, w2, b2,
        in_shift=features.mean(0),
        in_scale=features.std(0) + np.float32(1e-2),
        out_shift=teacher.out_shift,
        out_scale=teacher.out_scale,
    )  # fmt: skip
