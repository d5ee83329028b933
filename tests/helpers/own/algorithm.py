"""An algorithm of one's own: `kind: tests.helpers.own.algorithm:CloneSuccesses`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from envs.seeding import derive_seed
from perception.errors import InputError
from policy.finetuning.config import FinetuneConfig
from policy.finetuning.experience import Chunks
from policy.planner.planner import FirstPlan, Planner
from policy.rollouts.rollout import Rollout


class CloneSuccesses:
    """Repeats the pre-training loss on the episodes of the highest return, one at a time."""

    @dataclass(frozen=True)
    class Config:
        """How to learn; the other keys are shared by all algorithms."""

        kind: str
        momentum: float

    def __init__(
        self, config: Config, planner: Planner, finetune: FinetuneConfig, seed: int
    ) -> None:
        self.keep_observations, self.gradient_steps = False, 0
        self._planner, self._steps = planner, finetune.gradient_steps
        planner.requires_grad_(requires_grad=False)
        planner.denoiser.requires_grad_(requires_grad=True)
        weights = list(planner.denoiser.parameters())
        self._optimizer = torch.optim.SGD(weights, lr=1.0, momentum=config.momentum)
        self._generator = torch.Generator().manual_seed(derive_seed("own-draws", seed, 0))
        self._best: Chunks | None = None
        self._best_return = -float("inf")

    def decide(self, *, explore: bool) -> FirstPlan:
        """Follow the first plan."""
        return FirstPlan(self._planner, 0.1 if explore else 0.0)

    def observe(self, rollout: Rollout) -> None:
        """Keep the best episode."""
        index = int(rollout.returns.argmax())
        if rollout.returns[index] > self._best_return:
            self._best_return = float(rollout.returns[index])
            self._best = Chunks.of(rollout, index)

    def update(self, episodes: int, learning_rate: float) -> dict[str, float]:
        """Clone it."""
        assert self._best is not None
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        for _ in range(episodes * self._steps):
            loss = self._planner.denoising_loss(
                self._best.contexts, self._best.plans, self._generator
            )
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
            self.gradient_steps += 1
        return {"finetune/cloning_loss": loss.item()}

    def summary(self) -> dict[str, float]:
        """Say how good it is."""
        return {"finetune/best_return": self._best_return}

    def finish(self) -> None:
        pass

    def load_experience(self, path: Path) -> None:
        """Refuse: it learns from what it plays."""
        raise InputError(f"{path} is of no use to an algorithm that learns from what it plays")

    def state(self) -> dict[str, Any]:
        """Everything but the planner."""
        return {
            "gradient_steps": self.gradient_steps,
            "optimizer": self._optimizer.state_dict(),
            "generator": self._generator.get_state(),
            "best": None if self._best is None else dict(vars(self._best)),
            "best_return": self._best_return,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take it back."""
        self.gradient_steps, self._best_return = state["gradient_steps"], state["best_return"]
        self._optimizer.load_state_dict(state["optimizer"])
        self._generator.set_state(state["generator"])
        self._best = None if state["best"] is None else Chunks(**state["best"])
