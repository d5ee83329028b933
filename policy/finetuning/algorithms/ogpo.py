"""OGPO with conservative advantages (arXiv 2605.03065): Eq. 12 judged by critics, within groups.

In situations of the replay a slow copy of the planner plans several times; every critic compares
these plans with each other, and where all agree that one is better (or worse) than the group, the
chain that led to it becomes likelier (or less so), by PPO's clipped ratio. The best episodes are
imitated beside that (Eq. 14). Chains are drawn anew for each step: nothing is ever off-policy.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from jaxtyping import Float
from torch import Tensor

from configs.ranges import Count, NotNegative, Rate, between
from datasets.behaviours.critics import follow
from policy.finetuning.config import FinetuneConfig
from policy.finetuning.diverging import Watched
from policy.finetuning.experience import Chunks, Experience
from policy.finetuning.guided.learner import CriticLearner, LearnerConfig
from policy.finetuning.minibatch import Minibatch, MinibatchConfig
from policy.finetuning.terms.ppo import clipped_loss, log_probabilities
from policy.planner.planner import Planner


@dataclass(frozen=True)
class Config(LearnerConfig):
    """How to learn from groups of plans.

    Attributes:
        batch: Situations in a gradient step of the planner.
        group: Plans that are compared in each, G.
        links: Denoising steps of each chain that a gradient step takes; the recipe takes all.
        clip: How far the ratio of a chain may leave 1; it is of a mean over steps and numbers.
        tau: Step of the planner's slow copy towards it, after each gradient step.
        imitated: Chunks of the target buffer beside them.
        imitation: Weight of these.
    """

    batch: Annotated[int, between(1, 2**16)]
    group: Annotated[int, between(2, 256)]
    links: Count
    clip: Rate
    tau: Rate
    imitated: Annotated[int, between(1, 2**20)]
    imitation: NotNegative


def make(config: Config, planner: Planner, finetune: FinetuneConfig, seed: int) -> "OGPO":
    """Make the algorithm."""
    return OGPO(config, planner, finetune, seed)


class OGPO(CriticLearner):
    """Plays by the best plan, and learns from groups of them; see `Algorithm`."""

    def __init__(
        self, config: Config, planner: Planner, finetune: FinetuneConfig, seed: int
    ) -> None:
        super().__init__(config, planner, finetune, seed)
        self._config = config
        self._slow = copy.deepcopy(planner).requires_grad_(requires_grad=False)

    def finish(self) -> None:
        """Do nothing more: everything was learned along the way."""

    def _planner_step(self) -> Watched:
        if self.gradient_steps == 0:  # The planner may have been reset since.
            self._slow.load_state_dict(self._planner.state_dict())
        config = self._config
        drawn = self._groups()
        now, then = (
            log_probability.unflatten(0, (len(drawn.experience), -1)).mean(dim=1)
            for log_probability in log_probabilities(drawn)
        )
        advantages = drawn.experience.advantages
        improve = clipped_loss(now, then, advantages, config.clip)
        watched = {**improve.metrics, "ppo_loss": improve.loss}
        loss = improve.loss
        if imitated := self._imitable(config.imitated):
            watched["bc_loss"] = self._denoising_loss(imitated)
            loss = loss + config.imitation * watched["bc_loss"]
        total = self._descend(loss)
        follow(self._slow.denoiser, self._planner.denoiser, config.tau)
        agreed = {"agreed": (advantages != 0).float().mean(), "advantage": advantages.abs().mean()}
        numbers = {name: value.detach() for name, value in {**watched, **agreed}.items()}
        return {"planner_loss": total, **numbers}

    @torch.no_grad()
    def _groups(self) -> Minibatch:
        """Plan in situations of the replay; give denoising steps of all chains, chain by chain."""
        config, generator = self._config, self._generator
        drawn = self._drawn(config.batch)
        contexts = drawn.contexts.repeat_interleave(config.group, dim=0)
        noises = self._slow.noises([generator] * len(contexts), 1.0)
        with self._slow.denoiser.fixed_weights():
            chain = self._slow.sample(contexts, noises, min_std=config.explore.min_std)
        plans = chain.plan.clamp(-1, 1)
        grouped = plans.unflatten(0, (config.batch, config.group))
        unseen = plans[:, None][:, :0]  # Of no history: contexts are enough for a frozen encoder.
        experience = Experience(
            Chunks(contexts, points=unseen, robot_state=unseen[:, :, 0], plans=plans),
            chain.means,
            chain.samples,
            conservative(against_group(self.critics.each(drawn, grouped))).flatten(),
        )
        order = torch.rand(chain.means.shape[:2], generator=generator).argsort(dim=1)
        step = order[:, : config.links]
        index = torch.arange(len(experience))[:, None].expand_as(step)
        how = MinibatchConfig(step.numel(), config.explore.min_std, "mean", "frozen")
        pairs = index.flatten(), step.flatten()
        return Minibatch(self._planner, how, experience, experience.chunks, generator, *pairs)

    def state(self) -> dict[str, Any]:
        """Everything but the planner that the next update depends on."""
        return {**super().state(), "slow": self._slow.denoiser.state_dict()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        super().load(state)
        self._slow.denoiser.load_state_dict(state["slow"])


def against_group(
    values: Float[Tensor, "critic batch group"],
) -> Float[Tensor, "critic batch group"]:
    """Compare each plan with the mean of its group, by every critic."""
    return values - values.mean(dim=-1, keepdim=True)


def conservative(
    advantages: Float[Tensor, "critic batch group"],
) -> Float[Tensor, "batch group"]:
    """Take what all critics grant: the nearest to 0 where they agree on the sign, else 0."""
    return advantages.amin(dim=0).clamp(min=0) + advantages.amax(dim=0).clamp(max=0)
