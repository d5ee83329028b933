"""What fine-tuning minimises: Eq. 15, the improvement of Eq. 12 and one of four regularisers.

`bc` clones the best own episodes (Eq. 14), `kl` stays near the pre-trained planner (Eq. 23), `pl`
repeats the pre-training loss on whatever the planner does (Eq. 24), `none` lets Eq. 12 alone.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from perception.observation import Observation
from policy.buffers import Chunks, Experience
from policy.losses import ImprovementLoss, improvement_loss
from policy.planner import Planner
from policy.schedule import Step, divergence, log_probability

Regulariser = Literal["bc", "kl", "pl", "none"]


@dataclass(frozen=True)
class ObjectiveConfig:
    """What to minimise. Names of the paper in brackets.

    Attributes:
        batch: Pairs of the improvement loss, and chunks of the regulariser, per update.
        clip: How far the ratio of a step may leave 1 (epsilon).
        improvement: Weight of Eq. 12; 0 leaves the regulariser alone.
        regulariser: See the module.
        regularisation: Its weight (lambda).
        floor: Least deviation of a step, in sampling and in log-probabilities.
        ratio: Log-probability of a step as `mean` or `sum` over the executed numbers.
        encoder: `frozen` as pre-trained, every observation encoded once; or `trained` along.
    """

    batch: int
    clip: float
    improvement: float
    regulariser: Regulariser
    regularisation: float
    floor: float
    ratio: Literal["mean", "sum"]
    encoder: Literal["frozen", "trained"]


@dataclass(frozen=True)
class Terms:
    """Both terms of Eq. 15, not yet weighed, and what to watch."""

    improvement: ImprovementLoss
    regularisation: Float[Tensor, ""]


class Objective:
    """Eq. 15 for one planner.

    Args:
        planner: Learns; as it is now it is also the prior that `kl` stays near.
        config: See `ObjectiveConfig`.
    """

    def __init__(self, planner: Planner, config: ObjectiveConfig) -> None:
        self.planner, self.config = planner, config
        self._prior = copy.deepcopy(planner).requires_grad_(requires_grad=False)

    def terms(self, experience: Experience, target: Chunks, generator: torch.Generator) -> Terms:
        """Draw a batch from the replay and one from the target buffer; give both losses."""
        chunk, step = experience.draw(self.config.batch, generator)
        contexts = self._contexts(experience.chunks, chunk)
        now, taken, then = self._steps(experience, chunk, step, contexts)
        weights = experience.weights[chunk].to(self.planner.device)
        improvement = improvement_loss(
            self._reduce(log_probability(taken, now)),
            self._reduce(log_probability(taken, then)),
            weights,
            self.config.clip,
        )
        drawn = (experience, chunk, step, contexts, now)
        return Terms(improvement, self._regularisation(*drawn, target, generator))

    def weighed(self, terms: Terms) -> Float[Tensor, ""]:
        """Eq. 15."""
        config = self.config
        return config.improvement * terms.improvement.loss + (
            config.regularisation * terms.regularisation
        )

    def log_probs(
        self, experience: Experience, chunk: Int[Tensor, " batch"], step: Int[Tensor, " batch"]
    ) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
        """Log-probability of denoising steps under the planner now, and when they were taken."""
        contexts = self._contexts(experience.chunks, chunk)
        now, taken, then = self._steps(experience, chunk, step, contexts)
        return (
            self._reduce(log_probability(taken, now)),
            self._reduce(log_probability(taken, then)),
        )

    def _steps(
        self, experience: Experience, chunk: Tensor, step: Tensor, contexts: Tensor
    ) -> tuple[Step, Tensor, Step]:
        """Give the reverse steps now, what was drawn, and the reverse steps of then."""
        device = self.planner.device
        noisy = experience.samples[chunk, step].to(device)
        taken = experience.samples[chunk, step + 1].to(device)
        now = self.planner.step(noisy, step.to(device), contexts, floor=self.config.floor)
        return now, taken, Step(experience.means[chunk, step].to(device), now.deviation)

    def _regularisation(
        self,
        experience: Experience,
        chunk: Tensor,
        step: Tensor,
        contexts: Tensor,
        now: Step,
        target: Chunks,
        generator: torch.Generator,
    ) -> Float[Tensor, ""]:
        """Give the loss of the chosen regulariser."""
        planner, device = self.planner, self.planner.device
        if self.config.regulariser == "bc":  # mu: the best own episodes.
            best = torch.randint(len(target.plans), (self.config.batch,), generator=generator)
            plans = target.plans[best].to(device)
            return planner.denoising_loss(self._contexts(target, best), plans, generator)
        if self.config.regulariser == "pl":  # mu: the planner itself.
            plans = experience.chunks.plans[chunk].to(device)
            return planner.denoising_loss(contexts, plans, generator)
        if self.config.regulariser == "kl":  # mu: the planner as pre-trained.
            noisy = experience.samples[chunk, step].to(device)
            with torch.no_grad():
                seen = self._contexts(experience.chunks, chunk, self._prior)
                before = self._prior.step(noisy, step.to(device), seen, floor=self.config.floor)
            return self._reduce(divergence(now, before)).mean()
        return torch.zeros((), device=device)

    def _contexts(
        self, chunks: Chunks, index: Int[Tensor, " batch"], planner: Planner | None = None
    ) -> Float[Tensor, "batch context"]:
        """Give what the encoder made of histories, or makes of them now if it learns along."""
        if self.config.encoder == "frozen":
            return chunks.contexts[index].to(self.planner.device)
        encode: Callable[[Observation[Tensor]], Tensor] = (planner or self.planner).encode
        points, state = (
            part[index].to(self.planner.device) for part in (chunks.points, chunks.state)
        )
        return encode(Observation(points, state))

    def _reduce(self, values: Float[Tensor, "batch horizon action"]) -> Float[Tensor, " batch"]:
        """Only the executed actions count: the others never met the task."""
        executed = self.planner.executed(values)
        if self.config.ratio == "mean":
            return executed.mean(dim=(1, 2))
        return executed.sum(dim=(1, 2))
