"""Laws of Diffusion Policy's picture encoder."""

import pytest
import torch
from torch import nn

from perception.encoders import resnet
from perception.encoders.residual import ResNet18
from perception.encoders.resnet import cropped, spatial_softmax
from perception.errors import InputError
from perception.observation import Observation

SMALL = resnet.Config("resnet", width=16, crop=76)


def numbered(pictures: int, height: int, width: int) -> torch.Tensor:
    """Pictures of which every pixel holds its own number."""
    number = torch.arange(height * width, dtype=torch.float32).reshape(1, 1, height, width)
    return number.expand(pictures, 3, height, width)


def test_the_trunk_is_resnet18_without_batch_norm() -> None:
    trunk = ResNet18(64)
    assert sum(p.numel() for p in trunk.parameters()) == 11_176_512  # Of torchvision's, less fc.
    norms = [m for m in trunk.modules() if "Norm" in type(m).__name__]
    assert len(norms) == 20
    for norm in norms:
        assert isinstance(norm, nn.GroupNorm)
        assert norm.num_groups * 16 == norm.num_channels
    with torch.no_grad():
        assert trunk(torch.zeros(1, 3, 76, 76)).shape == (1, 512, 3, 3)


def test_spatial_softmax_of_one_hot_maps_gives_their_places() -> None:
    height, width = 3, 4
    maps = torch.full((1, height * width, height, width), -100.0)
    for place in range(height * width):
        maps[0, place, place // width, place % width] = 100.0
    places = spatial_softmax(maps)[0].reshape(height, width, 2)
    across, down = torch.linspace(-1, 1, width), torch.linspace(-1, 1, height)
    expected = torch.stack(torch.meshgrid(across, down, indexing="xy"), dim=-1)
    torch.testing.assert_close(places, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(spatial_softmax(torch.zeros(1, 1, 3, 3)), torch.zeros(1, 1, 2))


def test_pictures_are_cut_in_the_middle_or_anywhere() -> None:
    pictures = numbered(64, 84, 84)
    middle = cropped(pictures, 76, anywhere=False)
    assert torch.equal(middle, pictures[..., 4:80, 4:80])
    torch.manual_seed(0)
    first = cropped(pictures, 76, anywhere=True)
    torch.manual_seed(0)
    assert torch.equal(cropped(pictures, 76, anywhere=True), first)
    assert not torch.equal(cropped(pictures, 76, anywhere=True), first)
    corners = first[:, 0, 0, 0].long()
    tops, lefts = corners // 84, corners % 84
    assert set(tops.tolist()) == set(lefts.tolist()) == set(range(9))  # Every place occurs.
    for picture, top, left in zip(first, tops, lefts, strict=True):  # And is one of a whole piece.
        assert torch.equal(picture, pictures[0, :, top : top + 76, left : left + 76])
    assert cropped(numbered(1, 128, 128), 76, anywhere=False).shape == (1, 3, 116, 116)


def test_the_crop_is_random_in_training_only_and_the_state_passes_as_it_is() -> None:
    torch.manual_seed(0)
    encoder = resnet.make(SMALL, 3, 5)
    image = torch.rand(4, 2, 84, 84, 3) * 2 - 1
    seen = Observation(torch.zeros(4, 2, 0, 0), torch.randn(4, 2, 5), image)
    assert not torch.equal(encoder(seen), encoder(seen))
    encoder.eval()
    found = encoder(seen)
    assert torch.equal(encoder(seen), found)
    assert torch.equal(found[..., 64:], seen.robot_state)
    assert found[..., :64].min() >= 0  # robomimic's ReLU.


def test_each_camera_has_a_network_of_its_own() -> None:
    encoder = resnet.make(SMALL, 6, 5).eval()
    image = torch.rand(2, 42, 42, 6) * 2 - 1
    seen = Observation(torch.zeros(2, 0, 0), torch.randn(2, 5), image)
    other = Observation(seen.points, seen.robot_state, image.clone())
    assert other.image is not None
    other.image[..., 3:] = 0
    first, second = encoder(seen), encoder(other)
    assert first.shape == (2, 133)
    assert torch.equal(first[:, :64], second[:, :64])
    assert not torch.equal(first[:, 64:128], second[:, 64:128])


def test_what_are_no_pictures_are_refused() -> None:
    for channels in (0, 4):
        with pytest.raises(InputError, match="3 numbers a pixel and camera"):
            resnet.make(SMALL, channels, 5)
    with pytest.raises(ValueError, match="hold no pictures"):
        resnet.make(SMALL, 3, 5)(Observation(torch.zeros(1, 9, 3), torch.zeros(1, 5)))
