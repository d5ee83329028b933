"""A task of one decision and two modes, which shows in seconds what each term does.

The data holds two kinds of plans, around -0.5 and around +0.5, as often one as the other; the
reward is 1 for the upper kind. Planner, buffers and objective are the real ones; only the world is
missing, so every context is the same.
"""

import copy
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from perception.encoders.dp3 import Dp3
from policy.finetuning.buffers import ReplayBuffer, TargetBuffer
from policy.finetuning.minibatch import Minibatch, MinibatchConfig
from policy.finetuning.objective import Objective
from policy.finetuning.terms import bc, kl, ppo
from policy.finetuning.terms.term import TermConfig
from policy.planner.config import Sizes
from policy.planner.decision import Decision
from policy.planner.denoisers.mlp import Config as MlpConfig
from policy.planner.planner import FirstPlan, Planner
from policy.rollouts.rollout import ChunkData, EpisodeData, Rollout, links
from tests.helpers.small_planner import planner_config

MODE, SPREAD = 0.5, 0.05
EPISODES = 64  # Played between updates.
MINIBATCH = MinibatchConfig(batch=64, min_std=0.1, reduction="mean", encoder="frozen")
PPO: dict[str, TermConfig] = {"ppo": ppo.Config("ppo", weight=1.0, clip=0.02)}
BC: dict[str, TermConfig] = {**PPO, "bc": bc.Config("bc", weight=10.0)}
KL: dict[str, TermConfig] = {**PPO, "kl": kl.Config("kl", weight=10.0)}


def draw_data(count: int, generator: torch.Generator) -> Float[Tensor, "count horizon action"]:
    """Draw plans of both kinds."""
    mode = MODE * (2 * torch.randint(2, (count, 1, 1), generator=generator) - 1)
    return mode + SPREAD * torch.randn(count, 2, 1, generator=generator)


def pretrained(steps: int = 300) -> Planner:
    """Train a small planner on the data."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    net = MlpConfig(kind="mlp", width=64, step=16)
    config = planner_config(net, history=1, horizon=2, chunk=2, prediction="start")
    planner = Planner(config, Sizes(channels=3, robot_state=1, actions=1))
    optimizer = torch.optim.Adam(planner.denoiser.parameters(), 2e-3)
    for _ in range(steps):
        plans = draw_data(128, generator)
        optimizer.zero_grad()
        planner.denoising_loss(same_contexts(len(plans)), plans, generator).backward()
        optimizer.step()
    return planner


def finetuned(before: Planner, terms: Mapping[str, TermConfig], rounds: int = 15) -> Planner:
    """Play and learn in turns, as fine-tuning does."""
    planner = copy.deepcopy(before)
    objective = Objective(planner, terms)
    replay, target = ReplayBuffer(10 * EPISODES), TargetBuffer(4 * EPISODES, 8)
    generator = torch.Generator().manual_seed(1)
    optimizer = torch.optim.Adam(planner.denoiser.parameters(), 1e-3)
    for _ in range(rounds):
        rollout = play(planner, EPISODES, generator, MINIBATCH.min_std)
        replay.add(rollout)
        target.add(rollout)
        experience, best = replay.experience("whitened"), target.chunks()
        for _ in range(10):
            minibatch = Minibatch.sample(planner, MINIBATCH, experience, best, generator)
            losses = objective.losses(minibatch)
            optimizer.zero_grad()
            objective.total(losses).backward()
            optimizer.step()
    return planner


def play(planner: Planner, count: int, generator: torch.Generator, min_std: float = 0.0) -> Rollout:
    """Play episodes of one chunk; a plan of the upper kind is a success."""
    contexts = same_contexts(count)
    return played(contexts, FirstPlan(planner, min_std)(contexts, [generator] * count, 0))


def played(contexts: Float[Tensor, "count context"], decision: Decision) -> Rollout:
    """Give the episodes that decisions lead to."""
    count, good = len(contexts), decision.plans.mean(dim=(1, 2)) > 0
    means, samples = links(decision)
    chunks = ChunkData(
        contexts=contexts[None],
        features=contexts[None, :, :0],
        points=torch.zeros(1, count, 0, 1, 3),
        robot_state=torch.zeros(1, count, 0, 1),
        plans=decision.plans[None],
        candidates=decision.candidates[None],
        means=means[None],
        samples=samples[None],
        rewards=good.float()[None],
        valid=torch.ones(1, count, dtype=torch.bool),
    )
    one, start = torch.ones(count, dtype=torch.int64), torch.arange(count)
    return Rollout(chunks, EpisodeData(good, good, good, one, start, until_success=one))


def same_contexts(count: int) -> Float[Tensor, "count context"]:
    """Give the one context, as often as it is needed."""
    return torch.zeros(count, Dp3.features)


def first_actions(planner: Planner, count: int = 1000) -> Float[Tensor, " count"]:
    """Sample plans as when evaluating; give the first action of each."""
    rollout = play(planner, count, torch.Generator().manual_seed(2))
    return rollout.chunks.samples[0, :, -1, 0, 0]
