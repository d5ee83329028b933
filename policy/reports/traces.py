"""What an evaluation leaves for figures: the hand's paths and the chunks, beside its result."""

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from configs.files import write_whole
from envs.config import EnvConfig
from perception.errors import InputError
from policy.planner.policy import Policy
from policy.rollouts.trajectory import make_recorded_env, play

NAMES = ("paths", "successes", "chunks")


@dataclass(frozen=True)
class Traces:
    """Of the episodes of one evaluated run.

    Attributes:
        paths: Of the hand, in metres, world frame; NaN after an episode's end.
        chunks: What was executed of each plan, in the task's own actions.
    """

    paths: Float[np.ndarray, "episode frame 3"]
    successes: Bool[np.ndarray, " episode"]
    chunks: Float[np.ndarray, "plan chunk action"]


def write_traces(path: Path, planner: Policy, env: EnvConfig, seeds: Sequence[int]) -> None:
    """Play episodes and keep three arrays.

    `paths` (episode, frame, 3) float32: the hand in the world, metres, NaN after an episode's end;
    `successes` (episode,); `chunks` (plan, chunk, action) float16: what was executed of each plan.
    """
    world = make_recorded_env(env, planner)
    paths = np.full((len(seeds), env.episode_steps + 1, 3), np.nan, np.float32)
    chunks, successes = [], []
    for index, seed in enumerate(seeds):
        trajectory = play(planner, world, seed)
        paths[index, : len(trajectory.hands)] = trajectory.hands
        chunks += [plan.actions[: planner.config.chunk] for plan in trajectory.plans]
        successes.append(trajectory.succeeded(env.success_at))
    won, executed = np.array(successes), np.stack(chunks).astype(np.float16)

    def write(aside: Path) -> None:
        with aside.open("wb") as file:  # By its name, NumPy would give it another ending.
            np.savez_compressed(file, paths=paths, successes=won, chunks=executed)

    write_whole(path, write)


def read_traces(path: Path) -> Traces:
    """Read `seed<k>.npz`; no pickle is ever loaded.

    Raises:
        InputError: The file is damaged, or an array is missing or has another shape.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path} is damaged ({error}): restore it, or evaluate again") from error
    missing = [name for name in NAMES if name not in found]
    if missing:
        raise InputError(f"{path} lacks {', '.join(missing)}; there are {', '.join(found)}")
    paths, successes, chunks = (found[name] for name in NAMES)
    if paths.shape != (len(successes), *paths.shape[1:2], 3) or chunks.ndim != 3:
        raise InputError(
            f"{path}: paths must be (episode, frame, 3), successes (episode,) and chunks"
            f" (n, chunk, action), not {paths.shape}, {successes.shape}, {chunks.shape}"
        )
    return Traces(paths.astype(np.float64), successes.astype(bool), chunks.astype(np.float64))
