"""A training run under way: what its stages and their evaluation share."""

from dataclasses import dataclass

import torch

from configs.stopping import StopRequest
from envs.config import EnvConfig
from policy.pipeline.config import Recipe, TrainConfig
from policy.pipeline.planners import Planners
from policy.rollouts.loading import EnvPool
from policy.runs.run import Run


@dataclass(frozen=True)
class Training:
    """A run, and what it works with.

    Attributes:
        config: The command.
        recipe: What shapes the result, with nothing left open.
        env: The task; None where it has no simulator.
        run: The run's folder.
        device: Where to compute.
        planners: What was read so far.
        stop: Whether the command was asked to stop.
        pool: The environments that all stages play in.
    """

    config: TrainConfig
    recipe: Recipe
    env: EnvConfig | None
    run: Run
    device: torch.device
    planners: Planners
    stop: StopRequest
    pool: EnvPool
