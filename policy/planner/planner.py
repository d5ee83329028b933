"""The diffusion planner: encoder, denoiser and schedule (SODP, Section 3.1).

Dimension legend: B batch, H horizon, A action, S sampling steps; a chain has S + 1 links.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from jaxtyping import Float, Int
from torch import Tensor, nn

from configs.kinds import make_kind
from datasets.windows import Batch
from perception.encoders.encoder import Encoder
from perception.errors import InputError
from perception.observation import Encoded, Observation, Observes
from policy.planner.config import DENOISERS, ENCODERS, PlannerConfig, Sizes
from policy.planner.denoisers.denoiser import Denoiser
from policy.planner.normalizer import Normalizer
from policy.planner.schedule import Chain, Noising, Schedule, Step


class NotFiniteError(InputError):
    """What a planner computes is not finite."""


class Planner(nn.Module):
    """Plans the next actions from recent observations.

    Args:
        config: See `PlannerConfig`.
        sizes: The data's dimensions.
    """

    alpha_bar: Tensor
    grid: Tensor
    reverse: Tensor

    def __init__(self, config: PlannerConfig, sizes: Sizes) -> None:
        super().__init__()
        config.check()
        self.config, self.sizes = config, sizes
        self.normalizer = Normalizer(sizes.channels, sizes.robot_state, sizes.actions)
        per_point = sizes.channels
        self.encoder: Encoder = make_kind(ENCODERS, config.encoder, per_point, sizes.robot_state)
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

    @property
    def observes(self) -> Observes:
        """What the encoder takes; see `Encoder.observes`."""
        return self.encoder.observes

    @property
    def device(self) -> torch.device:
        """Where the planner lives."""
        return self.normalizer.actions.shift.device

    def encode(
        self, observations: Observation[Tensor] | Encoded[Tensor]
    ) -> Float[Tensor, "batch context"]:
        """Encode histories; leading axes batch, history."""
        return cast(Tensor, self.encoder(self.normalizer(observations)).flatten(1))

    def visual(
        self, points: Float[Tensor, "*lead point channel"]
    ) -> Float[Tensor, "*lead feature"]:
        """Encode clouds alone: the features that `policy/encode.py` keeps."""
        return self.encoder.visual(self.normalizer.points(points))

    def noising(self, count: int, generator: torch.Generator | None = None) -> Noising:
        """Draw noise and denoising steps for as many chunks."""
        shape = (count, self.config.horizon, self.sizes.actions)
        noise = torch.randn(shape, generator=generator)
        return Noising(noise, torch.randint(len(self.alpha_bar), (count,), generator=generator))

    def loss(self, batch: Batch, noising: Noising) -> Float[Tensor, ""]:
        """Compute the pre-training loss (Eq. 7): the error of a prediction from noisy chunks."""
        context = self.encode(batch.observations)
        return self.noised_loss(context, self.normalizer.actions(batch.actions), noising)

    def denoising_loss(
        self,
        context: Float[Tensor, "batch context"],
        actions: Float[Tensor, "batch horizon action"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, ""]:
        """Compute the same for encoded contexts and normalised actions (also Eq. 14)."""
        return self.noised_loss(context, actions, self.noising(len(actions), generator))

    def noised_loss(
        self,
        context: Float[Tensor, "batch context"],
        actions: Float[Tensor, "batch horizon action"],
        noising: Noising,
    ) -> Float[Tensor, ""]:
        """Compute the same with noise that is drawn already."""
        noise, k = noising.noise.to(actions), noising.k.to(actions.device)
        predicted = self.denoiser(self.schedule.add_noise(actions, noise, k), k, context)
        return F.mse_loss(predicted, noise if self.config.prediction == "noise" else actions)

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
            noises: The start, then the noise of each step, all standard normal.
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

    def executed(
        self, plan: Float[Tensor, "*lead horizon action"]
    ) -> Float[Tensor, "*lead chunk action"]:
        """Cut out the actions to execute: the current one and those that follow it."""
        first = self.config.history - 1
        return plan[..., first : first + self.config.chunk, :]

    def to_actions(
        self, plan: Float[Tensor, "*lead horizon action"]
    ) -> Float[Tensor, "*lead chunk action"]:
        """Turn a plan into actions of the task, in [-1, 1].

        Raises:
            NotFiniteError: It is not finite.
        """
        actions = self.normalizer.actions.inverse(self.executed(plan).clamp(-1, 1))
        if not bool(actions.isfinite().all()):
            raise NotFiniteError(
                "The planner's actions are not finite (NaN): its weights have diverged, or what it"
                " observes is not finite; act with an earlier checkpoint"
            )
        return actions.clamp(-1, 1)

    def noises(
        self, generators: Sequence[torch.Generator]
    ) -> Float[Tensor, "batch links horizon action"]:
        """Draw what `sample` needs, each element of the batch from a generator of its own."""
        shape = (len(self.grid) + 1, self.config.horizon, self.sizes.actions)
        return torch.stack([torch.randn(shape, generator=g) for g in generators]).to(self.device)

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
