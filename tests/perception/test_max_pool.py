"""The max over a cloud's points: an exact gradient at a third of the cost."""

import pytest
import torch

from perception.encoders import max_pool
from perception.encoders.dp3 import PointNet
from perception.encoders.max_pool import max_features, maximum, point_features


@pytest.mark.parametrize("channels", [3, 6])
@pytest.mark.parametrize("clouds", [1, 5, 40])
def test_the_gradient_through_the_winners_is_the_gradient(channels: int, clouds: int) -> None:
    torch.manual_seed(0)
    net = PointNet(channels).double()
    points = torch.randn(clouds, 200, channels, dtype=torch.float64)
    weight = torch.randn(clouds, 64, dtype=torch.float64)

    def gradients(pooled: torch.Tensor) -> list[torch.Tensor]:
        loss = (net.projection(pooled) * weight).sum()
        return list(torch.autograd.grad(loss, list(net.parameters())))

    dense = gradients(net.points(points).max(dim=1).values)
    sparse = gradients(max_features(points, net.points))
    for one, other in zip(dense, sparse, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


def test_in_single_precision_the_gradients_agree_to_its_rounding() -> None:
    torch.manual_seed(0)
    net, points = PointNet(3), torch.randn(20, 512, 3)
    dense = torch.autograd.grad(
        net.points(points).amax(dim=1).square().sum(), list(net.points.parameters())
    )
    sparse = torch.autograd.grad(
        max_features(points, net.points).square().sum(), list(net.points.parameters())
    )
    for one, other in zip(dense, sparse, strict=True):
        assert (one - other).norm() < 1e-5 * one.norm()


def test_the_order_of_points_does_not_matter() -> None:
    torch.manual_seed(0)
    net, points = PointNet(3), torch.randn(2, 50, 3)
    shuffled = points[:, torch.randperm(50)]
    torch.testing.assert_close(net(points), net(shuffled))


def test_the_first_of_equal_maxima_wins() -> None:
    features = torch.zeros(2, 5, 3)
    features[0, 2:, 0] = 1.0
    features[1, 4, 2] = 3.0
    expected = torch.tensor([[2, 0, 0], [0, 0, 4]])
    for kind in (torch.float32, torch.bfloat16, torch.float64):
        values, winners = maximum(features.to(kind))
        assert torch.equal(winners, expected)
        assert torch.equal(values.float(), features.amax(dim=1))


@pytest.mark.parametrize("channels", [3, 6])
def test_features_without_a_graph_are_those_of_the_network(channels: int) -> None:
    torch.manual_seed(0)
    net, points = PointNet(channels), torch.randn(3, 70, channels)
    for layer in net.points:
        if isinstance(layer, torch.nn.LayerNorm):  # Not the ones and zeros they begin with.
            torch.nn.init.normal_(layer.weight)
            torch.nn.init.normal_(layer.bias)
    with torch.no_grad():
        exact = net.points(points)
        torch.testing.assert_close(point_features(points, net.points), exact, rtol=1e-5, atol=1e-5)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = point_features(points, net.points)
    assert rounded.dtype == torch.bfloat16
    assert (rounded.float() - exact).norm() < 0.01 * exact.norm()


def test_gradients_in_bfloat16_are_close() -> None:
    torch.manual_seed(0)
    net, points, weight = PointNet(3), torch.randn(20, 512, 3), torch.randn(20, 64)

    def gradient() -> torch.Tensor:
        loss = (net(points) * weight).sum()
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(net.parameters()))])

    exact = gradient()
    with torch.autocast("cpu", torch.bfloat16):
        rounded = gradient()
    # Not bit by bit: of points that nearly tie, another may win.
    assert torch.nn.functional.cosine_similarity(rounded, exact, dim=0) > 0.98


@pytest.mark.parametrize("channels", [3, 6])
def test_a_gpu_s_way_gives_the_same_gradients(channels: int) -> None:
    torch.manual_seed(0)
    net = PointNet(channels).points.double()
    points = torch.randn(5, 40, channels, dtype=torch.float64)
    with torch.no_grad():
        _, winners = net(points).max(dim=1)
    gradient = torch.randn(winners.shape, dtype=torch.float64)
    parameters, found = list(net.parameters()), []
    for replay in (max_pool._replay_distinct, max_pool._replay_each):
        features, reached = replay(net, points, winners, gradient)
        found.append(torch.autograd.grad(features, parameters, reached))
    for cpu, gpu in zip(*found, strict=True):
        torch.testing.assert_close(gpu, cpu)


def test_a_gpu_takes_a_batch_in_one_pass_and_more_in_few() -> None:
    batch, more = (torch.empty(count, 512, 3, device="meta") for count in (512, 2048))
    assert max_pool._clouds_per_pass(batch, 4) == len(batch)
    assert max_pool._clouds_per_pass(more, 4) == 512
    assert max_pool._clouds_per_pass(torch.empty(512, 512, 3), 4) == 4
