"""Commands as they were written before still say what they said."""

import logging

import pytest

from configs.command import compose
from configs.command.renamed import RENAMED, as_named_now
from policy.pipeline.config import TrainConfig


@pytest.mark.parametrize(
    ("old", "now"),
    [
        (["checkpoint=a"], ["init_from=a"]),
        (
            ["checkpoint=a", "pretrain.features=true"],
            ["encoder_from=a", "pretrain.features=true"],
        ),
        (["stage=start"], ["stage=zero_shot"]),
        (["stage=all", "seed=1"], ["stage=all", "seed=1"]),
        (
            ["finetune.objective.regulariser=kl", "finetune.objective.regularisation=1"],
            ["finetune=ppo_kl", "finetune.algorithm.terms.kl.weight=1"],
        ),
        (
            ["finetune=ppo_bc", "finetune.objective.regularisation=3"],
            ["finetune=ppo_bc", "finetune.algorithm.terms.bc.weight=3"],
        ),
    ],
)
def test_an_old_command_of_training(
    old: list[str], now: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert as_named_now("train", old) == now
    changed = [(a, b) for a, b in zip(old, now, strict=True) if a != b]
    assert caplog.messages == [f"{a} is now {b}" for a, b in changed]


def test_an_old_command_without_a_choice_means_the_default_of_then() -> None:
    batch = ["finetune.objective.batch=8"]
    assert as_named_now("train", batch) == ["finetune.algorithm.batch=8", "finetune=ppo_bc"]
    assert as_named_now("train", ["finetune.episodes=8"]) == ["finetune.episodes=8"]


def test_the_weight_of_kl_is_what_it_was() -> None:
    assert as_named_now("train", ["finetune.objective.regulariser=kl"]) == [
        "finetune=ppo_kl",
        "finetune.algorithm.terms.kl.weight=10",
    ]


VALUES = {
    "finetune.weight": "whitened",
    "finetune.objective.encoder": "trained",
    "finetune.objective.ratio": "sum",
}


@pytest.mark.parametrize("key", [*RENAMED["*"], *RENAMED["train"]])
def test_every_old_key_leads_to_one_that_exists(key: str) -> None:
    text = key if "=" in key else f"{key}={VALUES.get(key, 1)}"
    compose(TrainConfig, "train", [text])
