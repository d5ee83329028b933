"""Layer-normalised critics, several at once (Ball et al., ICML 2023).

Dimension legend: M critics, B batch, N candidates, A numbers of an action (or of a whole chunk).
"""

import math

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from jaxtyping import Float
from torch import Tensor, nn


class Critics(nn.Module):
    """An ensemble of critics with equal hidden layers, computed side by side.

    Args:
        observations: Numbers that describe a situation.
        actions: Numbers of what is valued in it.
        hidden: Width of the hidden layers.
        count: M.
        layers: Hidden layers.
    """

    def __init__(
        self, observations: int, actions: int, hidden: int, count: int = 2, layers: int = 2
    ) -> None:
        super().__init__()
        self._observations, self._count = observations, count
        inner = [(hidden, hidden)] * (layers - 1)
        widths = ((observations + actions, hidden), *inner, (hidden, 1))
        self.weights = nn.ParameterList(_uniform(count, before, after) for before, after in widths)
        self.biases = nn.ParameterList(torch.zeros(count, 1, after) for _, after in widths)
        self.gains = nn.ParameterList(torch.ones(count, 1, hidden) for _ in range(layers))
        self.shifts = nn.ParameterList(torch.zeros(count, 1, hidden) for _ in range(layers))

    def forward(
        self, observations: Float[Tensor, "batch feature"], actions: Float[Tensor, "batch action"]
    ) -> Float[Tensor, "critic batch"]:
        """Value one action in each situation."""
        x = torch.cat([observations, actions], dim=-1).expand(self._count, -1, -1)
        return self._rest(torch.baddbmm(self.biases[0], x, self.weights[0]))

    def of_candidates(
        self,
        observations: Float[Tensor, "batch feature"],
        candidates: Float[Tensor, "batch candidate action"],
    ) -> Float[Tensor, "critic batch candidate"]:
        """Value several actions in each situation, whose share of the first layer is shared."""
        batch, count, _ = candidates.shape
        of_situation, of_action = self.weights[0].split(
            [self._observations, self.weights[0].shape[1] - self._observations], dim=1
        )
        shared = self.biases[0] + observations @ of_situation
        own = candidates.flatten(0, 1) @ of_action
        x = own.unflatten(1, (batch, count)) + shared[:, :, None]
        values: Tensor = self._rest(x.flatten(1, 2)).unflatten(1, (batch, count))
        return values

    @torch.no_grad()
    def rescale(self, factor: float) -> None:
        """Multiply every value by a factor, exactly: the last layer is linear."""
        self.weights[-1].mul_(factor)
        self.biases[-1].mul_(factor)

    def _rest(self, x: Float[Tensor, "critic batch hidden"]) -> Float[Tensor, "critic batch"]:
        """Go on behind the first matrix product."""
        x = self._normalised(x, 0)
        for layer in range(1, len(self.gains)):
            inner = torch.baddbmm(self.biases[layer], x, self.weights[layer])
            x = self._normalised(inner, layer)
        return torch.baddbmm(self.biases[-1], x, self.weights[-1]).squeeze(-1)

    def _normalised(self, x: Tensor, layer: int) -> Tensor:
        return F.relu(F.layer_norm(x, x.shape[-1:]) * self.gains[layer] + self.shifts[layer])


@torch.no_grad()
def follow(targets: nn.Module, nets: nn.Module, share: float) -> None:
    """Take target networks a step towards those that learn (Polyak)."""
    followers: list[Tensor] = list(targets.parameters())
    leaders: list[Tensor] = list(nets.parameters())
    torch._foreach_lerp_(followers, leaders, share)


def _uniform(count: int, before: int, after: int) -> Tensor:
    return (torch.rand(count, before, after) * 2 - 1) / math.sqrt(before)
