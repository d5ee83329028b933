"""What one gradient step learns from: chunks, one denoising step of each, and good examples."""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from configs.ranges import Rate, between
from perception.observation import Observation
from perception.transfer import moved
from policy.finetuning.experience import Chunks, Experience
from policy.planner.planner import Planner
from policy.planner.schedule import Step


@dataclass(frozen=True)
class MinibatchConfig:
    """How minibatches are sampled and evaluated.

    Attributes:
        batch: Pairs of a chunk and a denoising step, and examples to imitate, in each.
        min_std: Least std of a denoising step, in sampling and in log-probabilities.
        reduction: Log-probability of a step as `mean` or `sum` over the executed numbers.
        encoder: `frozen` as pre-trained, every observation encoded once; or `trained` along.
    """

    batch: Annotated[int, between(1, 2**20)]
    min_std: Rate
    reduction: Literal["mean", "sum"]
    encoder: Literal["frozen", "trained"]


@dataclass(frozen=True)
class Minibatch:
    """Pairs of a chunk and a denoising step, and what the planner makes of them now.

    What is computed is computed once, at the first use: terms share it.

    Attributes:
        planner: Learns.
        config: See `MinibatchConfig`.
        experience: Where the pairs are from.
        target: Chunks of the best episodes.
        generator: Of everything random in the terms.
        chunk: Which chunk each pair has.
        step: Which denoising step; it leads from `samples[chunk, step]` to the next.
    """

    planner: Planner
    config: MinibatchConfig
    experience: Experience
    target: Chunks
    generator: torch.Generator
    chunk: Int[Tensor, " batch"]
    step: Int[Tensor, " batch"]

    @classmethod
    def sample(
        cls,
        planner: Planner,
        config: MinibatchConfig,
        experience: Experience,
        target: Chunks,
        generator: torch.Generator,
    ) -> "Minibatch":
        """Choose the pairs."""
        chunk, step = experience.sample(config.batch, generator)
        return cls(planner, config, experience, target, generator, chunk, step)

    @cached_property
    def contexts(self) -> Float[Tensor, "batch context"]:
        """What the encoder makes of the pairs' histories."""
        return self.encode(self.experience.chunks, self.chunk)

    @cached_property
    def noisy(self) -> Float[Tensor, "batch horizon action"]:
        """Where the pairs' denoising steps begin."""
        return self._here(self.experience.samples[self.chunk, self.step])

    @cached_property
    def taken(self) -> Float[Tensor, "batch horizon action"]:
        """Where they led."""
        return self._here(self.experience.samples[self.chunk, self.step + 1])

    @cached_property
    def now(self) -> Step:
        """The distribution of the pairs' denoising steps under the planner as it is now."""
        return self.step_of(self.planner, self.contexts)

    @cached_property
    def then(self) -> Step:
        """The same under the planner that took them."""
        means = self._here(self.experience.means[self.chunk, self.step])
        return Step(means, self.now.std)

    @cached_property
    def advantages(self) -> Float[Tensor, " batch"]:
        """How good the pairs' chunks were."""
        return self._here(self.experience.advantages[self.chunk])

    def step_of(self, planner: Planner, contexts: Float[Tensor, "batch context"]) -> Step:
        """Give the distribution of the pairs' denoising steps under any planner."""
        return planner.step(
            self.noisy, self._here(self.step), contexts, min_std=self.config.min_std
        )

    def encode(
        self, chunks: Chunks, index: Int[Tensor, " batch"], planner: Planner | None = None
    ) -> Float[Tensor, "batch context"]:
        """Give what the encoder made of histories, or makes of them now if it learns along."""
        if self.config.encoder == "frozen":
            return self._here(chunks.contexts[index])
        points, robot_state = chunks.points[index], chunks.robot_state[index]
        seen = Observation(self._here(points), self._here(robot_state))
        return (planner or self.planner).encode(seen)

    def reduce(self, values: Float[Tensor, "batch horizon action"]) -> Float[Tensor, " batch"]:
        """Average or sum over the executed actions: the others had no effect on the task."""
        executed = self.planner.executed(values)
        if self.config.reduction == "mean":
            return executed.mean(dim=(1, 2))
        return executed.sum(dim=(1, 2))

    def _here(self, values: Tensor) -> Tensor:
        """Move to the planner's device, where it is not there yet."""
        return moved(values, self.planner.device)
