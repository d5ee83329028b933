"""Eq. 12: PPO's clipped loss over single denoising steps, weighted by how good the chunk was.

As printed it takes a `max` over bounds in the wrong order, which has no gradient; this is the
clipped `min` of Eq. 19, from which the paper derives it.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from configs.ranges import NotNegative, Rate
from policy.finetuning.minibatch import Minibatch
from policy.finetuning.terms.term import TermLoss
from policy.planner.planner import Planner
from policy.planner.schedule import log_probability

LARGEST_LOG_RATIO = 5.0  # Keeps exp() finite; far outside the clip.


@dataclass(frozen=True)
class Config:
    """How to improve.

    Attributes:
        clip: How far the ratio of a step may leave 1 (epsilon).
    """

    kind: str
    weight: NotNegative
    clip: Rate


def make(config: Config, planner: Planner) -> "PPO":
    """Make the term."""
    return PPO(config.clip)


@dataclass(frozen=True)
class PPO:
    """The clipped loss over a minibatch's denoising steps."""

    clip: float

    def loss(self, minibatch: Minibatch) -> TermLoss:
        """Give the loss, the share of pairs whose ratio left the clip, and the mean ratio."""
        log_probs, old_log_probs = log_probabilities(minibatch)
        return clipped_loss(log_probs, old_log_probs, minibatch.advantages, self.clip)


def log_probabilities(
    minibatch: Minibatch,
) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
    """Log-probability of denoising steps under the planner now, and when they were taken."""
    now, then = (
        minibatch.reduce(log_probability(minibatch.taken, step))
        for step in (minibatch.now, minibatch.then)
    )
    return now, then


def clipped_loss(
    log_probs: Float[Tensor, " batch"],
    old_log_probs: Float[Tensor, " batch"],
    advantages: Float[Tensor, " batch"],
    clip: float,
) -> TermLoss:
    """Give PPO's clipped loss, with `clip_fraction` and `ratio` as metrics."""
    ratio = (log_probs - old_log_probs).clamp(-LARGEST_LOG_RATIO, LARGEST_LOG_RATIO).exp()
    bounded = ratio.clamp(1 - clip, 1 + clip)
    loss = -torch.minimum(advantages * ratio, advantages * bounded).mean()
    clip_fraction = ((ratio - 1).abs() > clip).float().mean()
    return TermLoss(loss, {"clip_fraction": clip_fraction, "ratio": ratio.detach().mean()})
