"""Laws of the normaliser: units do not matter, and what never changes is not stretched."""

import pytest
import torch

from perception.observation import Observation
from policy.planner.normalizer import Normalizer, Range

UNITS = [1e-9, 2e-5, 1e-3, 1.0, 1e4, 1e9]


def data() -> torch.Tensor:
    """Four channels that change, one about a large mean, one that does not, and one that is 0."""
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(200, 6, generator=generator) * torch.tensor([2.0, 1, 0.3, 0.01, 0, 0])
    return values + torch.tensor([-1.0, 0, 5, 0, 0.7, 0])


def fitted(values: torch.Tensor, *, alike: bool = False) -> Range:
    channel = Range(values.shape[-1])
    channel.fit(values, alike=alike)
    return channel


@pytest.mark.parametrize("alike", [False, True])
@pytest.mark.parametrize("unit", UNITS)
def test_units_do_not_matter(unit: float, *, alike: bool) -> None:
    values, wanted = data() * unit, fitted(data(), alike=alike)
    channel = fitted(values, alike=alike)
    normal = channel(values)
    torch.testing.assert_close(normal, wanted(data()), rtol=1e-3, atol=1e-4)
    assert (normal[:, :4].amax(0) - 1).abs().amax() < 1e-4
    assert (normal[:, :4].amin(0) + 1).abs().amax() < 1e-4
    assert (normal[:, 4:].abs() < 1e-5).all()
    torch.testing.assert_close(channel.inverse(normal), values, rtol=1e-5, atol=1e-6 * unit)


@pytest.mark.parametrize("alike", [False, True])
@pytest.mark.parametrize("unit", UNITS)
def test_an_error_is_as_large_as_the_data_are(unit: float, *, alike: bool) -> None:
    # What a network predicts is wrong by a hundredth: so is the action, in any unit.
    channel, values = fitted(data() * unit, alike=alike), data() * unit
    wrong = (channel.inverse(channel(values) + 0.01) - values).abs().amax(0)
    assert (wrong < 0.011 * values.abs().amax()).all()


@pytest.mark.parametrize("unit", UNITS)
def test_each_action_may_have_a_unit_of_its_own(unit: float) -> None:
    values = data() * torch.tensor([1.0, unit, 1, unit, unit, 1])
    torch.testing.assert_close(fitted(values)(values), fitted(data())(data()), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("value", [0.7, -3e-7, 1e8])
@pytest.mark.parametrize("ulps", [0, 1, -2])
def test_what_changes_by_rounding_alone_does_not_change(value: float, ulps: int) -> None:
    values = torch.full((50, 1), value)
    values[7] *= 1 + ulps * torch.finfo(torch.float32).eps
    assert fitted(values)(values).abs().amax() < 1e-6


def test_an_object_that_rests_in_the_data_may_move_later() -> None:
    state, planner = data(), Normalizer(3, 6, 2)
    state[:, 5] = 1e-9 * torch.randn(200, generator=torch.Generator().manual_seed(1))
    planner.fit(Observation(torch.rand(200, 8, 3), state), torch.rand(200, 2))
    moved = state[:1].clone()
    moved[0, 5] = 0.5
    assert planner.state(moved).abs().amax() <= 1


def test_data_that_are_all_the_same_are_centred() -> None:
    for value in (0.0, 0.25):
        channel = fitted(torch.full((9, 3), value))
        assert (channel(torch.full((1, 3), value)) == 0).all()
        assert (channel.scale > 0).all()
