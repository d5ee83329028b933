"""Laws of every encoder, those from outside the repository among them."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from configs.command import compose
from configs.kinds import Kind, kinds, make_kind
from perception.encoders import dp3, resnet, state_only
from perception.encoders.dp3 import Dp3
from perception.encoders.encoder import Encoder
from perception.errors import InputError
from perception.observation import Encoded, Observation
from policy.pipeline.config import TrainConfig
from policy.planner.config import ENCODERS
from tests.helpers.own.encoder import Means

OWN = "tests.helpers.own.encoder:Means"
CONFIGS: list[tuple[Kind, int]] = [  # With the numbers per point, or of two cameras per pixel.
    (dp3.Config("dp3"), 3),
    (dp3.Config("dp3"), 6),
    (state_only.Config("state_only"), 0),
    (resnet.Config("resnet", width=16, crop=76), 6),
    (Means.Config(OWN), 3),
]
every_encoder = pytest.mark.parametrize(
    ("config", "channels"), CONFIGS, ids=[f"{config.kind}-{n}" for config, n in CONFIGS]
)


def make(config: Kind, channels: int) -> Any:  # noqa: ANN401 (of any class)
    torch.manual_seed(0)
    return make_kind(ENCODERS, config, channels, 24)


def observation(*lead: int, config: Kind, channels: int) -> Observation[torch.Tensor]:
    state = torch.randn(*lead, 24)
    if isinstance(config, resnet.Config):
        image = torch.rand(*lead, 42, 42, channels) * 2 - 1
        return Observation(torch.zeros(*lead, 0, 0), state, image)
    return Observation(torch.randn(*lead, 50 if channels else 0, channels), state)


def test_each_file_is_a_choice() -> None:
    assert kinds(ENCODERS) == ["dp3", "resnet", "state_only"]
    assert {config.kind for config, _ in CONFIGS} == {"dp3", "resnet", "state_only", OWN}


@every_encoder
def test_the_features_have_the_promised_size_over_any_leading_axes(
    config: Kind, channels: int
) -> None:
    encoder = make(config, channels)
    for lead in ((), (2,), (3, 2)):
        seen = observation(*lead, config=config, channels=channels)
        assert encoder(seen).shape == (*lead, encoder.features)


@every_encoder
def test_with_and_without_gradient_the_features_are_the_same(config: Kind, channels: int) -> None:
    encoder = make(config, channels).eval()
    seen = observation(3, 2, config=config, channels=channels)
    with torch.no_grad():
        plain = encoder(seen)
    torch.testing.assert_close(encoder(seen), plain, rtol=1e-5, atol=1e-6)


@every_encoder
def test_what_it_observes_matters_and_the_order_of_points_does_not(
    config: Kind, channels: int
) -> None:
    encoder = make(config, channels).eval()
    seen = observation(2, config=config, channels=channels)
    before = encoder(seen)
    assert not torch.equal(encoder(replace(seen, robot_state=seen.robot_state + 1)), before)
    shown = "image" if seen.image is not None else "points" if channels else "features"
    assert encoder.observes == shown
    if seen.image is not None:
        assert not torch.equal(encoder(replace(seen, image=seen.image.flip(-2))), before)
    elif channels:
        shuffled = seen.points[:, torch.randperm(50)]
        torch.testing.assert_close(encoder(Observation(shuffled, seen.robot_state)), before)
        assert not torch.equal(encoder(Observation(seen.points + 1, seen.robot_state)), before)


@every_encoder
def test_clouds_encoded_once_give_the_same_or_are_refused(config: Kind, channels: int) -> None:
    encoder = make(config, channels)
    seen = observation(3, 2, config=config, channels=channels)
    if encoder.observes != "points":
        with pytest.raises(InputError, match="no part that encodes clouds"):
            encoder.visual(seen.points)
        return
    kept = Encoded(encoder.visual(seen.points), seen.robot_state)
    assert torch.equal(encoder(kept), encoder(seen))
    one_by_one = encoder.visual_part(seen.points.flatten(0, 1)).unflatten(0, (3, 2))
    torch.testing.assert_close(one_by_one, kept.visual)


def test_parameters_are_those_of_dp3() -> None:
    def size(channels: int, robot_state: int) -> int:
        return sum(p.numel() for p in Dp3(channels, robot_state).parameters())

    assert size(3, 24) == 64_832
    assert size(3, 9) == 63_872
    assert size(6, 24) == 212_992


def test_an_encoder_refuses_data_it_cannot_observe() -> None:
    with pytest.raises(InputError, match="encoder=state_only needs none"):
        make(dp3.Config("dp3"), 0)
    with pytest.raises(InputError, match="takes the simulator's features"):
        make(state_only.Config("state_only"), 3)


@pytest.mark.parametrize("kind", ["dp3", "resnet", "state_only"])
def test_every_encoder_is_chosen_by_its_name(kind: str) -> None:
    config = compose(TrainConfig, "train", [f"encoder={kind}"])
    assert config.recipe.planner.encoder == config.encoder
    assert config.encoder.kind == kind


def test_an_encoder_from_outside_is_chosen_by_module_and_class() -> None:
    config = compose(TrainConfig, "train", [f"encoder.kind={OWN}", "+encoder.width=5"])
    assert config.recipe.planner.encoder == Means.Config(OWN, 5)
    assert not isinstance(make(config.recipe.planner.encoder, 3), Encoder)
    with pytest.raises(InputError, match=r"encoder\.kind=nowhere:Net does not import"):
        compose(TrainConfig, "train", ["encoder.kind=nowhere:Net"])
