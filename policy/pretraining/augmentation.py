"""Augmented clouds: what another depth camera, mounted a little differently, might have given."""

from collections.abc import Callable
from dataclasses import dataclass
from math import pi
from typing import Annotated

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from configs.ranges import between
from perception.observation import Observation
from policy.planner.normalizer import Range

JITTER_STDS = 3.0  # Where jitter is clipped.
ROUNDING = 1e-5  # Of the box: its own points are inside.


@dataclass(frozen=True)
class AugmentConfig:
    """How much clouds are changed while a planner learns from them; 0 changes nothing.

    Attributes:
        jitter_m: Std of the noise on every coordinate of every point, in metres; clipped at three.
        dropout: Chance of a point to be replaced by a repeat of another one of its cloud.
        rotation_deg: Largest angle of the camera's motion about the middle of the box, around any
            axis; one motion for all frames of a window.
        translation_m: Largest motion of the camera along each axis, in metres.
    """

    jitter_m: Annotated[float, between(0, 0.1)] = 0.0
    dropout: Annotated[float, between(0, 0.9)] = 0.0
    rotation_deg: Annotated[float, between(0, 45)] = 0.0
    translation_m: Annotated[float, between(0, 0.5)] = 0.0

    @property
    def changes(self) -> bool:
        """Whether clouds are changed at all."""
        return any(vars(self).values())


@dataclass(frozen=True)
class Chances:
    """The random numbers of a batch: standard normal, or uniform in [0, 1).

    Attributes:
        motion: Three normal numbers of an axis; then uniform: an angle, and a translation.
        jitter: Normal, of each coordinate.
        points: Uniform, of each point: whether it is dropped, and what takes the place of it.
    """

    motion: Float[Tensor, "batch 7"]
    jitter: Float[Tensor, "batch history point 3"]
    points: Float[Tensor, "batch history point 2"]

    def part(self, share: Callable[[Tensor], Tensor]) -> "Chances":
        """Cut one process's part out."""
        return Chances(share(self.motion), share(self.jitter), share(self.points))


def draw(
    batch: int, cloud: tuple[int, int], generator: torch.Generator, device: torch.device
) -> Chances:
    """Draw the numbers of a batch on its device, in the course of a generator on the CPU.

    Args:
        batch: How many windows.
        cloud: Frames of a window, and points of a frame.
        generator: Gives one number, the seed of all others.
        device: Where the clouds are.
    """
    seed = int(torch.randint(2**62, (), generator=generator))
    own = torch.Generator(device).manual_seed(seed)
    axis = torch.randn((batch, 3), generator=own, device=device)
    rest = torch.rand((batch, 4), generator=own, device=device)
    jitter = torch.randn((batch, *cloud, 3), generator=own, device=device)
    points = torch.rand((batch, *cloud, 2), generator=own, device=device)
    return Chances(torch.cat([axis, rest], 1), jitter, points)


def augmented(
    observations: Observation[Tensor],
    box: Range,
    config: AugmentConfig,
    chances: Chances,
) -> Observation[Tensor]:
    """Change the clouds of windows; colours stay with their points, robot states as they are.

    A point that leaves the box is replaced by a repeat of another one, as one that is dropped: a
    crop would not have let it through. A cloud that would lose all its points stays as recorded.

    Args:
        observations: Leading axes batch, history.
        box: The range of all recorded points, whose middle the camera turns about.
        config: How much.
        chances: From `draw`.
    """
    points = observations.points
    places = _moved(points[..., :3], box.shift[:3], config, chances)
    kept = _inside(places, box) & (chances.points[..., 0] >= config.dropout)
    lost = ~kept.any(-1, keepdim=True)
    places = torch.where(lost[..., None], points[..., :3], places)
    source = _sources(kept | lost, chances.points[..., 1])
    changed = torch.cat([places, points[..., 3:]], -1)
    return Observation(
        changed.gather(-2, source[..., None].expand_as(changed)), observations.robot_state
    )


def _moved(
    places: Float[Tensor, "batch history point 3"],
    middle: Float[Tensor, "3"],
    config: AugmentConfig,
    chances: Chances,
) -> Float[Tensor, "batch history point 3"]:
    """Move every window as a whole, and every point a little."""
    turn = _turn(chances.motion[:, :3], chances.motion[:, 3] * config.rotation_deg * pi / 180)
    shift = (2 * chances.motion[:, 4:] - 1) * config.translation_m
    jitter = chances.jitter.clamp(-JITTER_STDS, JITTER_STDS) * config.jitter_m
    # The change is added, so that one of 0 leaves every bit as it is.
    turned = (places - middle) @ turn[:, None].mT
    return places + turned + shift[:, None, None] + jitter


def _turn(
    axis: Float[Tensor, "batch 3"], angle: Float[Tensor, " batch"]
) -> Float[Tensor, "batch 3 3"]:
    """Give rotations about axes of any length, less the identity (Rodrigues)."""
    x, y, z = torch.nn.functional.normalize(axis, dim=1).unbind(1)
    zero = torch.zeros_like(x)
    crossed = [zero, -z, y, z, zero, -x, -y, x, zero]
    cross: Tensor = torch.stack(crossed, 1).unflatten(1, (3, 3))
    angle = angle[:, None, None]
    return angle.sin() * cross + (1 - angle.cos()) * (cross @ cross)


def _inside(
    places: Float[Tensor, "batch history point 3"], box: Range
) -> Bool[Tensor, "batch history point"]:
    far = ((places - box.shift[:3]) / box.scale[:3]).abs().amax(-1)
    return far <= 1 + ROUNDING


def _sources(
    kept: Bool[Tensor, "batch history point"], chance: Float[Tensor, "batch history point"]
) -> Tensor:
    """Give whose place each point takes: its own, or that of any that is kept, all as likely."""
    counted = kept.cumsum(-1)
    count = counted[..., -1:]
    which = (chance * count).long().clamp(max=count - 1) + 1
    own = torch.arange(kept.shape[-1], device=kept.device)
    return torch.where(kept, own, torch.searchsorted(counted, which))
