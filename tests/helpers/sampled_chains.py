"""Chains of a small planner from made-up observations, to compute terms on."""

import dataclasses

import torch

from perception.observation import Observation
from policy.finetuning.experience import Chunks, Experience
from policy.finetuning.minibatch import Minibatch, MinibatchConfig
from policy.planner.planner import Planner

CHUNKS, STEPS = 6, 10
CONFIG = MinibatchConfig(batch=32, min_std=0.1, reduction="sum", encoder="frozen")


def sampled(planner: Planner, seed: int = 0) -> Experience:
    """Let a planner plan from made-up observations; the advantages are made up too."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(CHUNKS, 2, 20, 3, generator=generator)
    state = torch.randn(CHUNKS, 2, 24, generator=generator)
    with torch.no_grad():
        contexts = planner.encode(Observation(points, state))
    chain = planner.sample(contexts, planner.noises([generator] * CHUNKS), min_std=CONFIG.min_std)
    chunks = Chunks(contexts, points, state, chain.plan.clamp(-1, 1))
    advantages = torch.randn(CHUNKS, generator=generator)
    return Experience(chunks, chain.means, chain.samples, advantages)


def minibatch(
    planner: Planner, experience: Experience, target: Chunks | None = None, **changes: object
) -> Minibatch:
    """Sample a minibatch, always with the same pairs."""
    config = dataclasses.replace(CONFIG, **changes)
    return Minibatch.sample(planner, config, experience, target or experience.chunks, seeded())


def every_step(planner: Planner, experience: Experience, **changes: object) -> Minibatch:
    """Give all denoising steps of all chunks, chunk by chunk."""
    chunk = torch.arange(len(experience)).repeat_interleave(STEPS)
    step = torch.arange(STEPS).repeat(len(experience))
    config = dataclasses.replace(CONFIG, **changes)
    return Minibatch(planner, config, experience, experience.chunks, seeded(), chunk, step)


def seeded() -> torch.Generator:
    """Make a generator, always the same."""
    return torch.Generator().manual_seed(5)


def move(planner: Planner) -> None:
    """Change every weight of the denoiser a little."""
    with torch.no_grad():
        for weight in planner.denoiser.parameters():
            weight.add_(0.02 * torch.randn(weight.shape, generator=seeded()))
