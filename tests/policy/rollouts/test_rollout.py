"""Rollouts: every chunk is there, and the same seeds give the same, whoever plays."""

from collections.abc import Sequence

import pytest
import torch

from envs.vector.vector_env import Shapes, VectorEnv
from policy.planner.planner import FirstPlan, Planner
from policy.rollouts.episode import Episodes
from policy.rollouts.rollout import Rollout, join, roll_out
from tests.conftest import task_config
from tests.helpers.made_up_rollout import made_up_rollout
from tests.helpers.small_planner import small_planner


@pytest.fixture(scope="module")
def envs() -> VectorEnv:
    config = task_config("adroit-door", "env.episode_steps=10", "env.view.points=32")
    return VectorEnv(config, Shapes(envs=2, history=2, chunk=3), workers=0)


def rolled(planner: Planner, envs: VectorEnv, seeds: Sequence[int] = (11, 12)) -> Rollout:
    return roll_out(planner, envs, seeds, success_at="end", decide=FirstPlan(planner, 0.1))


def test_a_rollout_holds_every_chunk(envs: VectorEnv) -> None:
    rollout = rolled(small_planner(), envs)
    chunks = rollout.chunks
    assert chunks.rewards.shape == (4, 2)  # Ten steps in chunks of three.
    assert chunks.valid.all()
    assert rollout.steps == 20
    assert chunks.samples.shape == (4, 2, 11, 4, 28)
    assert chunks.contexts.shape == (4, 2, 256)
    assert chunks.points.shape[:3] == (4, 2, 0)


def test_a_rollout_follows_from_its_seeds(envs: VectorEnv) -> None:
    one, other = (rolled(small_planner(), envs) for _ in range(2))
    assert torch.equal(one.chunks.samples, other.chunks.samples)
    assert torch.equal(one.chunks.rewards, other.chunks.rewards)


def test_episodes_may_begin_alike_and_go_apart(envs: VectorEnv) -> None:
    rollout = roll_out(small_planner(), envs, [11, 12], starts=[7, 7], success_at="end")
    contexts = rollout.chunks.contexts
    torch.testing.assert_close(contexts[0, 0], contexts[0, 1])
    assert not torch.allclose(contexts[1, 0], contexts[1, 1])
    assert rollout.episodes.starts.tolist() == [7, 7]


def test_workers_do_not_change_a_rollout(envs: VectorEnv) -> None:
    config = task_config("adroit-door", "env.episode_steps=10", "env.view.points=32")
    apart = VectorEnv(config, Shapes(envs=2, history=2, chunk=3), workers=2)
    try:
        one, other = rolled(small_planner(), envs), rolled(small_planner(), apart)
    finally:
        apart.close()
    assert torch.equal(one.chunks.samples, other.chunks.samples)
    assert torch.equal(one.chunks.rewards, other.chunks.rewards)


def test_what_was_seen_is_kept_for_who_asks_and_encodes_to_the_contexts(envs: VectorEnv) -> None:
    planner = small_planner()
    steps = list(Episodes(planner, envs, [11], decide=FirstPlan(planner, 0.1)))
    rollout = Rollout.stack(steps, starts=[11], success_at="end", keep_observations=True)
    assert rollout.chunks.points.shape == (4, 1, 2, 32, 3)
    with torch.no_grad():
        again = planner.encode(steps[2].plan.observations)
    torch.testing.assert_close(again, rollout.chunks.contexts[2])
    assert torch.equal(rollout.chunks.points[2], steps[2].plan.observations.points)


def test_planning_changes_nothing_until_the_plan_is_executed(envs: VectorEnv) -> None:
    planner = small_planner()
    whole = list(Episodes(planner, envs, [11, 12]))
    halves = Episodes(planner, envs, [11, 12])
    steps = []
    while not halves.done:
        plan = halves.plan()
        steps.append(halves.act(plan))
    for one, other in zip(steps, whole, strict=True):
        assert torch.equal(one.plan.chain.samples, other.plan.chain.samples)
        assert torch.equal(one.valid, other.valid)


def test_joined_episodes_stand_side_by_side_and_the_newest_are_kept() -> None:
    long, short = made_up_rollout([True], [4.0]), made_up_rollout([False], [5.0], chunks=1)
    joined = join(long, short)
    assert joined.chunks.valid.tolist() == [[True, True], [True, False]]
    assert joined.returns.tolist() == [4.0, 5.0]
    newest = joined.newest(1)
    assert len(newest) == 1
    assert newest.episodes.successes.tolist() == [False]
    again = Rollout.load(newest.state())
    assert torch.equal(again.chunks.rewards, newest.chunks.rewards)
