"""Environments that are kept: the next who needs such ones plays in them as in new ones."""

import torch

from envs.vector.workers import Process
from policy.rollouts.loading import EnvPool
from policy.rollouts.rollout import roll_out
from tests.conftest import task_config
from tests.helpers.small_planner import small_planner


def test_stages_play_in_the_same_environments_as_long_as_they_need_such() -> None:
    planner = small_planner()
    config = task_config("adroit-door", "env.episode_steps=6", "env.view.points=32")
    with EnvPool(workers=1) as pool:
        envs = pool.take(config, planner, envs=2)
        first = roll_out(planner, envs, [1, 2], success_at="end")
        roll_out(planner, envs, [7], success_at="end")
        assert pool.take(config, small_planner(), envs=2) is envs
        again = roll_out(planner, envs, [1, 2], success_at="end")
        assert torch.equal(first.chunks.samples, again.chunks.samples)
        assert torch.equal(first.chunks.rewards, again.chunks.rewards)
        workers = [one._process for one in envs._workers if isinstance(one, Process)]
        assert [worker.is_alive() for worker in workers] == [True]
        assert pool.take(config, planner, envs=1) is not envs
        assert not any(worker.is_alive() for worker in workers)
        kept = pool.take(config, planner, envs=1)._workers[0]
    assert isinstance(kept, Process)
    assert not kept._process.is_alive()


def test_environments_with_features_serve_whoever_asks_for_none() -> None:
    planner = small_planner()
    config = task_config("adroit-door", "env.episode_steps=6", "env.view.points=32")
    with EnvPool(workers=0) as pool:
        without = pool.take(config, planner, envs=1)
        assert without.features.shape == (1, 0)
        envs = pool.take(config, planner, envs=1, features=True)
        assert envs.features.shape == (1, 39)
        assert pool.take(config, planner, envs=1) is envs
