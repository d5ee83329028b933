"""A planner of Adroit's door small enough for tests, and the smallest fine-tuning of it."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch

from configs.command import compose_part
from configs.kinds import Kind
from policy.finetuning.algorithms import sodp
from policy.finetuning.config import FinetuneConfig
from policy.finetuning.minibatch import MinibatchConfig
from policy.finetuning.terms import bc, ppo
from policy.finetuning.terms.term import TermConfig
from policy.planner.config import PlannerConfig, Sizes
from policy.planner.denoisers.unet import Config as UnetConfig
from policy.planner.planner import Planner

SHORT = ("env.episode_steps=12", "env.view.points=64")  # Episodes to go with the planners.
MINIBATCH = MinibatchConfig(batch=16, min_std=0.1, reduction="mean", encoder="frozen")
PPO_BC: Mapping[str, TermConfig] = {
    "ppo": ppo.Config("ppo", weight=1.0, clip=0.02),
    "bc": bc.Config("bc", weight=1.0),
}
SMALL = FinetuneConfig(
    algorithm=sodp.Config("sodp", MINIBATCH, dict(PPO_BC)),
    init="pretrained",
    experience=None,
    episodes=6,
    initial_episodes=1,
    initial_limit=2,
    gradient_steps=2,
    learning_rate=1e-3,
    last_learning_rate=1e-4,
    advantage="return_to_go",
    group_size=1,
    replay_capacity=4,
    target_capacity=10,
    target_top=2,
    gradient_norm=1.0,
    largest_ratio=10.0,
    evaluate_every=0,
    evaluate_episodes=2,
)


USUAL: dict[str, Any] = {
    "history": 2,
    "horizon": 4,
    "chunk": 3,
    "prediction": "noise",
    "denoising_steps": 100,
    "sampling_steps": 10,
    "eta": 1.0,
    "spacing": "trailing",
}


def planner_config(denoiser: Kind, **changes: Any) -> PlannerConfig:  # noqa: ANN401
    """Configure the paper's planner on Adroit around a denoiser, but for what is said."""
    return PlannerConfig(**{**USUAL, **changes}, denoiser=denoiser)


def small_planner(actions: int = 28) -> Planner:
    """Make it, always with the same weights."""
    torch.manual_seed(0)
    net = UnetConfig("unet", (16, 32, 48), 1, 5, 8, 16, None)
    config = planner_config(net)
    return Planner(config, Sizes(3, 24, actions))


def quick_planner(actions: int = 28) -> Planner:
    """Make one that acts after two denoising steps, always with the same weights."""
    torch.manual_seed(0)
    unet = compose_part(UnetConfig, "denoiser", "unet-small")
    config = planner_config(unet, denoising_steps=10, sampling_steps=2)
    return Planner(config, Sizes(3, 24, actions)).eval()


def small_finetuning(terms: Mapping[str, TermConfig] = PPO_BC, **changes: object) -> FinetuneConfig:
    """Change the smallest fine-tuning: its terms, keys of its minibatches, or its own keys."""
    of_minibatch = {f.name for f in dataclasses.fields(MinibatchConfig)} & changes.keys()
    minibatch = dataclasses.replace(MINIBATCH, **{name: changes.pop(name) for name in of_minibatch})
    algorithm = sodp.Config("sodp", minibatch, dict(terms))
    return dataclasses.replace(SMALL, algorithm=algorithm, **changes)
