"""One episode with every frame kept is the episode that an evaluation plays."""

import numpy as np

from envs.vector.vector_env import Shapes, VectorEnv
from policy.rollouts.evaluation import evaluate, evaluation_seeds
from policy.rollouts.rollout import roll_out
from policy.rollouts.trajectory import make_recorded_env, play
from tests.conftest import task_config
from tests.helpers.small_planner import SHORT, quick_planner


def test_a_played_episode_is_the_evaluated_one() -> None:
    env = task_config("adroit-door", *SHORT)
    planner, (seed,) = quick_planner(), evaluation_seeds(0, 1)
    trajectory = play(planner, make_recorded_env(env, planner), seed)
    envs = VectorEnv(env, Shapes(envs=1, history=2, chunk=3), workers=0)
    rollout = roll_out(planner, envs, [seed], success_at="end")
    np.testing.assert_allclose(
        trajectory.rewards.reshape(4, 3).sum(axis=1), rollout.chunks.rewards[:, 0], rtol=1e-6
    )
    assert trajectory.succeeded("end") == bool(rollout.episodes.successes[0])
    assert [plan.step for plan in trajectory.plans] == [0, 3, 6, 9]
    assert len(trajectory.points) == len(trajectory.scene_states) == 13


def test_an_evaluation_tells_how_long_its_episodes_were_and_how_they_ended() -> None:
    # A random planner drops the pen, each episode at a step of its own.
    env = task_config("adroit-pen", "env.view.points=64")
    planner, seeds = quick_planner(actions=24), evaluation_seeds(0, 3)
    envs = VectorEnv(env, Shapes(envs=2, history=2, chunk=3), workers=0)
    evaluation = evaluate(planner, envs, seeds, success_at="ever", quiet=True)
    world = make_recorded_env(env, planner)
    alone = [play(planner, world, seed) for seed in seeds]
    assert evaluation.lengths == tuple(len(trajectory.rewards) for trajectory in alone)
    assert min(evaluation.lengths) < 50
    assert evaluation.at_end == tuple(bool(trajectory.successes[-1]) for trajectory in alone)
