"""Who learns from no clouds, or from sequences of them, is refused a distance field."""

import pytest

from configs.command import compose
from perception.errors import InputError
from policy.pipeline.checks import check
from policy.pipeline.config import TrainConfig
from tests.policy.test_training import PRETRAINING


def test_policies_that_learn_from_sequences_are_refused() -> None:
    words = ["policy=bcrnn-3d", "stage=pretrain", "pretrain.distance_field=1"]
    with pytest.raises(InputError, match="distance_field predicts from one history"):
        check(compose(TrainConfig, "train", words))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["encoder=state_only"], "is of clouds, and this planner learns from features"),
        (["pretrain.features=true", "encoder_from=outputs/x"], "learns from features: leave it"),
    ],
)
def test_it_is_refused_where_there_are_no_clouds(words: list[str], reason: str) -> None:
    asked_for = [*PRETRAINING, "stage=pretrain", "pretrain.distance_field=1", *words]
    with pytest.raises(InputError, match=reason):
        check(compose(TrainConfig, "train", asked_for))
