"""The diffusion planner: encoder, denoiser and schedule (SODP, Section 3.1).

Dimension legend: B batch, H horizon, A action, S sampling steps; a chain has S + 1 links.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from jaxtyping import Float, Int
from torch import Tensor

from configs.kinds import make_kind
from perception.transfer import moved
from policy.planner.config import DENOISERS, PlannerConfig, Sizes
from policy.planner.decision import Decision
from policy.planner.denoisers.denoiser import Denoiser
from policy.planner.policy import Draws, Policy
from policy.planner.schedule import Chain, Schedule, Step


class Planner(Policy):
    """Plans the next actions from recent observations.

    Args:
        config: See `PlannerConfig`.
        sizes: The data's dimensions.
    """

    alpha_bar: Tensor
    grid: Tensor
    reverse: Tensor

    def __init__(self, config: PlannerConfig, sizes: Sizes) -> None:
        super().__init__(config, sizes)
        self.config: PlannerConfig = config
        self.denoiser = self._fresh_denoiser()
        schedule = Schedule.cosine(
            config.denoising_steps, config.sampling_steps, config.eta, config.spacing
        )
        self.register_buffer("alpha_bar", schedule.alpha_bar, persistent=False)
        self.register_buffer("grid", schedule.grid, persistent=False)
        self.register_buffer("reverse", schedule.reverse, persistent=False)

    def reset_denoiser(self, seed: int) -> None:
        """Give the denoiser fresh weights; encoder and normaliser stay."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            fresh = self._fresh_denoiser()
        with torch.no_grad():  # In place: optimisers hold these tensors.
            for old, new in zip(self.denoiser.parameters(), fresh.parameters(), strict=True):
                old.copy_(new)

    @property
    def schedule(self) -> Schedule:
        """The noise schedule, on the planner's device."""
        return Schedule(self.alpha_bar, self.grid, self.reverse)

    def draw(self, count: int, generator: torch.Generator | None = None) -> Draws:
        """Draw the noise for as many chunks, and denoising steps that say how much of it."""
        shape = (count, self.config.horizon, self.sizes.actions)
        noise = torch.randn(shape, generator=generator)
        return noise, torch.randint(len(self.alpha_bar), (count,), generator=generator)

    def denoising_loss(
        self,
        context: Float[Tensor, "batch context"],
        actions: Float[Tensor, "batch horizon action"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, ""]:
        """Compute the loss of encoded contexts and normalised actions with fresh noise (Eq. 14)."""
        return self.loss_of(context, actions, self.draw(len(actions), generator))

    def loss_of(
        self,
        context: Float[Tensor, "batch context"],
        actions: Float[Tensor, "batch horizon action"],
        drawn: Draws,
    ) -> Float[Tensor, ""]:
        """Compute the pre-training loss (Eq. 7): the error of a prediction from noisy chunks."""
        noise, k = (moved(part, actions.device) for part in drawn)
        predicted = self.denoiser(self.schedule.add_noise(actions, noise, k), k, context)
        return F.mse_loss(predicted, noise if self.config.prediction == "noise" else actions)

    def begin(self, count: int) -> "FirstPlan":
        """Give what follows the first plan; it remembers nothing."""
        return FirstPlan(self)

    def step(
        self,
        noisy: Float[Tensor, "batch horizon action"],
        index: Int[Tensor, " batch"],
        context: Float[Tensor, "batch context"],
        *,
        min_std: float,
    ) -> Step:
        """Give the reverse step from noisy chunks at positions of the sampling grid."""
        conditions = self.denoiser.conditions(self.schedule.grid[index], context)
        return self._step(noisy, index, conditions, min_std)

    @torch.no_grad()
    def sample(
        self,
        context: Float[Tensor, "batch context"],
        noises: Float[Tensor, "batch links horizon action"],
        *,
        min_std: float = 0.0,
    ) -> Chain:
        """Denoise from given noise.

        Args:
            context: Encoded histories.
            noises: The start, then the noise of each step, all standard normal or colder.
            min_std: Least std of a step, for exploration (DPPO); 0 leaves DDIM's own.
        """
        samples, means = [noises[:, 0]], []
        # All at once: they depend on the step and the context, not on the chunk.
        conditions = self.denoiser.conditions_of_steps(self.schedule.grid, context)
        for position, of_step in enumerate(conditions):
            step = self._step(samples[-1], position, of_step, min_std)
            samples.append(step.mean + step.std * noises[:, position + 1])
            means.append(step.mean)
        return Chain(torch.stack(means, dim=1), torch.stack(samples, dim=1))

    def noises(
        self, generators: Sequence[torch.Generator], temperature: float | None = None
    ) -> Float[Tensor, "batch links horizon action"]:
        """Draw what `sample` needs, each element of the batch from a generator of its own.

        Args:
            generators: Of the noise.
            temperature: What it is multiplied by; None: the planner's own temperature.
        """
        shape = (len(self.grid) + 1, self.config.horizon, self.sizes.actions)
        drawn = torch.stack([torch.randn(shape, generator=g) for g in generators])
        own = self.config.temperature if temperature is None else temperature
        return moved(drawn * own, self.device)

    def at_temperature(self, temperature: float) -> "Planner":
        """Have it plan from so much noise from now on; see `PlannerConfig`. Gives itself."""
        self.config = replace(self.config, temperature=temperature)
        return self

    def facts(self) -> dict[str, Any]:
        """Say how it denoises, for whoever reads a page."""
        plan = self.config
        steps = f"{plan.sampling_steps} of {plan.denoising_steps} steps, eta {plan.eta:g}"
        return {"denoising": f"{steps}, temperature {plan.temperature:g}"}

    def fixed_weights(self) -> AbstractContextManager[None]:
        """Promise that no weight changes inside the `with`: what follows from them may be kept."""
        return self.denoiser.fixed_weights()

    def _fresh_denoiser(self) -> Denoiser[Any]:
        sizes = (
            self.config.horizon,
            self.sizes.actions,
            self.config.history * self.encoder.features,
        )
        return cast(Denoiser[Any], make_kind(DENOISERS, self.config.denoiser, *sizes))

    def _step(
        self,
        noisy: Float[Tensor, "batch horizon action"],
        index: Int[Tensor, " batch"] | int,
        conditions: Any,  # noqa: ANN401 (only the denoiser knows its type)
        min_std: float,
    ) -> Step:
        predicted = self.denoiser.denoise(noisy, conditions)
        return self.schedule.step(
            predicted,
            noisy,
            index,
            prediction=self.config.prediction,
            min_std=min_std,
            use_clipped_model_output=self.config.use_clipped_model_output,
        )


@dataclass(frozen=True)
class FirstPlan:
    """Follows the planner's first plan.

    Attributes:
        planner: Plans.
        min_std: See `Planner.sample`.
    """

    planner: Planner
    min_std: float = 0.0

    def __call__(
        self,
        contexts: Float[Tensor, "env context"],
        generators: Sequence[torch.Generator],
        elapsed: int,
        features: Float[Tensor, "env feature"] | None = None,
    ) -> Decision:
        """Sample one plan for each episode."""
        exploring = 1.0 if self.min_std else None  # Its chances follow from standard noise.
        noises = self.planner.noises(generators, exploring)
        chain = self.planner.sample(contexts, noises, min_std=self.min_std)
        return Decision.of(chain.plan, chain)
