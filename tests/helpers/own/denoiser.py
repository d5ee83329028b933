"""A denoiser from outside the repository: the steps of the chunk attend to parts of the context.

Its conditions are no list of tensors but a dataclass of its own, which only it can read.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from policy.planner.denoisers.denoiser import Denoiser, sinusoids

PARTS = 4  # The context is cut into so many tokens.


@dataclass(frozen=True)
class Memory:
    """What the chunk attends to, and the embedding of the denoising step."""

    tokens: Float[Tensor, "batch token width"]
    step: Float[Tensor, "batch 1 width"]


class CrossAttention(Denoiser[Memory]):
    @dataclass(frozen=True)
    class Config:
        kind: str
        width: int

    def __init__(self, config: Config, horizon: int, action_size: int, context_size: int) -> None:
        super().__init__()
        width = config.width
        self.width = width
        self.enter = nn.Linear(action_size, width)
        self.place = nn.Parameter(0.1 * torch.randn(horizon, width))
        self.tokens = nn.Linear(context_size // PARTS, width)
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width)
        )
        self.leave = nn.Linear(width, action_size)

    def conditions(self, k: Int[Tensor, " batch"], context: Float[Tensor, "batch size"]) -> Memory:
        tokens = self.tokens(context.unflatten(1, (PARTS, -1)))
        return Memory(tokens, sinusoids(k, self.width).unsqueeze(1))

    def denoise(
        self, noisy: Float[Tensor, "batch horizon action"], conditions: Memory
    ) -> Float[Tensor, "batch horizon action"]:
        x = self.enter(noisy) + self.place + conditions.step
        attended, _ = self.attention(x, conditions.tokens, conditions.tokens)
        x = x + attended
        return self.leave(x + self.mlp(x))
