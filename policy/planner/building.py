"""A policy from a description and weights that a file brings: neither is trusted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, cast

import torch
from torch import Tensor

from configs.build import build
from configs.kinds import OneOf, make_kind
from policy.planner.config import POLICIES, PolicyConfig, Sizes
from policy.planner.policy import Policy

BEFORE = "diffusion"  # The policy of every file that is older than the choice.


@dataclass(frozen=True)
class _Chosen:
    planner: Annotated[PolicyConfig, OneOf(POLICIES)]


def policy_config(values: Mapping[str, Any]) -> PolicyConfig:
    """Read the configuration of a policy from plain values.

    Raises:
        InputError: A key is unknown or missing, or a value is of another type.
    """
    return build(_Chosen, {"planner": {"kind": BEFORE, **values}}).planner


def make_policy(config: PolicyConfig, sizes: Sizes) -> Policy:
    """Make a policy of its kind, without weights that mean anything.

    Raises:
        InputError: Its numbers do not go together.
    """
    return cast(Policy, make_kind(POLICIES, config, sizes))


def build_policy(config: PolicyConfig, sizes: Sizes, weights: Mapping[str, Tensor]) -> Policy:
    """Build a policy around its weights; those of another one are refused before memory is taken.

    Raises:
        InputError: Its numbers do not go together.
        ValueError: They are not the weights of such a policy, or there can be no such policy.
    """
    config.check()
    parts = (config, config.encoder, getattr(config, "denoiser", None))
    try:
        if not any(":" in part.kind for part in parts if part is not None):
            # One's own kinds need not be able to exist without memory.
            with torch.device("meta"):
                nothing = make_policy(config, sizes)
            _compare(nothing, weights)
        policy = make_policy(config, sizes)
    except (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError) as error:
        raise ValueError(f"no such planner can be built: {error}") from error
    _compare(policy, weights)
    policy.load_state_dict(dict(weights))
    return policy


def _compare(planner: Policy, weights: Mapping[str, Tensor]) -> None:
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
