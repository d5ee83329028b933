"""What algorithms share whose critics learn from every decision ever made."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from datasets.behaviours.training_state import fitting
from envs.seeding import derive_seed
from policy.finetuning.buffers import TargetBuffer
from policy.finetuning.config import FinetuneConfig
from policy.finetuning.diverging import finite
from policy.finetuning.guided.critics import ChunkCritics, CriticConfig
from policy.finetuning.guided.decisions import Decided, Decisions
from policy.finetuning.states import read_decisions
from policy.planner.planner import Planner
from policy.rollouts.episode import Decide
from policy.rollouts.rollout import Rollout


class CriticLearner(ABC):
    """Critics, the decisions that they learn from, the best episodes, and the planner's optimiser.

    An `Algorithm`, once it is said how to play and what a gradient step of the planner is.

    Args:
        planner: Learns; its encoder does not.
        finetune: See `FinetuneConfig`.
        critic: How critics learn.
        capacity: The newest decisions that are learned from.
        seed: Of everything random here.
    """

    keep_observations = False

    def __init__(
        self,
        planner: Planner,
        finetune: FinetuneConfig,
        *,
        critic: CriticConfig,
        capacity: int,
        seed: int,
    ) -> None:
        self._finetune, self._planner, self._critic_steps = finetune, planner, critic.steps
        planner.requires_grad_(requires_grad=False)
        planner.denoiser.requires_grad_(requires_grad=True)
        self._weights = list(planner.denoiser.parameters())
        self._optimizer = torch.optim.Adam(self._weights, fused=True)
        self.critics = ChunkCritics(critic, planner, seed)
        self.decisions = Decisions(capacity)
        self.target = TargetBuffer(finetune.target_capacity, finetune.target_top)
        self._generator = torch.Generator().manual_seed(derive_seed("finetune-draws", seed, 0))
        self.gradient_steps = 0

    @abstractmethod
    def decide(self, *, explore: bool) -> Decide:
        """How to play."""

    @abstractmethod
    def _learn_to_plan(self) -> dict[str, float]:
        """Take one gradient step of the planner; give what to watch of it."""

    def observe(self, rollout: Rollout) -> None:
        """Remember every decision, and the best episodes."""
        self.decisions.add(Decided.of(rollout))
        self.target.add(rollout)

    def update(self, episodes: int, learning_rate: float) -> dict[str, float]:
        """Take the steps of critics, then those of the planner; give means over them.

        Raises:
            DivergedError: A loss or a gradient is not finite.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        steps = self._critic_steps * episodes
        losses = self.critics.learn(self.decisions, steps, self._generator, self._value_of)
        watched = [{"critic_loss": loss} for loss in losses]
        watched += [self._learn_to_plan() for _ in range(self._finetune.gradient_steps * episodes)]
        return {f"finetune/{name}": value for name, value in _means(watched).items()}

    def _value_of(self, following: Decided) -> Float[Tensor, " batch"]:
        """Value what follows by its best candidate; see `ChunkCritics.learn`."""
        return self.critics.least(following, following.candidates, targets=True).amax(dim=1)

    def _drawn(self, count: int) -> Decided:
        """Draw decisions, on the planner's device."""
        return self.decisions.sample(count, self._generator)[0].to(self._planner.device)

    def _imitation_loss(self, imitated: int, *others: tuple[Tensor, Tensor]) -> Float[Tensor, ""]:
        """Compute the denoising loss on chunks of the best episodes, and on others beside them.

        Args:
            imitated: How many are of the best episodes; none where there are no such episodes.
            others: Contexts and plans.
        """
        device, parts = self._planner.device, list(others)
        if imitated and len(self.target):
            best = self.target.sample(imitated, self._generator)
            parts.append((best.contexts.to(device), best.plans.to(device)))
        contexts, plans = (torch.cat(part) for part in zip(*parts, strict=True))
        return self._planner.denoising_loss(contexts, plans, self._generator)

    def _descend(self, loss: Float[Tensor, ""]) -> float:
        """Take a step of the planner down a loss; give it.

        Raises:
            DivergedError: It is not finite.
        """
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._weights, self._finetune.gradient_norm)
        self._optimizer.step()
        self.gradient_steps += 1
        return finite(loss, "the planner's loss")

    def summary(self) -> dict[str, float]:
        """Say how many episodes are imitated, and how many of them succeeded."""
        return {
            "finetune/target_episodes": float(len(self.target)),
            "finetune/target_successes": float(self.target.successes),
            "finetune/decisions": float(len(self.decisions)),
        }

    def load_experience(self, path: Path) -> None:
        """Take over the decisions and the best episodes of a finished run.

        Raises:
            InputError: The file is missing, or of an algorithm that keeps no decisions.
        """
        with fitting(path):
            state = read_decisions(path)
            self.decisions.load(state["decisions"])
            self.target.load(state["target"])

    def finish(self) -> None:
        """Do nothing more: everything was learned along the way."""
        return

    def state(self) -> dict[str, Any]:
        """Everything but the planner that the next update depends on."""
        return {
            "gradient_steps": self.gradient_steps,
            "optimizer": self._optimizer.state_dict(),
            "critics": self.critics.state(),
            "decisions": self.decisions.state(),
            "target": self.target.state(),
            "generator": self._generator.get_state(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        self.gradient_steps = state["gradient_steps"]
        self._optimizer.load_state_dict(state["optimizer"])
        self.critics.load(state["critics"])
        self.decisions.load(state["decisions"])
        self.target.load(state["target"])
        self._generator.set_state(state["generator"])


def _means(watched: list[dict[str, float]]) -> dict[str, float]:
    """Average each value over the steps that gave it."""
    by_name: dict[str, list[float]] = {}
    for values in watched:
        for name, value in values.items():
            by_name.setdefault(name, []).append(value)
    return {name: sum(values) / len(values) for name, values in by_name.items()}
