"""How good each chunk was, of those played together."""

from typing import Literal

from jaxtyping import Bool, Float, Int
from torch import Tensor

Advantage = Literal["return_to_go", "whitened", "chunk_return"]


def advantages(
    rewards: Float[Tensor, "time env"],
    valid: Bool[Tensor, "time env"],
    kind: Advantage,
    starts: Int[Tensor, " env"] | None = None,
) -> Float[Tensor, "time env"]:
    """Give the advantage of each chunk.

    Args:
        rewards: Return of each chunk alone.
        valid: Whether it was played at all.
        kind: `chunk_return`: the paper's r(a), raw. `whitened`: the same, minus its mean, divided
            by its std. `return_to_go`: all that followed, minus the mean over episodes at
            that time, divided by the std over everything; measured to learn better, and a
            baseline that depends on no action changes no expectation.
        starts: With `return_to_go`, episodes of equal numbers began alike, and the mean is over
            those alone (as GRPO compares answers to one question, Shao et al. 2024), so that an
            easy start is not taken for a good action. The std is then of what is left.
    """
    if kind == "chunk_return":
        return rewards
    if kind == "whitened":
        played = rewards[valid]
        return (rewards - played.mean()) * valid / (played.std() + 1e-6)
    rewards = rewards * valid
    to_go = rewards.flip(0).cumsum(0).flip(0)
    if starts is None:
        alive = valid.sum(dim=1, keepdim=True).clamp(min=1)
        centred = (to_go - (to_go * valid).sum(dim=1, keepdim=True) / alive) * valid
        return centred / (to_go[valid].std() + 1e-6)
    alike = (starts[:, None] == starts).to(to_go)
    means = (to_go * valid) @ alike / (valid.to(to_go) @ alike).clamp(min=1)
    centred = (to_go - means) * valid
    return centred / (centred[valid].std() + 1e-6)
