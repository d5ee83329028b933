"""A planner from a description and weights that a file brings: neither is trusted."""

from collections.abc import Mapping

import torch
from torch import Tensor

from policy.planner.config import PlannerConfig, Sizes
from policy.planner.planner import Planner


def build_planner(config: PlannerConfig, sizes: Sizes, weights: Mapping[str, Tensor]) -> Planner:
    """Build a planner around its weights; those of another one are refused before memory is taken.

    Raises:
        InputError: Its numbers do not go together.
        ValueError: They are not the weights of such a planner, or there can be no such planner.
    """
    config.check()
    try:
        if not any(":" in kind.kind for kind in (config.encoder, config.denoiser)):
            # One's own kinds need not be able to exist without memory.
            _compare(_without_memory(config, sizes), weights)
        planner = Planner(config, sizes)
    except (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError) as error:
        raise ValueError(f"no such planner can be built: {error}") from error
    _compare(planner, weights)
    planner.load_state_dict(dict(weights))
    return planner


def _without_memory(config: PlannerConfig, sizes: Sizes) -> Planner:
    with torch.device("meta"):
        return Planner(config, sizes)


def _compare(planner: Planner, weights: Mapping[str, Tensor]) -> None:
    """Hold a planner's tensors to those of a file.

    Raises:
        ValueError: One is missing, is too many, has another shape or type, or divides by zero.
    """
    needed = planner.state_dict()
    if differing := sorted(needed.keys() ^ weights.keys()):
        raise ValueError(
            f"it {'lacks' if differing[0] in needed else 'has an unknown'} {differing[0]}"
        )
    for name, tensor in weights.items():
        own = needed[name]
        if (tensor.shape, tensor.dtype) != (own.shape, own.dtype):
            raise ValueError(
                f"{name} is {_described(tensor)}, where its sizes say {_described(own)}"
            )
        if name.startswith("normalizer.") and name.endswith(".scale") and bool((tensor == 0).any()):
            raise ValueError(f"{name} is 0: nothing can be normalised by it")


def _described(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {list(tensor.shape)}"
