"""A small checkpoint as DP3 writes it, and what its networks compute, written from their names."""

import pickle
from collections import OrderedDict
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from omegaconf import OmegaConf
from torch import Tensor

WIDTHS, STEP, HISTORY, HORIZON, ROBOT, ACTIONS = (16, 24, 32), 8, 2, 4, 24, 28
Weights = Mapping[str, Tensor]


def linear(name: str, before: int, after: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (after, before), f"{name}.bias": (after,)}


def convolution(name: str, before: int, after: int, kernel: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (after, before, kernel), f"{name}.bias": (after,)}


def norm(name: str, size: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (size,), f"{name}.bias": (size,)}


def conv_block(name: str, before: int, after: int) -> dict[str, tuple[int, ...]]:
    return convolution(f"{name}.block.0", before, after, 5) | norm(f"{name}.block.1", after)


def residual(name: str, before: int, after: int) -> dict[str, tuple[int, ...]]:
    shapes = conv_block(f"{name}.blocks.0", before, after)
    shapes |= conv_block(f"{name}.blocks.1", after, after)
    shapes |= linear(f"{name}.cond_encoder.1", STEP + 128 * HISTORY, 2 * after)
    return shapes | (
        convolution(f"{name}.residual_conv", before, after, 1) if before != after else {}
    )


def shapes_of(blocks: int, channels: int) -> dict[str, tuple[int, ...]]:
    """Name all weights of DP3 (two blocks in each level) or of Simple DP3 (one)."""
    shapes: dict[str, tuple[int, ...]] = {"_dummy_variable": (0,)}
    shapes |= encoder_shapes(channels)
    shapes |= linear("model.diffusion_step_encoder.1", STEP, 4 * STEP)
    shapes |= linear("model.diffusion_step_encoder.3", 4 * STEP, STEP)
    for block in range(blocks):
        shapes |= residual(f"model.mid_modules.{block}", WIDTHS[-1], WIDTHS[-1])
    for level, (before, after) in enumerate(pairwise((ACTIONS, *WIDTHS))):
        shapes |= level_shapes(f"model.down_modules.{level}", before, after, blocks)
        if level < len(WIDTHS) - 1:
            shapes |= convolution(f"model.down_modules.{level}.{blocks}.conv", after, after, 3)
    for level, (before, after) in enumerate(pairwise(WIDTHS[::-1])):
        shapes |= level_shapes(f"model.up_modules.{level}", 2 * before, after, blocks)
        shapes |= convolution(f"model.up_modules.{level}.{blocks}.conv", after, after, 4)
    shapes |= conv_block("model.final_conv.0", WIDTHS[0], WIDTHS[0])
    return shapes | convolution("model.final_conv.1", WIDTHS[0], ACTIONS, 1)


def level_shapes(name: str, before: int, after: int, blocks: int) -> dict[str, tuple[int, ...]]:
    shapes = residual(f"{name}.0", before, after)
    for block in range(1, blocks):
        shapes |= residual(f"{name}.{block}", after, after)
    return shapes


def encoder_shapes(channels: int) -> dict[str, tuple[int, ...]]:
    sizes = (channels, 64, 128, 256) if channels == 3 else (channels, 64, 128, 256, 512)
    shapes: dict[str, tuple[int, ...]] = {}
    for place, (before, after) in enumerate(pairwise(sizes)):
        shapes |= linear(f"obs_encoder.extractor.mlp.{3 * place}", before, after)
        if after < 512:
            shapes |= norm(f"obs_encoder.extractor.mlp.{3 * place + 1}", after)
    shapes |= linear("obs_encoder.extractor.final_projection.0", sizes[-1], 64)
    shapes |= norm("obs_encoder.extractor.final_projection.1", 64)
    state_mlp = linear("obs_encoder.state_mlp.0", ROBOT, 64)
    return shapes | state_mlp | linear("obs_encoder.state_mlp.2", 64, 64)


def weights_of(blocks: int = 2, channels: int = 3, seed: int = 0) -> "OrderedDict[str, Tensor]":
    """Draw weights, and a normaliser's, which knows the colours of points in any case."""
    generator = torch.Generator().manual_seed(seed)
    weights = OrderedDict(
        (name, torch.randn(shape, generator=generator) * 0.1)
        for name, shape in shapes_of(blocks, channels).items()
    )
    for name, size in (("action", ACTIONS), ("agent_pos", ROBOT), ("point_cloud", 6)):
        below = f"normalizer.params_dict.{name}"
        weights[f"{below}.scale"] = torch.rand(size, generator=generator) + 0.7
        weights[f"{below}.offset"] = torch.randn(size, generator=generator) * 0.1
        weights[f"{below}.input_stats.min"] = torch.zeros(size)
    return weights


def config_of(**changes: Any) -> Any:  # noqa: ANN401 (OmegaConf's own)
    """Give a configuration as DP3's, with keys that refer to others; `a__b` changes key a.b."""
    scheduler = {
        "_target_": "diffusers.schedulers.scheduling_ddim.DDIMScheduler",
        "num_train_timesteps": 100, "beta_schedule": "squaredcos_cap_v2", "clip_sample": True,
        "set_alpha_to_one": True, "steps_offset": 0, "prediction_type": "sample",
    }  # fmt: skip
    policy = {
        "_target_": "diffusion_policy_3d.policy.dp3.DP3", "condition_type": "film",
        "horizon": "${horizon}", "n_obs_steps": "${n_obs_steps}", "down_dims": list(WIDTHS),
        "n_action_steps": "${n_action_steps}", "n_groups": 8, "num_inference_steps": 10,
        "noise_scheduler": scheduler, "pointnet_type": "pointnet",
    }  # fmt: skip
    runner = {"_target_": "diffusion_policy_3d.env_runner.adroit_runner.AdroitRunner"}
    values = {
        "name": "train_dp3", "horizon": HORIZON, "n_obs_steps": HISTORY, "n_action_steps": 3,
        "policy": policy, "task": {"name": "adroit_door", "env_runner": runner},
    }  # fmt: skip
    cfg = OmegaConf.create(values)
    for key, value in changes.items():
        OmegaConf.update(cfg, key.replace("__", "."), value)
    return cfg


def write_checkpoint(path: Path, weights: Weights, cfg: object, **more: object) -> Path:
    """Write a checkpoint as DP3's workspace does; `model` is another than the one that acts."""
    optimizer = {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 1e-4}]}
    states = {"model": weights_of(seed=9), "ema_model": weights, "optimizer": optimizer}
    payload = {"cfg": cfg, "state_dicts": states, "pickles": {"epoch": pickle.dumps(3)}, **more}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(payload, path)
    return path


def encode(w: Weights, points: Tensor, state: Tensor) -> Tensor:
    """Encode histories as DP3 does: leading axes batch, history."""
    ranges = "normalizer.params_dict"
    points = points * w[f"{ranges}.point_cloud.scale"][: points.shape[-1]]
    points = points + w[f"{ranges}.point_cloud.offset"][: points.shape[-1]]
    state = state * w[f"{ranges}.agent_pos.scale"] + w[f"{ranges}.agent_pos.offset"]
    mlp, place = "obs_encoder.extractor.mlp", 0
    while f"{mlp}.{place}.weight" in w:
        points = F.linear(points, w[f"{mlp}.{place}.weight"], w[f"{mlp}.{place}.bias"])
        if f"{mlp}.{place + 1}.weight" in w:
            points = F.relu(_layer_norm(w, f"{mlp}.{place + 1}", points))
        place += 3
    projection = "obs_encoder.extractor.final_projection"
    cloud = _linear(w, f"{projection}.0", points.amax(-2))
    cloud = _layer_norm(w, f"{projection}.1", cloud)
    hidden = F.relu(_linear(w, "obs_encoder.state_mlp.0", state))
    return torch.cat([cloud, _linear(w, "obs_encoder.state_mlp.2", hidden)], -1).flatten(1)


def denoise(w: Weights, noisy: Tensor, k: int, context: Tensor, blocks: int) -> Tensor:
    """Predict as DP3's U-Net does."""
    half = STEP // 2
    angle = k * 10000 ** (-torch.arange(half) / (half - 1))
    step = torch.cat([angle.sin(), angle.cos()]).expand(len(noisy), -1)
    step = F.mish(_linear(w, "model.diffusion_step_encoder.1", step))
    step = _linear(w, "model.diffusion_step_encoder.3", step)
    condition = F.mish(torch.cat([step, context], -1))
    x, skips, levels = noisy.transpose(1, 2), [], len(WIDTHS)
    for level in range(levels):
        for block in range(blocks):
            x = _residual(w, f"model.down_modules.{level}.{block}", x, condition)
        skips.append(x)
        if level < levels - 1:
            name = f"model.down_modules.{level}.{blocks}.conv"
            x = F.conv1d(x, w[f"{name}.weight"], w[f"{name}.bias"], stride=2, padding=1)
    for block in range(blocks):
        x = _residual(w, f"model.mid_modules.{block}", x, condition)
    for level in range(levels - 1):
        x = torch.cat([x, skips.pop()], 1)
        for block in range(blocks):
            x = _residual(w, f"model.up_modules.{level}.{block}", x, condition)
        name = f"model.up_modules.{level}.{blocks}.conv"
        x = F.conv_transpose1d(x, w[f"{name}.weight"], w[f"{name}.bias"], stride=2, padding=1)
    x = _conv_block(w, "model.final_conv.0", x)
    last = "model.final_conv.1"
    return F.conv1d(x, w[f"{last}.weight"], w[f"{last}.bias"]).transpose(1, 2)


def _linear(w: Weights, name: str, x: Tensor) -> Tensor:
    return F.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])


def _layer_norm(w: Weights, name: str, x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"])


def _conv_block(w: Weights, name: str, x: Tensor) -> Tensor:
    x = F.conv1d(x, w[f"{name}.block.0.weight"], w[f"{name}.block.0.bias"], padding=2)
    return F.mish(F.group_norm(x, 8, w[f"{name}.block.1.weight"], w[f"{name}.block.1.bias"]))


def _residual(w: Weights, name: str, x: Tensor, condition: Tensor) -> Tensor:
    hidden = _conv_block(w, f"{name}.blocks.0", x)
    scale, shift = _linear(w, f"{name}.cond_encoder.1", condition).unsqueeze(-1).chunk(2, 1)
    hidden = _conv_block(w, f"{name}.blocks.1", scale * hidden + shift)
    if f"{name}.residual_conv.weight" in w:
        x = F.conv1d(x, w[f"{name}.residual_conv.weight"], w[f"{name}.residual_conv.bias"])
    return hidden + x
