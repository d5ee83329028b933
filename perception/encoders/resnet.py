"""Diffusion Policy's encoder: pictures and the robot's state become one feature vector.

Networks of robomimic's VisualCore as Diffusion Policy (Chi et al., RSS 2023) configures it: a
random crop, ResNet18 with GroupNorm from scratch, 32 key points by spatial softmax, and a linear
layer. Its output passes a ReLU, which the paper does not mention and robomimic's code has.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from configs.ranges import Range
from perception.encoders.encoder import Encoder
from perception.encoders.residual import ResNet18
from perception.errors import InputError
from perception.observation import Encoded, Observation

KEY_POINTS = 32
PICTURE_FEATURES = 2 * KEY_POINTS
SIZE = 84  # Pixels of the pictures that `crop` is given for.
COLOURS = 3


@dataclass(frozen=True)
class Config:
    """The choice of this encoder.

    Attributes:
        kind: This module's name.
        width: Channels of the first layer; ResNet18 has 64.
        crop: Pixels kept of 84; of a picture of another size, the same share.
    """

    kind: Literal["resnet"]
    width: Annotated[int, Range(16, 1024, multiple_of=16)]
    crop: Annotated[int, Range(1, SIZE)]

    observes: ClassVar[Literal["image"]] = "image"  # Asked before there is an encoder.


class PictureNet(nn.Module):
    """Cropped pictures of one camera to 64 features: where 32 key points are.

    Args:
        width: See `ResNet18`.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.trunk = ResNet18(width)
        self.key_points = nn.Conv2d(self.trunk.channels, KEY_POINTS, 1)
        self.projection = nn.Linear(PICTURE_FEATURES, PICTURE_FEATURES)

    def forward(
        self, pictures: Float[Tensor, "picture 3 height width"]
    ) -> Float[Tensor, "picture 64"]:
        """Encode pictures in [-1, 1]."""
        places = spatial_softmax(self.key_points(self.trunk(pictures)))
        return cast(Tensor, self.projection(places.flatten(1)).relu())


class Resnet(Encoder):
    """64 features of the picture of each camera, and the robot's state as it is, side by side.

    Args:
        config: See `Config`.
        cameras: Pictures in an observation; each has a network of its own.
        robot_state: Numbers in the robot's state.
    """

    observes = Config.observes

    def __init__(self, config: Config, cameras: int, robot_state: int) -> None:
        super().__init__()
        self.features = cameras * PICTURE_FEATURES + robot_state
        self._crop = config.crop
        self.cameras = nn.ModuleList(PictureNet(config.width) for _ in range(cameras))

    def forward(
        self, observations: Observation[Tensor] | Encoded[Tensor]
    ) -> Float[Tensor, "*lead feature"]:
        """Encode normalised observations over any leading axes.

        Raises:
            ValueError: They hold no pictures.
        """
        if isinstance(observations, Encoded) or observations.image is None:
            raise ValueError("These observations hold no pictures")
        image, robot_state = observations.image, observations.robot_state
        flat = image.reshape(-1, *image.shape[-3:]).movedim(-1, 1)
        pictures = flat.split(COLOURS, dim=1)
        found = [
            network(cropped(of_camera, self._crop, anywhere=self.training))
            for network, of_camera in zip(self.cameras, pictures, strict=True)
        ]
        features = torch.cat(found, dim=-1).reshape(*image.shape[:-3], -1)
        return torch.cat([features, robot_state], dim=-1)


def cropped(
    pictures: Float[Tensor, "picture channel height width"], crop: int, *, anywhere: bool
) -> Float[Tensor, "picture channel low narrow"]:
    """Cut pictures to a share of `crop` / 84 of their height and width.

    Args:
        pictures: The pictures.
        crop: Pixels kept of 84.
        anywhere: Cut each at a place of its own, which Torch's generator of the CPU draws;
            otherwise all in the middle.
    """
    size = [max(round(pixels * crop / SIZE), 1) for pixels in pictures.shape[-2:]]
    spare = [pixels - kept for pixels, kept in zip(pictures.shape[-2:], size, strict=True)]
    if not anywhere:
        top, left = spare[0] // 2, spare[1] // 2
        return pictures[..., top : top + size[0], left : left + size[1]]
    count, device = len(pictures), pictures.device
    rows, columns = (
        (torch.randint(most + 1, (count, 1)) + torch.arange(kept)).to(device)
        for most, kept in zip(spare, size, strict=True)
    )
    index = torch.arange(count, device=device)[:, None, None]
    by_pixel = pictures.movedim(1, -1)[index, rows[:, :, None], columns[:, None, :]]
    return by_pixel.movedim(-1, 1)


def spatial_softmax(
    maps: Float[Tensor, "picture point height width"],
) -> Float[Tensor, "picture point 2"]:
    """Give where each map is high: its mean place (x, y) under a softmax, from -1 to 1."""
    height, width = maps.shape[-2:]
    weights = maps.flatten(-2).softmax(dim=-1).unflatten(-1, (height, width))
    across = torch.linspace(-1, 1, width, device=maps.device)
    down = torch.linspace(-1, 1, height, device=maps.device)
    x, y = (weights.sum(dim=-2) * across).sum(-1), (weights.sum(dim=-1) * down).sum(-1)
    return torch.stack([x, y], dim=-1)


def make(config: Config, channels: int, robot_state: int) -> Resnet:
    """Make the encoder.

    Raises:
        InputError: There are no pictures of three colours.
    """
    if not channels or channels % COLOURS:
        raise InputError(
            f"encoder={config.kind} takes pictures, 3 numbers a pixel and camera, not {channels}"
        )
    return Resnet(config, channels // COLOURS, robot_state)
