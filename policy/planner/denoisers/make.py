"""Which denoisers there are."""

from policy.planner.denoisers.mixer import Mixer, MixerConfig
from policy.planner.denoisers.unet import Denoiser, Unet, UnetConfig

DenoiserConfig = UnetConfig | MixerConfig


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
