"""Algorithm 1 of the paper: the planner's denoising steps learn by policy gradient, held by a term.

After each rollout the newest episodes go into the replay buffer B and the best ones into the target
buffer; then p_step gradient steps per episode minimise Eq. 15 (`policy/finetuning/objective.py`).
The paper's B keeps all episodes; here the oldest leave, whose ratios are clipped away.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import Tensor

from configs.build import Inline
from configs.kinds import OneOf
from datasets.behaviours.training_state import fitting
from envs.seeding import derive_seed
from perception.errors import InputError
from policy.finetuning.buffers import ReplayBuffer, TargetBuffer
from policy.finetuning.config import FinetuneConfig
from policy.finetuning.diverging import DivergedError, read
from policy.finetuning.experience import Chunks, Experience
from policy.finetuning.minibatch import Minibatch, MinibatchConfig
from policy.finetuning.objective import Objective
from policy.finetuning.states import read_experience
from policy.finetuning.terms.term import TERMS, TermConfig, TermLoss
from policy.planner.planner import FirstPlan, Planner
from policy.rollouts.rollout import Rollout
from policy.runs.device import autocast

TOTAL = "total loss"  # Watched beside the terms, whose names have no space.


@dataclass(frozen=True)
class Config:
    """How SODP learns.

    Attributes:
        minibatch: How minibatches are sampled and evaluated.
        terms: What is minimised: the terms' configurations by name.
    """

    kind: str
    minibatch: Annotated[MinibatchConfig, Inline()]
    terms: dict[str, Annotated[TermConfig, OneOf(TERMS)]]


def make(config: Config, planner: Planner, finetune: FinetuneConfig, seed: int) -> "SODP":
    """Make the algorithm."""
    return SODP(config, planner, finetune, seed)


class SODP:
    """The algorithm's two buffers, optimiser and objective; see `Algorithm`."""

    def __init__(
        self, config: Config, planner: Planner, finetune: FinetuneConfig, seed: int
    ) -> None:
        self._config, self._finetune, self._planner = config, finetune, planner
        self.keep_observations = config.minibatch.encoder == "trained"
        if self.keep_observations and planner.observes == "image":
            raise InputError(
                "finetune.algorithm.encoder=trained keeps the clouds that were seen, and no"
                " pictures: choose encoder=frozen"
            )
        planner.requires_grad_(requires_grad=False)
        planner.denoiser.requires_grad_(requires_grad=True)
        planner.encoder.requires_grad_(self.keep_observations)
        self._weights = [w for w in planner.parameters() if w.requires_grad]
        self._optimizer = torch.optim.Adam(self._weights, fused=True)
        self.objective = Objective(planner, config.terms)
        self.replay = ReplayBuffer(finetune.replay_capacity)
        self.target = TargetBuffer.of(finetune, finetune.target_top)
        self._generator = torch.Generator().manual_seed(derive_seed("finetune-draws", seed, 0))
        self._by_start = finetune.group_size > 1
        self.gradient_steps = 0

    def decide(self, *, explore: bool) -> FirstPlan:
        """Follow the planner's first plan; every denoising step has some noise while exploring."""
        return FirstPlan(self._planner, self._config.minibatch.min_std if explore else 0.0)

    def observe(self, rollout: Rollout) -> None:
        """Remember episodes: the newest, and the best."""
        self.replay.add(rollout)
        self.target.add(rollout)

    def update(self, episodes: int, learning_rate: float) -> dict[str, float]:
        """Take p_step gradient steps per episode on Eq. 15; give means over them.

        Raises:
            DivergedError: The loss, the ratio or the gradient has exploded.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        experience = self.replay.experience(self._finetune.advantage, by_start=self._by_start)
        experience = experience.kept_on(self._planner.device)
        target = self.target.chunks().kept_on(self._planner.device)
        steps = self._finetune.gradient_steps * episodes
        means = self._gradient_norms(self._minibatch(experience, target))
        watched = [self.gradient_step(self._minibatch(experience, target)) for _ in range(steps)]
        for values in read(watched):
            self._check(values)
            for name, value in values.items():
                means[name] = means.get(name, 0.0) + value / steps
        means.pop(TOTAL, None)
        return {f"finetune/{name}": value for name, value in means.items()}

    def finish(self) -> None:
        """Do nothing more: everything was learned along the way."""

    def gradient_step(self, minibatch: Minibatch) -> dict[str, Tensor]:
        """Take one step; give what to watch of it, `TOTAL` included.

        Raises:
            DivergedError: It would spoil the weights; on the CPU only, where asking costs nothing.
        """
        with autocast(self._finetune.precision, self._planner.device):
            losses = self.objective.losses(minibatch)
        watched = {name: value for term in losses.values() for name, value in term.metrics.items()}
        total = self.objective.total(losses)
        self._check_at_once({TOTAL: total, **watched})
        self._optimizer.zero_grad(set_to_none=True)
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_(self._weights, self._finetune.gradient_norm)
        self._check_at_once({"gradient_norm": norm})
        self._optimizer.step()
        self.gradient_steps += 1
        return {**_named_losses(losses), **watched, "gradient_norm": norm, TOTAL: total.detach()}

    def summary(self) -> dict[str, float]:
        """Say how many episodes are imitated, and how many of them succeeded."""
        return {
            "finetune/target_episodes": float(len(self.target)),
            "finetune/target_successes": float(self.target.successes),
        }

    def load_experience(self, path: Path) -> None:
        """Take over both buffers of a finished run.

        Raises:
            InputError: The file is missing or another, or no two of its episodes began alike.
        """
        with fitting(path):
            replay, target = read_experience(path, by_start=self._by_start)
            self.replay.load(replay)
            self.target.load(target)

    def state(self) -> dict[str, Any]:
        """Everything but the planner that the next update depends on."""
        return {
            "gradient_steps": self.gradient_steps,
            "optimizer": self._optimizer.state_dict(),
            "replay": self.replay.state(),
            "target": self.target.state(),
            "generator": self._generator.get_state(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        self.gradient_steps = state["gradient_steps"]
        self._optimizer.load_state_dict(state["optimizer"])
        self.replay.load(state["replay"])
        self.target.load(state["target"])
        self._generator.set_state(state["generator"])

    def _minibatch(self, experience: Experience, target: Chunks) -> Minibatch:
        config = self._config.minibatch
        return Minibatch.sample(self._planner, config, experience, target, self._generator)

    def _gradient_norms(self, minibatch: Minibatch) -> dict[str, float]:
        """Give the gradient norm of each weighted term alone: none should drown the others."""
        norms = {}
        with autocast(self._finetune.precision, self._planner.device):
            weighted = self.objective.weighted(self.objective.losses(minibatch))
        for name, loss in weighted.items():
            gradients: tuple[Tensor | None, ...] = ()
            if loss.requires_grad:
                gradients = torch.autograd.grad(
                    loss, self._weights, retain_graph=True, allow_unused=True
                )
            squares = [g.square().sum() for g in gradients if g is not None]
            norms[f"{name}_norm"] = sum(torch.stack(squares).tolist()) ** 0.5 if squares else 0.0
        return norms

    def _check_at_once(self, watched: Mapping[str, Tensor]) -> None:
        """Stop before a step that would spoil the weights, where nothing must be waited for."""
        if self._planner.device.type == "cpu":
            self._check({name: value.item() for name, value in watched.items()})

    def _check(self, watched: Mapping[str, float]) -> None:
        """Stop at numbers from which no step leads back.

        Raises:
            DivergedError: The loss or the gradient is not finite, or the ratio has exploded.
        """
        if not isfinite(watched.get(TOTAL, 0.0)):
            raise DivergedError(f"the loss is {watched[TOTAL]}")
        largest, ratio = self._finetune.largest_ratio, watched.get("ratio", 0.0)
        if not ratio < largest:
            raise DivergedError(f"the mean ratio is {ratio:.3g}, beyond {largest:g}")
        if not isfinite(watched.get("gradient_norm", 0.0)):
            raise DivergedError(f"the norm of the gradient is {watched['gradient_norm']}")


def _named_losses(losses: Mapping[str, TermLoss]) -> dict[str, Tensor]:
    return {f"{name}_loss": term.loss.detach() for name, term in losses.items()}
