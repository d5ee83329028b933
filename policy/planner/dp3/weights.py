"""DP3's names for the weights of its encoder, U-Net and normaliser, and ours."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

NORMALIZER = "normalizer.params_dict"
RANGES = {"points": "point_cloud", "state": "agent_pos", "actions": "action"}
UNREAD = re.compile(r"(.*\.)?_dummy_variable|mask_generator\..*|normalizer\..*\.input_stats\..*")
OURS = [  # Each applied where it matches; the last number of a level is its resizing.
    (r"^obs_encoder\.extractor\.mlp\.", "encoder.cloud.points."),
    (r"^obs_encoder\.extractor\.final_projection\.", "encoder.cloud.projection."),
    (r"^obs_encoder\.state_mlp\.", "encoder.state."),
    (r"^model\.diffusion_step_encoder\.1\.", "denoiser.step_embedding.0."),
    (r"^model\.diffusion_step_encoder\.3\.", "denoiser.step_embedding.2."),
    (r"^model\.(down|up)_modules\.(\d+)\.\d+\.conv\.", r"denoiser.\1.\2.resize."),
    (r"^model\.(down|up)_modules\.(\d+)\.(\d+)\.", r"denoiser.\1.\2.blocks.\3."),
    (r"^model\.mid_modules\.", "denoiser.middle."),
    (r"^model\.final_conv\.", "denoiser.final."),
    (r"\.blocks\.0\.block\.", ".first."),
    (r"\.blocks\.1\.block\.", ".second."),
    (r"^denoiser\.final\.0\.block\.", "denoiser.final.0."),
    (r"(first|second|final\.0)\.0\.(weight|bias)$", r"\1.conv.\2"),
    (r"(first|second|final\.0)\.1\.(weight|bias)$", r"\1.norm.\2"),
    (r"\.cond_encoder\.1\.", ".film."),
    (r"\.residual_conv\.", ".shortcut."),
]


def our_name(theirs: str) -> str:
    """Give our name of a weight."""
    for pattern, ours in OURS:
        theirs = re.sub(pattern, ours, theirs)
    return theirs


def our_weights(theirs: Mapping[str, Tensor], channels: int) -> dict[str, Tensor]:
    """Name DP3's weights as ours: the same numbers; only the normaliser is written otherwise.

    Args:
        theirs: A policy's `state_dict`.
        channels: Numbers per point that the encoder takes; the normaliser may know more.

    Raises:
        KeyError: The normaliser lacks a part.
    """
    weights = {
        our_name(name): tensor
        for name, tensor in theirs.items()
        if not (UNREAD.fullmatch(name) or _of_ranges(name))
    }
    sizes = {
        "points": channels,
        "state": weights["encoder.state.0.weight"].shape[1],
        "actions": len(weights["denoiser.final.1.bias"]),
    }
    for ours, their in RANGES.items():
        scale = theirs[f"{NORMALIZER}.{their}.scale"]
        offset = theirs[f"{NORMALIZER}.{their}.offset"]
        weights.update(_range(f"normalizer.{ours}", scale, offset, sizes[ours]))
    return weights


def _of_ranges(name: str) -> bool:
    return any(name.startswith(f"{NORMALIZER}.{their}.") for their in RANGES.values())


def _range(name: str, scale: Tensor, offset: Tensor, size: int) -> dict[str, Tensor]:
    """Turn x scale + offset into (x - shift) / scale."""
    wide, moved = (t.double().flatten() for t in (scale, offset))
    if len(wide) == 1:  # One for all.
        wide, moved = wide.expand(size), moved.expand(size)
    return {
        f"{name}.shift": (-moved / wide)[:size].to(torch.float32),
        f"{name}.scale": (1 / wide)[:size].to(torch.float32),
    }
