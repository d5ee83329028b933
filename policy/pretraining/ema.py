"""An exponential moving average of weights, as Diffusion Policy and DP3 keep it."""

import copy

import torch

from policy.planner.policy import Policy

POWER, LARGEST = 0.75, 0.9999


class MovingAverage:
    """The planner that acts: an average over the recent weights of the one that learns.

    The decay grows with the steps as 1 - (1 + step) ** -0.75, up to 0.9999.
    """

    def __init__(self, planner: Policy) -> None:
        self.planner = copy.deepcopy(planner).eval().requires_grad_(requires_grad=False)
        self.steps = 0

    @torch.no_grad()
    def update(self, planner: Policy) -> None:
        """Move towards the planner's present weights."""
        decay = min(1 - (1 + self.steps) ** -POWER, LARGEST)
        self.steps += 1
        averages: list[torch.Tensor] = list(self.planner.parameters())
        weights = [weight.detach() for weight in planner.parameters()]
        torch._foreach_lerp_(averages, weights, 1 - decay)
