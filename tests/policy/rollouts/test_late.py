"""Plans that come late are joined so that every action is done at the step it was planned for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from configs.command import compose
from envs.config import EnvConfig
from perception.errors import InputError
from policy.pipeline.judge import EvaluateConfig, judge
from policy.planner.decision import Decide, Decision
from policy.planner.planner import FirstPlan, Planner
from policy.rollouts.actor import Actor
from policy.rollouts.episode import Episodes
from policy.rollouts.evaluation_file import delayed, forget_evaluation, read_evaluation
from policy.rollouts.late import Joined, Late, LatePlans
from policy.rollouts.trajectory import make_recorded_env
from tests.helpers.small_planner import quick_planner
from tests.policy.rollouts.camera_frames import film, saved

SEED = 5
LONG = replace(quick_planner().config, horizon=8)  # Seven actions from the look on, three executed.


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, EnvConfig]:
    return saved(tmp_path_factory.mktemp("run"))


def said_at(look: int, off: float = 0.0) -> torch.Tensor:
    """Give a plan whose every action is the number of the step that it is for."""
    first = look - (LONG.history - 1)
    return (torch.arange(first, first + LONG.horizon) + off).float().reshape(1, -1, 1)


def done(late: Late, rounds: int, off: float = 0.0) -> list[float]:
    joined = Joined(LONG, late)
    parts = [joined.take(said_at(LONG.chunk * i, i * off)) for i in range(rounds)]
    assert all(part.shape == (1, LONG.chunk + late.delay, 1) for part in parts)
    return torch.cat([part[:, : LONG.chunk] for part in parts], 1).flatten().tolist()


@pytest.mark.parametrize("delay", [0, 1, 2])
@pytest.mark.parametrize("blend", [0.0, 0.5])
def test_plans_that_agree_are_done_step_by_step(delay: int, blend: float) -> None:
    assert done(Late(delay=delay, blend=blend), rounds=4) == list(range(12))


@pytest.mark.parametrize("delay", [1, 2])
def test_until_a_plan_is_there_the_one_before_is_followed(delay: int) -> None:
    found = done(Late(delay=delay), rounds=3, off=100)
    for look in (1, 2):
        chunk = found[3 * look : 3 * look + 3]
        assert [int(step // 100) for step in chunk] == [look - 1] * delay + [look] * (3 - delay)
        assert [step % 100 for step in chunk] == list(range(3 * look, 3 * look + 3))


def test_plans_that_are_not_aligned_are_done_from_their_first_action() -> None:
    found = done(Late(delay=2, aligned=False), rounds=3)
    assert found == [0, 1, 2, 3, 4, 3, 4, 5, 6]  # Each plan's first action two steps late.


def test_two_plans_of_a_step_are_blended() -> None:
    found = done(Late(delay=1, blend=0.25), rounds=2, off=100)
    assert found == [0, 1, 2, 3, 4 + 75, 5 + 75]


def test_beyond_its_end_the_last_action_of_a_plan_is_repeated() -> None:
    short = quick_planner().config  # Three actions from the look on, and all are executed.
    joined = Joined(short, Late(delay=2))
    assert joined.take(torch.arange(4.0).reshape(1, 4, 1)).flatten().tolist() == [1, 2, 3, 3, 3]


@pytest.mark.parametrize("delay", [0, 1, 2])
def test_a_robot_does_what_is_done_in_the_simulator(
    run: tuple[Path, EnvConfig], delay: int
) -> None:
    planner, env, late = quick_planner(), run[1], Late(delay=delay, blend=0.5)
    filmed = film(planner, env, SEED, LatePlans(planner, late))
    actor = Actor.load(run[0], late=late)
    actor.reset(SEED)
    robot: list[np.ndarray] = []
    for between, now, _ in filmed.rounds():
        for frame in between:
            actor.observe(**vars(frame))
        robot.append(actor.act(**vars(now)))
    assert [len(chunk) for chunk in robot] == [3 + delay, *[3] * (len(robot) - 1)]
    all_done = np.concatenate(filmed.chunks)
    np.testing.assert_array_equal(np.concatenate(robot)[: len(all_done)], all_done)


def test_without_delay_nothing_changes(run: tuple[Path, EnvConfig]) -> None:
    planner = quick_planner()
    alone, late = (
        [
            step.outcome.observations.robot_state
            for step in Episodes(planner, make_recorded_env(run[1], planner), [SEED], decide=decide)
        ]
        for decide in (None, LatePlans(planner, Late()))
    )
    np.testing.assert_array_equal(alone, late)


def test_a_policy_that_remembers_begins_anew_with_each_episode(
    run: tuple[Path, EnvConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    planner, begun = quick_planner(), list[int]()

    def begin(_: Planner, count: int) -> Decide:
        begun.append(count)
        return FirstPlan(planner)

    monkeypatch.setattr(Planner, "begin", begin)
    late = LatePlans(planner, Late(delay=1))
    for _ in range(2):
        decisions = list(Episodes(planner, make_recorded_env(run[1], planner), [1], decide=late))
        assert all(isinstance(step.plan.decision, Decision) for step in decisions)
    assert begun == [1, 1]


def test_evaluating_late_plans_is_noted_apart(run: tuple[Path, EnvConfig], tmp_path: Path) -> None:
    words = (f"checkpoint={run[0]}", "envs=2", "workers=0", "threads=1", "device=cpu", "episodes=2")
    for of in ([], ["late.delay=2"]):
        judge(compose(EvaluateConfig, "evaluate", [*words, f"out={tmp_path}", *of]))
    alone, late = (read_evaluation(tmp_path, f"pretrain{of}") for of in ("", "-delay2"))
    assert alone is not None
    assert late is not None
    assert alone.seeds == late.seeds
    assert alone.returns != late.returns
    forget_evaluation(tmp_path, "pretrain")
    assert read_evaluation(tmp_path, "pretrain-delay2") is None


def test_each_way_of_joining_late_plans_has_a_name_of_its_own() -> None:
    ways = [
        Late(delay=d, aligned=a, blend=b) for d in (0, 2) for a in (True, False) for b in (0, 0.5)
    ]
    named = {delayed("finetune", late) for late in ways}
    assert len(named) == 6  # With no delay, plans that are aligned or not are the same.
    assert "finetune" in named
    assert all(name.split("-")[0] == "finetune" for name in named)


@pytest.mark.parametrize("delay", [3, 4])
def test_plans_that_come_after_the_next_look_are_refused(
    run: tuple[Path, EnvConfig], delay: int
) -> None:
    with pytest.raises(InputError, match="must be under the 3 actions"):
        Actor.load(run[0], late=Late(delay=delay))
