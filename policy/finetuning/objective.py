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
from policy.finetuning.buffers import Chunks, Experience
from policy.finetuning.losses import ImprovementLoss, improvement_loss
from policy.planner.planner import Planner
from policy.planner.schedule import Step, divergence, log_probability

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
        min_std: Least std of a step, in sampling and in log-probabilities.
        ratio: Log-probability of a step as `mean` or `sum` over the executed numbers.
        encoder: `frozen` as pre-trained, every observation encoded once; or `trained` along.
    """

    batch: int
    clip: float
    improvement: float
    regulariser: Regulariser
    regularisation: float
    min_std: float
    ratio: Literal["mean", "sum"]
    encoder: Literal["frozen", "trained"]


@dataclass(frozen=True)
class Terms:
    """Both terms of Eq. 15, not yet weighed, and what to watch."""

    improvement: ImprovementLoss
    regularisation: Float[Tensor, ""]


@dataclass(frozen=True)
class Pairs:
    """Chunks with one denoising step of each, and what the planner now makes of them."""

    chunk: Int[Tensor, " batch"]
    step: Int[Tensor, " batch"]
    contexts: Float[Tensor, "batch context"]
    noisy: Float[Tensor, "batch horizon action"]
    now: Step


class Objective:
    """Eq. 15 for one planner.

    Args:
        planner: Learns; as it is now it is also the prior that `kl` stays near.
        config: See `ObjectiveConfig`.
    """

    def __init__(self, planner: Planner, config: ObjectiveConfig) -> None:
        self.planner, self.config = planner, config
        self._prior: Planner | None = None
        if config.regulariser == "kl":
            self._prior = copy.deepcopy(planner).requires_grad_(requires_grad=False)

    def terms(self, experience: Experience, target: Chunks, generator: torch.Generator) -> Terms:
        """Draw a batch from the replay and one from the target buffer; give both losses."""
        pairs = self._pairs(experience, *experience.draw(self.config.batch, generator))
        improvement = improvement_loss(
            *self._log_probs(experience, pairs),
            experience.weights[pairs.chunk].to(self.planner.device),
            self.config.clip,
        )
        return Terms(improvement, self._regularisation(experience, pairs, target, generator))

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
        return self._log_probs(experience, self._pairs(experience, chunk, step))

    def _pairs(self, experience: Experience, chunk: Tensor, step: Tensor) -> Pairs:
        """Take the reverse steps anew from where they were taken."""
        device = self.planner.device
        contexts = self._contexts(experience.chunks, chunk)
        noisy = experience.samples[chunk, step].to(device)
        now = self.planner.step(noisy, step.to(device), contexts, min_std=self.config.min_std)
        return Pairs(chunk, step, contexts, noisy, now)

    def _log_probs(self, experience: Experience, pairs: Pairs) -> tuple[Tensor, Tensor]:
        device, chunk, step = self.planner.device, pairs.chunk, pairs.step
        taken = experience.samples[chunk, step + 1].to(device)
        then = Step(experience.means[chunk, step].to(device), pairs.now.std)
        return (
            self._reduce(log_probability(taken, pairs.now)),
            self._reduce(log_probability(taken, then)),
        )

    def _regularisation(
        self, experience: Experience, pairs: Pairs, target: Chunks, generator: torch.Generator
    ) -> Float[Tensor, ""]:
        """Give the loss of the chosen regulariser."""
        planner, device = self.planner, self.planner.device
        if self.config.regulariser == "bc":  # mu: the best own episodes.
            best = torch.randint(len(target.plans), (self.config.batch,), generator=generator)
            plans = target.plans[best].to(device)
            return planner.denoising_loss(self._contexts(target, best), plans, generator)
        if self.config.regulariser == "pl":  # mu: the planner itself.
            plans = experience.chunks.plans[pairs.chunk].to(device)
            return planner.denoising_loss(pairs.contexts, plans, generator)
        if self._prior is not None:  # kl. mu: the planner as pre-trained.
            with torch.no_grad():
                seen = self._contexts(experience.chunks, pairs.chunk, self._prior)
                index, min_std = pairs.step.to(device), self.config.min_std
                before = self._prior.step(pairs.noisy, index, seen, min_std=min_std)
            return self._reduce(divergence(pairs.now, before)).mean()
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
