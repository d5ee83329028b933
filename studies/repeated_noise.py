"""Evaluate the same starts with several noises: what the start decides, and what chance."""

from collections.abc import Sequence
from dataclasses import dataclass
from unittest import mock

import torch
from jaxtyping import Bool
from torch import Tensor

from policy.pipeline.config import TrainConfig
from policy.planner.planner import Planner
from policy.rollouts.evaluation import evaluate
from policy.rollouts.loading import make_envs

SIDE_BY_SIDE = 10


@dataclass(frozen=True)
class Outcomes:
    """Whether each episode succeeded with each noise, at its end and at any step."""

    at_end: Bool[Tensor, "draw episode"]
    ever: Bool[Tensor, "draw episode"]

    @property
    def by_times_won(self) -> list[int]:
        """Count the episodes that ended well with 0, 1, ... all of the noises."""
        return torch.bincount(self.at_end.sum(dim=0), minlength=len(self.at_end) + 1).tolist()


def repeat(planner: Planner, config: TrainConfig, seeds: Sequence[int], draws: int) -> Outcomes:
    """Evaluate every seed's episode with several noises."""
    envs = make_envs(config.task.config, planner, envs=SIDE_BY_SIDE, workers=config.machine.workers)
    drawn, played = planner.noises, []
    for draw in range(draws):
        # Standard normal numbers whose signs are changed are standard normal.
        generator = torch.Generator().manual_seed(draw)
        signs = torch.randint(2, drawn([generator]).shape[1:], generator=generator) * 2 - 1
        with mock.patch.object(planner, "noises", lambda g, s=signs: drawn(g) * s):
            played.append(evaluate(planner, envs, seeds, success_at="end", quiet=True))
    envs.close()
    return Outcomes(
        torch.tensor([part.at_end for part in played]), torch.tensor([part.ever for part in played])
    )
