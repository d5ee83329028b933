"""Where a planner's hand goes and what it plans: kept beside an experiment's figures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from envs.config import EnvConfig
from envs.vector.chunked_env import ChunkedTask
from policy.planner.planner import Planner
from policy.rollouts.episode import play


def write_traces(path: Path, planner: Planner, env: EnvConfig, seeds: Sequence[int]) -> None:
    """Play episodes and keep three arrays.

    `paths` (episode, frame, 3) float32: the hand in the world, metres, NaN after an episode's end;
    `successes` (episode,); `chunks` (plan, chunk, action) float16: what was executed of each plan.
    """
    task = ChunkedTask(env, planner.config.history)
    paths = np.full((len(seeds), env.episode_steps + 1, 3), np.nan, np.float32)
    chunks, successes = [], []
    for index, seed in enumerate(seeds):
        played = play(planner, task, seed)
        paths[index, : len(played.hands)] = played.hands
        chunks += [plan.actions[: planner.config.chunk] for plan in played.plans]
        successes.append(played.succeeded(env.success_at))
    np.savez_compressed(
        path, paths=paths, successes=np.array(successes), chunks=np.stack(chunks).astype(np.float16)
    )
