"""The same episodes again and again, with other noise: what the start decides, and what chance."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import torch
from jaxtyping import Bool
from torch import Tensor

from policy.checkpoint import load_planner
from policy.judging import make_envs
from policy.rollout import roll_out
from policy.training import TrainConfig

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


def play_anew(checkpoint: Path, config: TrainConfig, seeds: Sequence[int], draws: int) -> Outcomes:
    """Play every seed's episode with several noises; as many as `SIDE_BY_SIDE` divides."""
    planner, _ = load_planner(checkpoint)
    envs = make_envs(config.env, planner, envs=SIDE_BY_SIDE, workers=config.workers)
    drawn, at_end, ever = planner.noises, [], []
    for draw in range(draws):
        # Standard normal numbers whose signs are changed are standard normal.
        generator = torch.Generator().manual_seed(draw)
        signs = torch.randint(2, drawn([generator]).shape[1:], generator=generator) * 2 - 1
        with mock.patch.object(planner, "noises", lambda g, s=signs: drawn(g) * s):
            parts = (seeds[i : i + SIDE_BY_SIDE] for i in range(0, len(seeds), SIDE_BY_SIDE))
            rollouts = [roll_out(planner, envs, part, success_at="end") for part in parts]
        at_end.append(torch.cat([rollout.at_end for rollout in rollouts]))
        ever.append(torch.cat([rollout.ever for rollout in rollouts]))
    envs.close()
    return Outcomes(torch.stack(at_end), torch.stack(ever))
