"""MTDiff's network, which finds the noise in a plan, and the prompts that a policy takes along.

The network works on a causal sequence of tokens: the denoising step, the return that is wanted, the
steps of a prompt, the last observations, the actions of the noisy plan. Each is multiplied by the
first, and the second added.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from datasets.collection.further import CHANCES
from datasets.windows import Batch, Windows
from perception.errors import InputError
from policy.planner.causal import CausalTransformer
from policy.planner.denoisers.denoiser import sinusoids

KEPT = 20  # Prompts of each task that a policy takes along.


@dataclass(frozen=True)
class Sequences:
    """How many tokens of a kind there are, and numbers in each: prompt, observations, plan."""

    prompt: tuple[int, int]
    seen: tuple[int, int]
    plan: tuple[int, int]


class PromptedNetwork(nn.Module):
    """Finds the noise in plans.

    Args:
        sizes: Of what comes in.
        transformer: Works on the tokens.
        width: Numbers of a token.
    """

    def __init__(self, sizes: Sequences, transformer: CausalTransformer, width: int) -> None:
        super().__init__()
        self.sizes, self.width, deep = sizes, width, (2 * width, 4 * width, width)
        count, numbers = zip(sizes.prompt, sizes.seen, sizes.plan, strict=True)
        self.step = _mlp(width, 2 * width, width)
        self.wanted = _mlp(1, width, 2 * width, width)
        self.prompt = nn.Sequential(nn.LayerNorm(numbers[0]), _mlp(numbers[0], *deep))
        self.seen = nn.Sequential(nn.LayerNorm(numbers[1]), _mlp(numbers[1], *deep))
        self.actions = nn.Linear(numbers[2], width)
        self.places = nn.Parameter(torch.zeros(2 + sum(count), width))
        self.norm, self.transformer = nn.LayerNorm(width), transformer
        self.noise = nn.Linear(width, numbers[2])

    def forward(
        self,
        noisy: Float[Tensor, "batch horizon action"],
        k: Int[Tensor, " batch"],
        context: Float[Tensor, "batch context"],
        told: Bool[Tensor, " batch"],
    ) -> Float[Tensor, "batch horizon action"]:
        """Find the noise in plans at denoising steps k.

        Args:
            noisy: The plans.
            k: Their steps.
            context: What plans follow from, joined: observations, prompt, return.
            told: Whether the return is shown.
        """
        seen, prompt = self.sizes.seen, self.sizes.prompt
        parts = context.split([seen[0] * seen[1], prompt[0] * prompt[1], 1], dim=1)
        step = self.step(sinusoids(k, self.width))[:, None]
        wanted = (self.wanted(parts[2]) * told[:, None])[:, None]
        shown, observed = parts[1].unflatten(1, prompt), parts[0].unflatten(1, seen)
        tokens = [step, wanted, self.prompt(shown), self.seen(observed), self.actions(noisy)]
        placed = self.norm(torch.cat(tokens, dim=1) * step + wanted + self.places)
        found: Tensor = self.noise(self.transformer(placed)[:, -noisy.shape[1] :])
        return found


def _mlp(*sizes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.Mish()]
    return nn.Sequential(*layers[:-1])


class KeptPrompts(nn.Module):
    """Prompts of each task, saved with a policy: to act it needs no data.

    Args:
        tasks: Their names.
        prompt: Steps of a prompt, and numbers of each.
    """

    values: Tensor

    def __init__(self, tasks: tuple[str, ...], prompt: tuple[int, int]) -> None:
        super().__init__()
        self.tasks = tasks
        self.register_buffer("values", torch.zeros(len(tasks), KEPT, *prompt))

    def take(self, windows: Windows, encode: Callable[[Batch], Tensor]) -> None:
        """Draw them, always the same ones from the same data.

        Raises:
            ValueError: The data were loaded without prompts.
        """
        found = windows.further.prompts
        if found is None:
            raise ValueError("These windows were loaded without prompts")
        chances = torch.rand(KEPT, CHANCES, generator=torch.Generator().manual_seed(0))
        for task, kept in enumerate(self.values):
            rows = found.of_task(task, chances.to(kept.device))
            kept.copy_(encode(windows.steps(rows)))

    def of_task(self, name: str) -> Float[Tensor, "prompt step number"]:
        """Give those of a task; of the only one whatever its name.

        Raises:
            InputError: There are none.
        """
        if len(self.tasks) == 1:
            return self.values[0]
        if name not in self.tasks:
            raise InputError(
                f"The policy was shown {', '.join(self.tasks) or 'no task'}, and not"
                f" {name or 'one without a name'}: name a task that it knows by env="
            )
        return self.values[self.tasks.index(name)]


def draw_prompts(
    prompts: Float[Tensor, "prompt step number"], generators: Sequence[torch.Generator]
) -> Float[Tensor, "env flat"]:
    """Draw a prompt for each episode, as one row of numbers."""
    index = [int(torch.randint(len(prompts), (1,), generator=own)) for own in generators]
    return prompts[index].flatten(1)
