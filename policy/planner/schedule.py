"""The noise schedule and the denoising step: mean, std, log-probability, and chains of steps.

Dimension legend of this room: B batch, S sampling steps, H horizon, A action; a chain has S + 1
links.

Forward process: a^k = sqrt(abar_k) a^0 + sqrt(1 - abar_k) noise, with Nichol and Dhariwal's cosine
abar (ICML 2021). Reverse step: DDIM (Song et al., ICLR 2021, Eq. 12 and 16); with eta = 1 and every
step taken it is DDPM's. Steps are numbered k = 0 ... K - 1 here (the paper's 1 ... K).
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

Spacing = Literal["trailing", "leading"]
Prediction = Literal["noise", "start"]
LEAST_BETA, MOST_BETA = 0.1, 10.0  # Of the variance-preserving schedule, over all its steps.


@dataclass(frozen=True)
class Step:
    """One reverse step a^k -> a^j: a Gaussian of this mean and std."""

    mean: Float[Tensor, "batch horizon action"]
    std: Float[Tensor, "#batch 1 1"]  # One, or one for each chunk.


@dataclass(frozen=True)
class Chain:
    """The way from noise to plans: a^K ... a^0, and the mean of each step."""

    means: Float[Tensor, "batch S horizon action"]
    samples: Float[Tensor, "batch S+1 horizon action"]

    @property
    def plan(self) -> Float[Tensor, "batch horizon action"]:
        """The end of the chain: normalised actions."""
        return self.samples[:, -1]


@dataclass(frozen=True)
class Schedule:
    """How much of an action chunk is left at each denoising step.

    Attributes:
        alpha_bar: abar_k for k = 0 ... K - 1.
        grid: The steps that sampling visits, from noisy to clean.
        reverse: For each sampling step its sqrt(abar) and sqrt(1 - abar), then the factors of the
            clean chunk and of the noise in its mean, then its std.
    """

    alpha_bar: Float[Tensor, " K"]
    grid: Int[Tensor, " S"]
    reverse: Float[Tensor, "S 5"]

    @classmethod
    def cosine(cls, steps: int, taken: int, eta: float, spacing: Spacing) -> "Schedule":
        """Make the cosine schedule of K steps, of which sampling takes evenly spaced ones.

        Args:
            steps: K.
            taken: How many of them sampling visits, S; K / S must be whole.
            eta: Share of DDPM's noise in a sampling step; 0 is deterministic DDIM.
            spacing: `trailing` starts at K - 1, almost pure noise; `leading` (the default of
                diffusers) ends at 0.

        Raises:
            ValueError: K / S is not whole.
        """
        # On the CPU, also where a planner without memory is made (on Torch's device `meta`).
        time = torch.linspace(0, 1, steps + 1, dtype=torch.float64, device="cpu")
        alpha_bar = torch.cos((time + 0.008) / 1.008 * math.pi / 2) ** 2
        beta = (1 - alpha_bar[1:] / alpha_bar[:-1]).clamp(max=0.999)
        return cls._visited(torch.cumprod(1 - beta, dim=0).float(), taken, eta, spacing)

    @classmethod
    def vp(cls, steps: int, taken: int, eta: float, spacing: Spacing) -> "Schedule":
        """Make the variance-preserving schedule in place of the cosine one; else as `cosine`.

        Its noise grows linearly (Xiao et al., ICLR 2022, as diffusion policies of states have it).

        Raises:
            ValueError: K / S is not whole.
        """
        k = torch.arange(1, steps + 1, dtype=torch.float64, device="cpu")
        grown = LEAST_BETA / steps + (MOST_BETA - LEAST_BETA) * (2 * k - 1) / (2 * steps**2)
        return cls._visited((-grown.cumsum(0)).exp().float(), taken, eta, spacing)

    @classmethod
    def _visited(
        cls, alpha_bar: Float[Tensor, " K"], taken: int, eta: float, spacing: Spacing
    ) -> "Schedule":
        steps = len(alpha_bar)
        if steps % taken:
            raise ValueError(f"{steps} denoising steps cannot be visited evenly by {taken}")
        stride = steps // taken
        first = stride - 1 if spacing == "trailing" else 0
        grid = torch.arange(first, steps, stride, device="cpu").flip(0)
        return cls(alpha_bar, grid, _reverse(alpha_bar[grid], eta))

    def add_noise(
        self,
        clean: Float[Tensor, "batch horizon action"],
        noise: Float[Tensor, "batch horizon action"],
        k: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch horizon action"]:
        """Take clean chunks to step k of the forward process."""
        alpha_bar = self.alpha_bar[k].view(-1, 1, 1)
        return alpha_bar.sqrt() * clean + (1 - alpha_bar).sqrt() * noise

    def step(
        self,
        predicted: Float[Tensor, "batch horizon action"],
        noisy: Float[Tensor, "batch horizon action"],
        index: Int[Tensor, " batch"] | int,
        *,
        prediction: Prediction,
        min_std: float,
        use_clipped_model_output: bool = True,
    ) -> Step:
        """Take one sampling step, of a mean and a std.

        Args:
            predicted: By the network.
            noisy: What it was given.
            index: Counts along the grid: for each chunk, or for all.
            prediction: What `predicted` is: the noise or the clean chunk.
            min_std: Least std; raising it does not shift the mean (DPPO does the same).
            use_clipped_model_output: The clean chunk is clipped to [-1, 1]. True: the noise follows
                from the clipped one (DPPO). False: from the one before (DP3, Diffusion Policy). The
                name is that of diffusers' `DDIMScheduler.step`.
        """
        share, rest, of_clean, of_noise, own = self.reverse[index].view(-1, 5, 1, 1).unbind(1)
        clean = (noisy - rest * predicted) / share if prediction == "noise" else predicted
        clipped = clean.clamp(-1, 1)
        noise = (noisy - share * (clipped if use_clipped_model_output else clean)) / rest
        return Step(of_clean * clipped + of_noise * noise, own.clamp(min=min_std))


def _reverse(here: Float[Tensor, " S"], eta: float) -> Float[Tensor, "S 5"]:
    """Compute the factors of each sampling step (DDIM, Eq. 12 and 16) from its abar."""
    there = torch.cat([here[1:], here.new_ones(1)])  # 1, no noise, after the last.
    variance = (1 - there) / (1 - here) * (1 - here / there)
    own = eta * variance.clamp(min=0).sqrt()
    of_noise = (1 - there - own**2).clamp(min=0).sqrt()
    return torch.stack([here.sqrt(), (1 - here).sqrt(), there.sqrt(), of_noise, own], dim=1)


def log_probability(
    sample: Float[Tensor, "batch horizon action"], step: Step
) -> Float[Tensor, "batch horizon action"]:
    """Log-density of every number of a sample under a reverse step."""
    scaled = (sample - step.mean) / step.std
    return -0.5 * scaled**2 - step.std.log() - 0.5 * math.log(2 * math.pi)


def divergence(one: Step, other: Step) -> Float[Tensor, "batch horizon action"]:
    """KL(one || other) of every number of two reverse steps of equal std (for Eq. 23)."""
    return 0.5 * ((one.mean - other.mean) / one.std) ** 2
