"""The planner that is timed, and one of the same weights that computes the plain way."""

import copy
import types

import torch
from torch import Tensor, nn

from configs.command import compose_part
from configs.kinds import Kind
from perception.encoders.dp3 import PointNet
from policy.planner.config import Sizes
from policy.planner.denoisers.mlp import Config as MlpConfig
from policy.planner.denoisers.short_conv import ShortConv1d, ShortConvTranspose1d
from policy.planner.denoisers.unet import Config as UnetConfig
from policy.planner.planner import Planner
from tests.helpers.small_planner import planner_config

SIMPLE_DP3 = UnetConfig("unet", (128, 256, 384), 1, 5, 8, 128, None)
PLAIN = "eager float32, dense PointNet backward, nn.Conv1d, one thread"


def make_planner(denoiser: Kind = SIMPLE_DP3, sampling_steps: int = 10) -> Planner:
    """Make a planner for Adroit's door, if nothing else is said of Simple DP3's size."""
    torch.manual_seed(0)
    config = planner_config(denoiser, sampling_steps=sampling_steps)
    return Planner(config, Sizes(3, 24, 28))


def make_for_reach(denoiser: str) -> Planner:
    """Make a planner for Meta-World's reach as the defaults have it, not trained."""
    torch.manual_seed(0)
    choice = compose_part(MlpConfig if denoiser == "mlp" else UnetConfig, "denoiser", denoiser)
    config = planner_config(choice, horizon=12, chunk=8, prediction="start")
    return Planner(config, Sizes(3, 9, 4))


def make_plain(planner: Planner) -> Planner:
    """Copy a planner, same weights, into one that computes the plain way."""
    plain = copy.deepcopy(planner)
    for module in plain.modules():
        if isinstance(module, PointNet):
            module.forward = types.MethodType(_dense, module)  # type: ignore[method-assign]
        for short, usual in ((ShortConv1d, nn.Conv1d), (ShortConvTranspose1d, nn.ConvTranspose1d)):
            if isinstance(module, short):
                module.forward = types.MethodType(usual.forward, module)  # type: ignore[method-assign]
    return plain


def _dense(self: PointNet, points: Tensor) -> Tensor:
    return self.projection(self.points(points).max(dim=1).values)
