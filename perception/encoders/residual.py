"""ResNet18 (He et al., CVPR 2016) without its head, with GroupNorm instead of BatchNorm.

The names of its parts, and so of its weights, are those of torchvision's.
"""

from typing import cast

from jaxtyping import Float
from torch import Tensor, nn

GROUP = 16  # Channels that are normalised together (Diffusion Policy).


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut.

    Args:
        before: Channels that come.
        after: Channels that leave.
        stride: Of the first convolution; the shortcut is projected where sizes change.
    """

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.bn1 = group_norm(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn2 = group_norm(after)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1 or before != after:
            projection = nn.Conv2d(before, after, 1, stride, bias=False)
            self.downsample = nn.Sequential(projection, group_norm(after))

    def forward(
        self, maps: Float[Tensor, "picture before height width"]
    ) -> Float[Tensor, "picture after low narrow"]:
        """Filter feature maps."""
        residual = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(maps)))))
        return cast(Tensor, self.relu(residual + self.downsample(maps)))


class ResNet18(nn.Sequential):
    """From pictures to feature maps of a thirty-second of their size, 8 `width` channels.

    Args:
        width: Channels of the first layer; ResNet18 has 64 (11,176,512 parameters).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.channels = 8 * width
        self.add_module("conv1", nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False))
        self.add_module("bn1", group_norm(width))
        self.add_module("relu", nn.ReLU(inplace=True))
        self.add_module("maxpool", nn.MaxPool2d(3, stride=2, padding=1))
        before = width
        for layer in range(4):
            after, stride = width * 2**layer, 1 if layer == 0 else 2
            blocks = nn.Sequential(BasicBlock(before, after, stride), BasicBlock(after, after, 1))
            self.add_module(f"layer{layer + 1}", blocks)
            before = after
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def group_norm(channels: int) -> nn.GroupNorm:
    """Normalise channels in groups of 16."""
    return nn.GroupNorm(channels // GROUP, channels)
