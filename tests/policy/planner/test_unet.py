"""The U-Net: its published sizes, and products that equal the convolutions they replace."""

import pytest
import torch
from torch import nn

from policy.planner.denoisers.short_conv import ShortConv1d, ShortConvTranspose1d
from policy.planner.denoisers.unet import Config as UnetConfig
from policy.planner.denoisers.unet import Unet

SIMPLE = UnetConfig("unet", (128, 256, 384), 1, 5, 8, 128, None)
SMALL = UnetConfig("unet", (16, 32, 48), 1, 5, 8, 16, None)


@pytest.mark.parametrize(("actions", "total"), [(28, 7_461_596), (26, 7_459_802), (24, 7_458_008)])
def test_the_size_is_simple_dp3s(actions: int, total: int) -> None:
    encoder = 64_832
    assert sum(p.numel() for p in Unet(actions, 256, SIMPLE).parameters()) + encoder == total


def test_the_size_is_dp3s() -> None:
    with torch.device("meta"):
        net = Unet(28, 256, UnetConfig("unet", (512, 1024, 2048), 2, 5, 8, 128, None))
    assert sum(p.numel() for p in net.parameters()) == 255_160_476


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 6, 12])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(5, 1, 2), (3, 2, 1), (1, 1, 0)])
def test_a_product_equals_the_convolution(
    steps: int, kernel: int, stride: int, padding: int
) -> None:
    torch.manual_seed(0)
    layer = ShortConv1d(6, 7, kernel, stride, padding).double()
    x = torch.randn(3, 6, steps, dtype=torch.float64)
    expected = nn.Conv1d.forward(layer, x)
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 6])
def test_a_product_equals_the_transposed_convolution(steps: int) -> None:
    torch.manual_seed(0)
    layer = ShortConvTranspose1d(6, 7, 4, 2, 1).double()
    x = torch.randn(3, 6, steps, dtype=torch.float64)
    torch.testing.assert_close(layer(x), nn.ConvTranspose1d.forward(layer, x))


def test_gradients_of_the_product_are_those_of_the_convolution() -> None:
    torch.manual_seed(0)
    layer, x = ShortConv1d(4, 8, 5, padding=2).double(), torch.randn(2, 4, 4, dtype=torch.float64)
    weight = torch.randn(2, 8, 4, dtype=torch.float64)

    def gradients(output: torch.Tensor) -> list[torch.Tensor]:
        return list(torch.autograd.grad((output * weight).sum(), list(layer.parameters())))

    for ours, theirs in zip(
        gradients(layer(x)), gradients(nn.Conv1d.forward(layer, x)), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


def test_products_are_kept_only_while_weights_are_promised_not_to_change() -> None:
    torch.manual_seed(0)
    net = Unet(6, 10, SMALL)
    inputs = torch.randn(2, 4, 6), torch.tensor([3, 80]), torch.randn(2, 10)
    # A fused optimiser changes weights without raising their version: no clue to go by.
    optimizer = torch.optim.Adam(net.parameters(), 0.1, fused=True)
    with torch.no_grad(), net.fixed_weights():
        before = net(*inputs)
        torch.testing.assert_close(net(*inputs), before)
    net(*inputs).sum().backward()
    optimizer.step()
    with torch.no_grad():
        after = net(*inputs)
        with net.fixed_weights():
            torch.testing.assert_close(net(*inputs), after)
    assert not torch.allclose(after, before)


@pytest.mark.parametrize("horizon", [4, 12, 16])
def test_any_horizon_that_can_be_halved_is_denoised(horizon: int) -> None:
    torch.manual_seed(0)
    net = Unet(6, 10, SMALL).eval()
    noisy, k, context = torch.randn(3, horizon, 6), torch.tensor([5, 50, 99]), torch.randn(3, 10)
    with torch.no_grad():
        together = net(noisy, k, context)
        apart = net.denoise(noisy, net.conditions(k, context))
    torch.testing.assert_close(apart, together)
    assert together.shape == (3, horizon, 6)


def test_levels_may_be_equally_wide() -> None:
    net = Unet(6, 32, UnetConfig("unet", (16, 16, 16), 1, 5, 8, 16, None))
    assert net(torch.randn(2, 4, 6), torch.tensor([0, 99]), torch.randn(2, 32)).shape == (2, 4, 6)
