"""Which denoisers there are, and what a planner asks of each."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor, nn

from policy.denoiser import Films, Unet, UnetConfig
from policy.mixer import Mixer, MixerConfig

DenoiserConfig = UnetConfig | MixerConfig


@runtime_checkable
class Denoiser(Protocol):
    """A Torch module that predicts what a noisy chunk hides, given a context.

    Called as `denoiser(noisy, k, context)`; the same in two parts is
    `denoise(noisy, films(k, context))`, of which the first does not depend on the chunk.
    """

    def __call__(
        self,
        noisy: Float[Tensor, "batch horizon action"],
        k: Int[Tensor, " batch"],
        context: Float[Tensor, "batch context"],
    ) -> Any:  # noqa: ANN401 (as Torch types the call of a module)
        """Predict for chunks at denoising steps k."""

    def films(self, k: Int[Tensor, " batch"], context: Float[Tensor, "batch context"]) -> Films:
        """Compute everything that does not depend on the chunk."""

    def denoise(
        self, noisy: Float[Tensor, "batch horizon action"], films: Films
    ) -> Float[Tensor, "batch horizon action"]:
        """Predict for chunks under films made before."""

    def fixed_weights(self) -> AbstractContextManager[None]:
        """Promise that no weight changes meanwhile."""

    def parameters(self, recurse: bool = ...) -> Iterator[nn.Parameter]:
        """Give the weights, as any Torch module."""

    def requires_grad_(self, requires_grad: bool = ...) -> nn.Module:
        """Learn, or not, as any Torch module."""


def make_denoiser(
    config: DenoiserConfig, *, horizon: int, action_size: int, context_size: int
) -> Denoiser:
    """Make the network that a configuration describes.

    Args:
        config: Which one, and its sizes.
        horizon: Actions in a chunk.
        action_size: Numbers in an action.
        context_size: Numbers in the context (the encoded history).

    Raises:
        ValueError: A U-Net cannot halve the horizon as often as it has to.
    """
    if isinstance(config, MixerConfig):
        return Mixer(horizon, action_size, context_size, config=config)
    halvings = len(config.widths) - 1
    if horizon % 2**halvings:
        raise ValueError(f"horizon={horizon} cannot be halved {halvings} times")
    return Unet(action_size, context_size, config)
