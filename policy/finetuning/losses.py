"""The fine-tuning losses as functions of tensors (SODP, Section 3.2).

B pairs of a chunk and a denoising step. `weights` say how good the chunk was.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

LARGEST_LOG_RATIO = 5.0  # Keeps exp() finite; far outside the clip.


@dataclass(frozen=True)
class ImprovementLoss:
    """Eq. 12, and what to watch while it is minimised."""

    loss: Float[Tensor, ""]
    clipped: Float[Tensor, ""]  # Share of pairs whose ratio left the clip.
    ratio: Float[Tensor, ""]  # Mean ratio.


def improvement_loss(
    log_probs: Float[Tensor, " batch"],
    old_log_probs: Float[Tensor, " batch"],
    weights: Float[Tensor, " batch"],
    clip: float,
) -> ImprovementLoss:
    """PPO's clipped loss over single denoising steps.

    Eq. 12 as printed takes a `max` over bounds in the wrong order, which has no gradient; this is
    the clipped `min` of Eq. 19, which the paper derives it from.
    """
    ratio = (log_probs - old_log_probs).clamp(-LARGEST_LOG_RATIO, LARGEST_LOG_RATIO).exp()
    bounded = ratio.clamp(1 - clip, 1 + clip)
    loss = -torch.minimum(weights * ratio, weights * bounded).mean()
    clipped = ((ratio - 1).abs() > clip).float().mean()
    return ImprovementLoss(loss, clipped, ratio.detach().mean())


def chunk_weights(
    rewards: Float[Tensor, "time env"],
    played: Bool[Tensor, "time env"],
    kind: str,
    starts: Int[Tensor, " env"] | None = None,
) -> Float[Tensor, "time env"]:
    """Tell how good each chunk was.

    Args:
        rewards: Return of each chunk alone.
        played: Whether it was played at all.
        kind: `chunk_return`: the paper's r(a), raw. `whitened`: the same, minus its mean, divided
            by its std. `return_to_go`: all that followed, minus the mean over episodes at
            that time, divided by the std over everything; measured to learn better, and a
            baseline that depends on no action changes no expectation.
        starts: With `return_to_go`, episodes of equal numbers began alike, and the mean is over
            those alone (as GRPO compares answers to one question, Shao et al. 2024): what the start
            decides is no merit of the chunk's. The std is then of what is left.
    """
    if kind == "chunk_return":
        return rewards
    if kind == "whitened":
        some = rewards[played]
        return (rewards - some.mean()) * played / (some.std() + 1e-6)
    rewards = rewards * played
    to_go = rewards.flip(0).cumsum(0).flip(0)
    if starts is None:
        alive = played.sum(dim=1, keepdim=True).clamp(min=1)
        centred = (to_go - (to_go * played).sum(dim=1, keepdim=True) / alive) * played
        return centred / (to_go[played].std() + 1e-6)
    alike = (starts[:, None] == starts).to(to_go)
    means = (to_go * played) @ alike / (played.to(to_go) @ alike).clamp(min=1)
    centred = (to_go - means) * played
    return centred / (centred[played].std() + 1e-6)
