"""Fine-tuning in rounds: each begins anew from the planner that the one before came to."""

import copy
import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from configs.command import compose
from envs.vector.vector_env import Shapes, VectorEnv
from perception.errors import InputError
from policy.finetuning.config import FinetuneConfig
from policy.finetuning.guided.distilling import DistilConfig
from policy.finetuning.loop import finetune
from policy.finetuning.terms import kl
from policy.finetuning.trainer import Trainer
from policy.pipeline.checks import check_task
from policy.pipeline.config import TrainConfig
from policy.planner.policy import Policy
from policy.runs.metrics import read_metrics
from policy.runs.run import Run
from tests.conftest import task_config
from tests.helpers.small_planner import PPO_BC, small_finetuning, small_planner
from tests.policy.finetuning.test_critic_learners import config as config_of

CHANGES = {
    "episodes": 8, "episodes_per_round": 4, "initial_limit": 2, "gradient_steps": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def envs() -> VectorEnv:
    config = task_config("adroit-door", "env.episode_steps=10", "env.view.points=32")
    return VectorEnv(config, Shapes(envs=2, history=2, chunk=3), workers=0)


def sodp(**changes: Any) -> FinetuneConfig:  # noqa: ANN401
    """Held near the planner that a round began with, so that it must be known again."""
    usual = small_finetuning(evaluate_every=0, **{**CHANGES, **changes})
    terms = {**PPO_BC, "kl": kl.Config("kl", weight=1.0)}
    algorithm: Any = usual.algorithm
    return dataclasses.replace(usual, algorithm=dataclasses.replace(algorithm, terms=terms))


def q_guided(**changes: Any) -> FinetuneConfig:  # noqa: ANN401
    distil = {"distil": DistilConfig(steps=3, candidates=2)}
    return config_of("q_guided", distil, 5, **{**CHANGES, **changes})


def trainer(envs: VectorEnv, config: FinetuneConfig) -> Trainer:
    return Trainer(small_planner(), envs, config, seed=0, success_at="end")


def same(one: Policy, other: Policy) -> bool:
    return all(map(torch.equal, one.parameters(), other.parameters()))


def test_a_round_begins_with_nothing_but_the_planner(envs: VectorEnv) -> None:
    whole = trainer(envs, q_guided())
    single = trainer(envs, q_guided(episodes_per_round=0, episodes=4))
    for made in (whole, single):
        made.iterate()
        made.iterate()
    assert same(whole.planner, single.planner)
    single.finish()  # What ends a run ends a round, too.
    steps, before = whole.gradient_steps, whole.algorithm
    whole.iterate()  # The search of the second round.
    assert same(whole.planner, single.planner)
    assert whole.algorithm is not before
    assert (whole.algorithm.gradient_steps, whole.gradient_steps) == (0, single.gradient_steps)
    assert whole.gradient_steps > steps
    assert whole.search.over
    noted = whole.iterate()
    assert (noted["finetune/round"], whole.episodes) == (1, 8)
    assert noted["finetune/decisions"] == 4 * 4  # Ten steps in chunks of three.


@pytest.mark.parametrize("config", [sodp(), q_guided()], ids=["sodp", "q_guided"])
@pytest.mark.parametrize("iterations", [1, 2, 3])
def test_it_goes_on_as_if_it_had_not_stopped(
    config: FinetuneConfig, iterations: int, envs: VectorEnv
) -> None:
    whole, part, gone_on = (trainer(envs, config) for _ in "abc")
    for _ in range(iterations):
        part.iterate()
    gone_on.load(copy.deepcopy(part.state()))
    for made, more in ((whole, 4), (gone_on, 4 - iterations)):
        for _ in range(more):
            made.iterate()
        made.finish()
    assert same(whole.planner, gone_on.planner)
    assert whole.about()["gradient_steps"] == gone_on.about()["gradient_steps"]


@pytest.mark.parametrize(
    ("episodes", "length", "played", "end"),
    [
        (600, 0, 0, 600), (600, 300, 0, 300), (599, 300, 0, 599), (100, 300, 0, 100),
        (700, 300, 0, 300), (600, 300, 500, 600), (900, 300, 500, 500), (900, 300, 300, 300),
    ],
)  # fmt: skip
def test_a_round_ends_early_only_where_a_whole_one_follows(
    episodes: int, length: int, played: int, end: int
) -> None:
    made = q_guided(episodes=episodes, episodes_per_round=length)
    assert made.round_end(0, played) == end
    assert dataclasses.replace(made, experience=Path("state.pt")).round_end(0, 0) == episodes


def test_more_rounds_go_on_from_fewer(envs: VectorEnv, tmp_path: Path) -> None:
    planners = []
    for name, lengths in (("longer", (4, 8)), ("long", (8,))):
        for episodes in lengths:
            run = Run(tmp_path / name, {"about": {"task": "adroit-door", "seed": 0}})
            made = q_guided(episodes=episodes)
            came = finetune(small_planner(), envs, made, run=run, seed=0, success_at="end")
            planners.append(came)
    assert not same(planners[0], planners[2])
    assert same(planners[1], planners[2])
    rounds = [row["finetune/round"] for row in read_metrics(tmp_path / "long" / "finetune.jsonl")]
    assert rounds == [0, 0, 1, 1]


def test_what_makes_no_round_is_refused() -> None:
    with pytest.raises(InputError, match="initial_limit=4 is to be less than a round"):
        q_guided(initial_limit=4)
    task = ["env=adroit-door", "stage=finetune", "init_from=x", "finetune=rlpd"]
    told = compose(TrainConfig, "train", [*task, "finetune.episodes_per_round=300"])
    with pytest.raises(InputError, match="rlpd teaches a policy of its own"):
        check_task(told, task_config("adroit-door"), "adroit-door")
