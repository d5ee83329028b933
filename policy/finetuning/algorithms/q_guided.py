"""Guided by a critic: play the best of several plans, and teach the planner to propose those.

Critics over executed chunks learn from every decision ever made: their targets are the reward plus
the discounted value of the best candidate of the next decision. Episodes are played by the best of
N plans; the planner learns, by its own denoising loss, the plan that the critics prefer among all
that were candidates, and its best episodes (Eq. 14).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import Tensor

from configs.ranges import Share, between
from envs.seeding import derive_seed
from perception.errors import InputError
from policy.finetuning.buffers import TargetBuffer
from policy.finetuning.config import FinetuneConfig
from policy.finetuning.diverging import finite
from policy.finetuning.guided.critics import ChunkCritics, CriticConfig
from policy.finetuning.guided.decisions import Decided, Decisions
from policy.finetuning.guided.guide import ExploreConfig, Guide
from policy.planner.planner import Planner
from policy.rollouts.rollout import Rollout


@dataclass(frozen=True)
class Config:
    """How to learn, guided by critics.

    Attributes:
        explore: How episodes are played.
        critic: How critics learn.
        batch: Chunks in a gradient step of the planner.
        imitated: Share of them that are from the target buffer.
        capacity: The newest decisions that are learned from.
    """

    kind: str
    explore: ExploreConfig
    critic: CriticConfig
    batch: Annotated[int, between(2, 2**20)]
    imitated: Share
    capacity: Annotated[int, between(1024, 2**24)]


def make(config: Config, planner: Planner, finetune: FinetuneConfig, seed: int) -> "QGuided":
    """Make the algorithm."""
    return QGuided(config, planner, finetune, seed)


class QGuided:
    """Critics, the decisions that they learn from, and the planner's optimiser; see `Algorithm`."""

    keep_observations = False

    def __init__(
        self, config: Config, planner: Planner, finetune: FinetuneConfig, seed: int
    ) -> None:
        self._config, self._finetune, self._planner = config, finetune, planner
        planner.requires_grad_(requires_grad=False)
        planner.denoiser.requires_grad_(requires_grad=True)
        self._weights = list(planner.denoiser.parameters())
        self._optimizer = torch.optim.Adam(self._weights, fused=True)
        self.critics = ChunkCritics(config.critic, planner, seed)
        self.decisions = Decisions(config.capacity)
        self.target = TargetBuffer(finetune.target_capacity, finetune.target_top)
        self._generator = torch.Generator().manual_seed(derive_seed("finetune-draws", seed, 0))
        self.gradient_steps = 0

    def decide(self, *, explore: bool) -> Guide:
        """How to play: before the first critic's step by the first plan."""
        return Guide(self._planner, self.critics.ready, self._config.explore, explore=explore)

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
        steps = self._config.critic.steps * episodes
        critic = self.critics.learn(self.decisions, steps, self._generator, self._best_value)
        planner = [self._planner_step() for _ in range(self._finetune.gradient_steps * episodes)]
        means = {"critic_loss": critic, "planner_loss": planner}
        return {f"finetune/{name}": sum(v) / max(len(v), 1) for name, v in means.items()}

    def _best_value(self, following: Decided) -> Tensor:
        return self.critics.least(following, following.candidates, targets=True).amax(dim=1)

    def _planner_step(self) -> float:
        imitated = int(self._config.batch * self._config.imitated)
        drawn, _ = self.decisions.sample(self._config.batch - imitated, self._generator)
        drawn = drawn.to(self._planner.device)
        best = self._target_chunks(imitated)
        contexts = torch.cat([drawn.contexts, best[0]]).to(self._planner.device)
        plans = torch.cat([self._preferred(drawn), best[1]]).to(self._planner.device)
        loss = self._planner.denoising_loss(contexts, plans, self._generator)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._weights, self._finetune.gradient_norm)
        self._optimizer.step()
        self.gradient_steps += 1
        return finite(loss, "the planner's loss")

    def _preferred(self, drawn: Decided) -> Tensor:
        """Take what the critics prefer among the candidates."""
        choice = self.critics.least(drawn, drawn.candidates).argmax(dim=1)
        return drawn.candidates[torch.arange(len(drawn)), choice]

    def _target_chunks(self, count: int) -> tuple[Tensor, Tensor]:
        chunks = self.target.chunks()
        index = torch.randint(len(chunks.plans), (count,), generator=self._generator)
        return chunks.contexts[index], chunks.plans[index]

    def summary(self) -> dict[str, float]:
        """Say how many episodes are imitated, and how many of them succeeded."""
        return {
            "finetune/target_episodes": float(len(self.target)),
            "finetune/target_successes": float(self.target.successes),
            "finetune/decisions": float(len(self.decisions)),
        }

    def load_experience(self, path: Path) -> None:
        """Refuse: not built yet."""
        raise InputError(f"finetune.algorithm=q_guided cannot learn from {path}")

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
