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

from configs.ranges import Count, Rate, Share, Whole, Width, between
from datasets.behaviours.critics import Critics, follow
from envs.seeding import derive_seed
from perception.errors import InputError
from policy.finetuning.algorithms.algorithm import DivergedError
from policy.finetuning.algorithms.saved_critics import CriticsForm, SavedCritics
from policy.finetuning.buffers import TargetBuffer
from policy.finetuning.config import FinetuneConfig
from policy.finetuning.decisions import Decided, Decisions
from policy.finetuning.guide import ExploreConfig, Guide, least_value, situation
from policy.planner.planner import Planner
from policy.rollouts.rollout import Rollout

TINY = 1e-6  # The least reward that counts as one.


@dataclass(frozen=True)
class CriticConfig:
    """How critics learn.

    Attributes:
        hidden: Width of their hidden layers.
        count: How many there are; the least of their values counts.
        steps: Gradient steps for each episode played.
        batch: Decisions in each.
        learning_rate: Of Adam.
        discount: Of what follows a chunk.
        tau: Step of the target critics towards the critics, after each gradient step.
    """

    hidden: Width
    count: Annotated[int, between(1, 16)]
    steps: Whole
    batch: Count
    learning_rate: Rate
    discount: Share
    tau: Rate


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
        plan = planner.config
        self._numbers = (
            plan.history * planner.encoder.features + 1,
            plan.chunk * planner.sizes.actions,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed("critics", seed, 0))
            self.critics, self.targets = (
                Critics(*self._numbers, config.critic.hidden, config.critic.count) for _ in range(2)
            )
        self.targets.load_state_dict(self.critics.state_dict())
        self._critic_optimizer = torch.optim.Adam(
            self.critics.parameters(), config.critic.learning_rate, fused=True
        )
        self.decisions = Decisions(config.capacity)
        self.target = TargetBuffer(finetune.target_capacity, finetune.target_top)
        self._generator = torch.Generator().manual_seed(derive_seed("finetune-draws", seed, 0))
        self.gradient_steps = 0
        self.scale = 0.0  # Of rewards; measured before the first step.

    def decide(self, *, explore: bool) -> Guide:
        """How to play: before the first critic's step by the first plan."""
        critics = self.critics if self.scale else None
        return Guide(self._planner, critics, self._config.explore, explore=explore)

    def saved_critics(self) -> SavedCritics | None:
        """Give the critics; None before their first step."""
        critic, (situations, actions) = self._config.critic, self._numbers
        if not self.scale:
            return None
        form = CriticsForm(
            situations,
            actions,
            critic.hidden,
            critic.count,
            sees="context",
            scale=self.scale,
            candidates=self._config.explore.candidates,
        )
        return SavedCritics(self.critics, form)

    def observe(self, rollout: Rollout) -> None:
        """Remember every decision, and the best episodes."""
        self.decisions.add(Decided.of(rollout))
        self.target.add(rollout)

    def update(self, episodes: int, learning_rate: float) -> dict[str, float]:
        """Take the steps of critics, then those of the planner; give means over them.

        Raises:
            DivergedError: A loss or a gradient is not finite.
        """
        self._follow_rewards()
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        critic = [self._critic_step() for _ in range(self._config.critic.steps * episodes)]
        planner = [self._planner_step() for _ in range(self._finetune.gradient_steps * episodes)]
        means = {"critic_loss": critic, "planner_loss": planner}
        return {f"finetune/{name}": sum(v) / max(len(v), 1) for name, v in means.items()}

    def _follow_rewards(self) -> None:
        """Scale rewards by the largest one so far; values that were learned stay true."""
        largest = float(self.decisions.newest().rewards.abs().max())
        scale = 1 / max(largest, TINY)
        if self.scale:
            scale = min(scale, self.scale)
            for critics in (self.critics, self.targets):
                critics.rescale(scale / self.scale)
        self.scale = scale

    def _critic_step(self) -> float:
        config = self._config.critic
        now, following = self.decisions.sample(config.batch, self._generator)
        value = self._values(self.targets, following).amax(dim=1)
        wanted = now.rewards * self.scale + config.discount * value * ~now.last
        executed = self._planner.executed(now.candidates[:, -1]).flatten(1)
        values = self.critics(situation(now.contexts, now.elapsed), executed)
        loss = (values - wanted).square().mean(dim=1).sum()
        self._critic_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._critic_optimizer.step()
        follow(self.targets, self.critics, config.tau)
        return _finite(loss, "the critics' loss")

    def _planner_step(self) -> float:
        imitated = int(self._config.batch * self._config.imitated)
        drawn, _ = self.decisions.sample(self._config.batch - imitated, self._generator)
        best = self._target_chunks(imitated)
        contexts = torch.cat([drawn.contexts, best[0]]).to(self._planner.device)
        plans = torch.cat([self._preferred(drawn), best[1]]).to(self._planner.device)
        loss = self._planner.denoising_loss(contexts, plans, self._generator)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._weights, self._finetune.gradient_norm)
        self._optimizer.step()
        self.gradient_steps += 1
        return _finite(loss, "the planner's loss")

    def _preferred(self, drawn: Decided) -> Tensor:
        """Take what the critics prefer among the candidates."""
        choice = self._values(self.critics, drawn).argmax(dim=1)
        return drawn.candidates[torch.arange(len(drawn)), choice]

    def _values(self, critics: Critics, drawn: Decided) -> Tensor:
        executed = self._planner.executed(drawn.candidates)
        return least_value(critics, situation(drawn.contexts, drawn.elapsed), executed)

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
            "critics": self.critics.state_dict(),
            "targets": self.targets.state_dict(),
            "critic_optimizer": self._critic_optimizer.state_dict(),
            "decisions": self.decisions.state(),
            "target": self.target.state(),
            "generator": self._generator.get_state(),
            "scale": self.scale,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        self.gradient_steps, self.scale = state["gradient_steps"], state["scale"]
        self._optimizer.load_state_dict(state["optimizer"])
        self.critics.load_state_dict(state["critics"])
        self.targets.load_state_dict(state["targets"])
        self._critic_optimizer.load_state_dict(state["critic_optimizer"])
        self.decisions.load(state["decisions"])
        self.target.load(state["target"])
        self._generator.set_state(state["generator"])


def _finite(loss: Tensor, name: str) -> float:
    if not torch.isfinite(loss):
        raise DivergedError(f"{name} is {loss.item()}")
    return loss.item()
