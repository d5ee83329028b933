"""MeanFlow: plans in one step, by the mean velocity from noise to them (Geng et al., 2025).

Plans and noise are joined by straight lines, a_t = (1 - t) a + t noise. A network learns the mean
velocity u(a_t, r, t) between two moments from the identity u = v - (t - r) du/dt, whose derivative
is a Jacobian-vector product. One step then leads from noise to a plan: a = noise - u(noise, 0, 1).
MP1 (Sheng et al., 2025) plans from point clouds in this way.

What the network gives out is the plan that the velocity comes from, u = (a_t - plan) / t: all of
the noise is in a velocity, and small networks pass it on badly.

The networks are the planner's denoisers: they are told the later moment in place of the denoising
step, and the time between the two beside the context.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor

from configs.kinds import Kind, OneOf, make_kind
from configs.ranges import Share
from policy.planner.config import DENOISERS, PolicyConfig, Sizes, check_halved
from policy.planner.decision import Decision
from policy.planner.denoisers.denoiser import Denoiser, sinusoids
from policy.planner.policy import Draws, Policy

TIMES = 10.0  # What a moment in [0, 1] is multiplied by before it is embedded.
BETWEEN = 32  # Numbers that the time between two moments is embedded as.
MIDDLE, SPREAD = -0.4, 1.0  # Moments are drawn by a log-normal law.
SOON = 0.05  # A moment this near to the plan, at which velocities stop growing.
SMALL = 1e-3  # Keeps the weight of a small error finite.


@dataclass(frozen=True, kw_only=True)
class Config(PolicyConfig):
    """How to learn the mean velocity.

    Attributes:
        denoiser: Which network, and its sizes.
        apart: Share of training chunks whose two moments differ; for the others it is the velocity.
    """

    kind: Literal["flow"]
    denoiser: Annotated[Kind, OneOf(DENOISERS)]
    apart: Share

    def check(self) -> None:
        """Refuse numbers that do not go together.

        Raises:
            InputError: The network cannot halve the plan.
        """
        super().check()
        check_halved(self.horizon, self.denoiser)


class MeanFlow(Policy):
    """The policy; see `Policy`."""

    config: Config

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__(config, sizes)
        context = config.history * self.encoder.features + BETWEEN
        made = make_kind(DENOISERS, config.denoiser, config.horizon, sizes.actions, context)
        self.denoiser = cast(Denoiser[Any], made)

    def velocity(
        self,
        noisy: Float[Tensor, "batch horizon action"],
        later: Float[Tensor, " batch"],
        between: Float[Tensor, " batch"],
        context: Float[Tensor, "batch context"],
    ) -> Float[Tensor, "batch horizon action"]:
        """Give the mean velocity over the time `between` that ends at the moment `later`."""
        times = sinusoids(TIMES * between, BETWEEN)
        known = torch.cat([context, times.to(context)], dim=1)
        plan = cast(Tensor, self.denoiser(noisy, TIMES * later, known))
        return (noisy - plan) / later.clamp(min=SOON)[:, None, None]

    def draw(self, count: int, generator: torch.Generator | None = None) -> Draws:
        """Draw noise, and two moments for each chunk, the later one first."""
        noise = torch.randn(count, self.config.horizon, self.sizes.actions, generator=generator)
        moments = (MIDDLE + SPREAD * torch.randn(count, 2, generator=generator)).sigmoid()
        moments = moments.sort(dim=1, descending=True).values
        apart = torch.rand(count, 1, generator=generator) < self.config.apart
        return noise, torch.where(apart, moments, moments[:, :1])

    def loss_of(
        self,
        context: Float[Tensor, "batch context"],
        actions: Float[Tensor, "batch horizon action"],
        drawn: Draws,
    ) -> Float[Tensor, ""]:
        """Compute how far the mean velocity is from what its own change says it is."""
        noise, moments = (part.to(actions) for part in drawn)
        later, between = moments[:, 0], moments[:, 0] - moments[:, 1]
        straight = noise - actions
        noisy = actions + later[:, None, None] * straight

        def mean(noisy: Tensor, later: Tensor, between: Tensor) -> Tensor:
            return self.velocity(noisy, later, between, context)

        one = torch.ones_like(later)  # The earlier moment stays: both times grow alike.
        moves = torch.func.jvp(mean, (noisy, later, between), (straight, one, one))
        predicted, change = cast(tuple[Tensor, Tensor], moves)
        wanted = (straight - between[:, None, None] * change).detach()
        errors = (predicted - wanted).square().flatten(1).mean(dim=1)
        loss: Tensor = (errors / (errors.detach() + SMALL)).mean()
        return loss

    def begin(self, count: int) -> "OneStep":
        """Give what acts; it remembers nothing."""
        return OneStep(self)


class OneStep:
    """Plans by a single step from noise."""

    def __init__(self, policy: MeanFlow) -> None:
        self._policy = policy

    def __call__(
        self,
        contexts: Float[Tensor, "env context"],
        generators: Sequence[torch.Generator],
        elapsed: int,
        features: Float[Tensor, "env feature"] | None = None,
    ) -> Decision:
        """Plan for each episode by its own noise."""
        policy = self._policy
        shape = (policy.config.horizon, policy.sizes.actions)
        drawn = torch.stack([torch.randn(shape, generator=g) for g in generators])
        noise, whole = drawn.to(contexts), contexts.new_ones(len(contexts))
        return Decision.of(noise - policy.velocity(noise, whole, whole, contexts), None)


def make(config: Config, sizes: Sizes) -> MeanFlow:
    """Make a policy without weights that mean anything."""
    return MeanFlow(config, sizes)
