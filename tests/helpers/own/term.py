"""A term of one's own: `kind: tests.helpers.own.term:QuietPlans`."""

from dataclasses import dataclass

from policy.finetuning.minibatch import Minibatch
from policy.finetuning.terms.term import TermLoss
from policy.planner.planner import Planner


class QuietPlans:
    """Keeps what a denoising step leads to small."""

    @dataclass(frozen=True)
    class Config:
        """How quiet: numbers below `free` cost nothing."""

        kind: str
        weight: float
        free: float

    def __init__(self, config: Config, planner: Planner) -> None:
        self._free = config.free

    def loss(self, minibatch: Minibatch) -> TermLoss:
        """Give the mean excess of the executed numbers."""
        excess = (minibatch.now.mean.abs() - self._free).clamp(min=0)
        return TermLoss(minibatch.reduce(excess).mean(), {"excess": excess.detach().max()})
