"""MTDiff (He et al., NeurIPS 2023): one policy of many tasks, told by a prompt which one it is.

A prompt is a piece of an episode of the task; plans are guided to a high return. As SODP compares
with it, observations are an encoder's features. Otherwise than released: a prompt stays the same
for a plan (unless `as_released`) and is of the task's best episodes in the data; the encoder learns
nothing through it; its actions, and returns, are normalised; histories begin as DP3's do.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from jaxtyping import Float, Int
from torch import Tensor

from configs.ranges import Count, NotNegative, Share, Steps, Width, between
from datasets.collection.further import Asked
from datasets.windows import Batch, Windows
from perception.errors import InputError
from policy.planner.causal import CausalTransformer
from policy.planner.config import PolicyConfig, Sizes
from policy.planner.decision import Decision
from policy.planner.normalizer import Range
from policy.planner.policy import Draws, Policy
from policy.planner.prompted import KeptPrompts, PromptedNetwork, Sequences, draw_prompts
from policy.planner.schedule import Schedule

FIRST = 10.0  # Weight of the action to be taken now.
DISCOUNT, COOLED = 0.99, 0.5  # Of rewards; how much of a step's noise is added while acting.


@dataclass(frozen=True, kw_only=True)
class Config(PolicyConfig):
    """Sizes of the network, and how plans are denoised.

    Attributes:
        width: Numbers of a token.
        layers: Blocks of the transformer.
        heads: Of their attention.
        dropout: In it.
        prompt: Steps of a prompt.
        examples: Episodes of each task that prompts come from, those of the highest returns.
        prompted: As described: by one prompt for a plan; as released: by one for a denoising step.
        denoising_steps: K.
        sampling_steps: How many of them are taken while acting.
        guidance: Weight of what the wanted return changes.
        unguided: Share of training windows that are not told their return.
        wanted: The return that is wanted, from the least (0) to the largest (1) in the data.
        tasks: Those of the data; filled in.
    """

    kind: Literal["mtdiff"]
    width: Width
    layers: Annotated[int, between(1, 64)]
    heads: Annotated[int, between(1, 64)]
    dropout: Share
    prompt: Steps
    examples: Count
    prompted: Literal["as_described", "as_released"]
    denoising_steps: Annotated[int, between(1, 10_000)]
    sampling_steps: Annotated[int, between(1, 10_000)]
    guidance: NotNegative
    unguided: Share
    wanted: Share
    tasks: tuple[str, ...] = ()

    @property
    def asked(self) -> Asked:
        """Returns-to-go, and prompts."""
        return Asked(DISCOUNT, self.prompt, self.examples)

    def of_tasks(self, names: tuple[str, ...]) -> PolicyConfig:
        """Give the same for data of these tasks."""
        return replace(self, tasks=names)

    def check(self) -> None:
        """Refuse numbers that do not go together.

        Raises:
            InputError: Heads do not divide the width, or sampling steps the denoising steps.
        """
        super().check()
        if self.width % (2 * self.heads):
            raise InputError(
                f"planner.width={self.width} must be a multiple of 2 * planner.heads ="
                f" {2 * self.heads}"
            )
        if self.denoising_steps % self.sampling_steps:
            raise InputError(
                f"planner.sampling_steps={self.sampling_steps} must divide"
                f" planner.denoising_steps={self.denoising_steps}"
            )


class MtDiff(Policy):
    """The policy; see `Policy`. A context here is joined: observations, prompt, return."""

    config: Config
    alpha_bar: Tensor
    grid: Tensor
    reverse: Tensor

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__(config, sizes)
        prompt = (config.prompt, self.encoder.features + sizes.actions)
        seen = (config.history, self.encoder.features)
        width, parts = config.width, Sequences(prompt, seen, (config.horizon, sizes.actions))
        transformer = CausalTransformer(width, config.layers, config.heads, config.dropout)
        self.network = PromptedNetwork(parts, transformer, width)
        self.returns, self.prompts = Range(1), KeptPrompts(config.tasks, prompt)
        schedule = Schedule.vp(config.denoising_steps, config.sampling_steps, 1.0, "trailing")
        for name, values in vars(schedule).items():
            self.register_buffer(name, values, persistent=False)

    @property
    def schedule(self) -> Schedule:
        """The noise schedule, on the policy's device."""
        return Schedule(self.alpha_bar, self.grid, self.reverse)

    def fit(self, windows: Windows) -> None:
        """Learn the ranges of the data, and of its returns."""
        super().fit(windows)
        if windows.further.returns is not None:
            self.returns.fit(windows.further.returns[:, None])

    def remember(self, windows: Windows) -> None:
        """Keep prompts of each task, as they are now encoded."""
        self.prompts.take(windows, self.shown)

    @torch.no_grad()
    def shown(self, prompt: Batch) -> Float[Tensor, "batch step number"]:
        """Encode prompts."""
        seen = self.encoder(self.normalizer(prompt.observations))
        return torch.cat([seen, self.normalizer.actions(prompt.actions)], dim=-1)

    def draw(self, count: int, generator: torch.Generator | None = None) -> Draws:
        """Draw noise, denoising steps, and which windows are told their return."""
        noise = torch.randn(count, self.config.horizon, self.sizes.actions, generator=generator)
        k = torch.randint(self.config.denoising_steps, (count,), generator=generator)
        return noise, k, torch.rand(count, generator=generator) >= self.config.unguided

    def loss(self, batch: Batch, drawn: Draws) -> Float[Tensor, ""]:
        """Compute the training loss of windows that tell prompts and returns."""
        if batch.prompt is None or batch.returns is None:
            raise ValueError("These windows were taken without prompts or returns")
        seen, shown = self.encode(batch.observations), self.shown(batch.prompt)
        context = torch.cat([seen, shown.flatten(1), self.returns(batch.returns[:, None])], dim=1)
        return self.loss_of(context, self.normalizer.actions(batch.actions), drawn)

    def loss_of(
        self,
        context: Float[Tensor, "batch context"],
        actions: Float[Tensor, "batch horizon action"],
        drawn: Draws,
    ) -> Float[Tensor, ""]:
        """Compute the error of the noise that is found in noisy plans, given the joined context."""
        noise, k, told = (part.to(actions.device) for part in drawn)
        found = self.network(self.schedule.add_noise(actions, noise, k), k, context, told)
        errors = F.huber_loss(found.float(), noise, reduction="none")
        weights = torch.ones_like(errors[0])
        weights[self.config.history - 1] = FIRST
        return (errors * weights).mean()

    def guided(
        self,
        noisy: Float[Tensor, "batch horizon action"],
        k: Int[Tensor, " batch"],
        context: Float[Tensor, "batch context"],
    ) -> Float[Tensor, "batch horizon action"]:
        """Find the noise in plans, led towards the return."""
        told = torch.arange(2 * len(k), device=k.device) < len(k)
        both = self.network(noisy.repeat(2, 1, 1), k.repeat(2), context.repeat(2, 1), told)
        of_return, of_any = both.chunk(2)
        found: Tensor = of_any + self.config.guidance * (of_return - of_any)
        return found

    def begin(self, count: int) -> "Guided":
        """Give what acts; it remembers nothing.

        Raises:
            InputError: There are several tasks, and this is none of them.
        """
        return Guided(self, self.prompts.of_task(self.task))


@dataclass(frozen=True)
class Guided:
    """Plans by a task's prompts, for the return that is wanted."""

    policy: MtDiff
    prompts: Float[Tensor, "prompt step number"]

    def __call__(
        self,
        contexts: Float[Tensor, "env context"],
        generators: Sequence[torch.Generator],
        elapsed: int,
        features: Float[Tensor, "env feature"] | None = None,
    ) -> Decision:
        """Denoise a plan for each episode, from its own noise."""
        policy, config, count = self.policy, self.policy.config, len(contexts)
        shape = (config.sampling_steps + 1, config.horizon, policy.sizes.actions)
        noises = torch.stack([torch.randn(shape, generator=g) for g in generators]).to(contexts)
        wanted = contexts.new_full((count, 1), 2 * config.wanted - 1)
        prompt, plans = draw_prompts(self.prompts, generators), noises[:, 0]
        for position, k in enumerate(policy.grid):
            if position and config.prompted == "as_released":
                prompt = draw_prompts(self.prompts, generators)
            known = torch.cat([contexts, prompt, wanted], dim=1)
            found = policy.guided(plans, k.expand(count), known)
            step = policy.schedule.step(found, plans, position, prediction="noise", min_std=0.0)
            plans = step.mean + COOLED * step.std * noises[:, position + 1]
        return Decision.of(plans, None)


def make(config: Config, sizes: Sizes) -> MtDiff:
    """Make a policy without weights that mean anything."""
    return MtDiff(config, sizes)
