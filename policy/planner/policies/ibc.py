"""IBC: actions of low energy (Florence et al., CoRL 2021), as Diffusion Policy's code has it.

The energy of an action in a situation is learned by telling the action that was taken from others
(InfoNCE). To act, actions are drawn, and those of low energy drawn again with a little noise, and
again (`derivative_free`); or they follow the energy's gradient with noise (`langevin`), and so do
the counter-examples that the energy then learns from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from jaxtyping import Float
from torch import Tensor, nn

from configs.ranges import Count, NotNegative, Share, Width, between
from perception.errors import InputError
from policy.planner.config import PolicyConfig, Sizes
from policy.planner.decision import Decision
from policy.planner.policy import Draws, Policy

JITTER = 1e-4  # Std of noise on the action that was taken.
FIRST_STEP, LAST_STEP, NOISE, LARGEST = 0.5, 1e-5, 0.5, 0.5  # Of Langevin's chain.


@dataclass(frozen=True, kw_only=True)
class Config(PolicyConfig):
    """Sizes of the network, and how actions are found.

    Attributes:
        width: Of the hidden layers.
        depth: How many there are.
        dropout: Between them.
        negatives: Counter-examples for each action that was taken.
        sampler: How actions are found; see the module.
        samples: Actions that are drawn at first.
        iterations: How often those of low energy are drawn again; of `langevin`, steps.
        noise: Std of what is added each time, of the range [-1, 1]; `langevin` has its own.
    """

    kind: Literal["ibc"]
    width: Width
    depth: Annotated[int, between(1, 32)]
    dropout: Share
    negatives: Count
    sampler: Literal["derivative_free", "langevin"]
    samples: Count
    iterations: Count
    noise: NotNegative

    def check(self) -> None:
        """Refuse plans of several actions.

        Raises:
            InputError: There are several.
        """
        super().check()
        if self.chunk != 1:
            raise InputError(f"planner.chunk={self.chunk}: the energy is of one action; give 1")


class Energy(nn.Module):
    """The energy of actions in situations, which are encoded before."""

    def __init__(self, context: int, actions: int, config: Config) -> None:
        super().__init__()
        sizes = [context + actions, *[config.width] * config.depth]
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(config.dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(config.width, 1))

    def forward(
        self, context: Float[Tensor, "batch context"], actions: Float[Tensor, "batch count action"]
    ) -> Float[Tensor, "batch count"]:
        """Give the energy of several actions in each situation."""
        situation = context[:, None].expand(-1, actions.shape[1], -1)
        energy: Tensor = self.layers(torch.cat([situation, actions], dim=-1))
        return energy[..., 0]


class Ibc(Policy):
    """The policy; see `Policy`."""

    config: Config

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__(config, sizes)
        self.energy = Energy(config.history * self.encoder.features, sizes.actions, config)

    def draw(self, count: int, generator: torch.Generator | None = None) -> Draws:
        """Draw counter-examples, the noise of their chains, and of the actions that were taken."""
        config, actions = self.config, self.sizes.actions
        steps = config.iterations if config.sampler == "langevin" else 0
        shape = (count, config.negatives, actions)
        return (
            torch.rand(shape, generator=generator) * 2 - 1,
            torch.randn(count, steps, *shape[1:], generator=generator),
            torch.randn(count, 1, actions, generator=generator) * JITTER,
        )

    def loss_of(
        self,
        context: Float[Tensor, "batch context"],
        actions: Float[Tensor, "batch horizon action"],
        drawn: Draws,
    ) -> Float[Tensor, ""]:
        """Compute how badly the action that was taken is told from the others (InfoNCE)."""
        negatives, noises, jitter = (part.to(actions) for part in drawn)
        taken = actions[:, self.config.history - 1, None] + jitter
        if self.config.sampler == "langevin":
            negatives = self._descended(context.detach(), negatives, noises.unbind(1))
        energies = self.energy(context, torch.cat([taken, negatives], dim=1))
        return F.cross_entropy(-energies, energies.new_zeros(len(energies), dtype=torch.long))

    def begin(self, count: int) -> "LowestEnergy":
        """Give what acts; it remembers nothing."""
        return LowestEnergy(self)

    def search(
        self, context: Float[Tensor, "batch context"], generators: Sequence[torch.Generator]
    ) -> Float[Tensor, "batch action"]:
        """Find an action of low energy in each situation, each by its own generator."""
        config, shape = self.config, (self.config.samples, self.sizes.actions)
        drawn = torch.stack([torch.rand(shape, generator=g) for g in generators])
        actions = drawn.to(context) * 2 - 1
        if config.sampler == "langevin":
            noises = (_normal(shape, generators).to(context) for _ in range(config.iterations))
            actions = self._descended(context, actions, list(noises))
        else:
            for _ in range(config.iterations - 1):
                actions = self._again(context, actions, config.samples, generators)
                noise = _normal(shape, generators).to(context)
                actions = (actions + config.noise * noise).clamp(-1, 1)
        return self._again(context, actions, 1, generators)[:, 0]

    @torch.no_grad()
    def _again(
        self, context: Tensor, actions: Tensor, count: int, generators: Sequence[torch.Generator]
    ) -> Float[Tensor, "batch count action"]:
        """Draw among actions by their energies, with replacement."""
        chances = (-self.energy(context, actions)).softmax(dim=1).cpu()
        rows = [
            torch.multinomial(chance, count, replacement=True, generator=generator)
            for chance, generator in zip(chances, generators, strict=True)
        ]
        index = torch.stack(rows).to(actions.device)[..., None]
        return actions.gather(1, index.expand(-1, -1, actions.shape[-1]))

    def _descended(
        self, context: Tensor, actions: Tensor, noises: Sequence[Tensor]
    ) -> Float[Tensor, "batch count action"]:
        """Follow the energy's gradient with noise, by smaller and smaller steps."""
        for index, noise in enumerate(noises):
            left = 1 - index / max(len(noises) - 1, 1)
            step = LAST_STEP + (FIRST_STEP - LAST_STEP) * left**2
            with torch.enable_grad():
                leaf = actions.detach().requires_grad_()
                (slope,) = torch.autograd.grad(self.energy(context, leaf).sum(), leaf)
            change = step * (0.5 * slope - NOISE * noise)
            actions = (leaf - change.clamp(-LARGEST, LARGEST)).detach().clamp(-1, 1)
        return actions


class LowestEnergy:
    """Acts by actions of low energy."""

    def __init__(self, policy: Ibc) -> None:
        self._policy = policy

    def __call__(
        self,
        contexts: Float[Tensor, "env context"],
        generators: Sequence[torch.Generator],
        elapsed: int,
        features: Float[Tensor, "env feature"] | None = None,
    ) -> Decision:
        """Find the next action of each episode; a plan holds it at every step."""
        action = self._policy.search(contexts, generators)
        return Decision.of(action[:, None].expand(-1, self._policy.config.horizon, -1), None)


def _normal(shape: tuple[int, ...], generators: Sequence[torch.Generator]) -> Tensor:
    return torch.stack([torch.randn(shape, generator=g) for g in generators])


def make(config: Config, sizes: Sizes) -> Ibc:
    """Make a policy without weights that mean anything."""
    return Ibc(config, sizes)
