"""A planner's episodes as data: recorded like any other behaviour's, with the chains behind them.

Two arrays come on top of a store's own: `data/chain` (step, S+1, horizon, action), the whole
denoising of the plan made at that step, normalised, and zeros between plans; `data/planned`
(step,), whether one was made.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch

from configs.build import Inline
from configs.ranges import Count, ErrorMm, Output, Processes, Seed
from datasets.behaviours.behaviour import EpisodeSource
from datasets.collection.collector import fill
from datasets.collection.making import Making, describe
from datasets.episode import Episode, Provenance
from datasets.recorder import render
from datasets.store.store import EpisodeStore
from envs.config import EnvConfig
from envs.make import make_scene, make_simulator, settled
from envs.request import EnvRequest
from envs.seeding import derive_seed
from perception.errors import InputError
from policy.planner.checkpoint import load_planner
from policy.rollouts.episode import ChunkStep, Episodes
from policy.rollouts.loading import load_for
from policy.rollouts.trajectory import make_recorded_env
from policy.runs.newest import given_or_newest
from policy.runs.run import find_checkpoint, stops

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RecordConfig:
    """What to record and where to; every key is explained in configs/scripts/record.yaml."""

    task: Annotated[EnvRequest, Inline()]
    checkpoint: Path | None
    episodes: Count
    out: Output | None
    seed: Seed
    workers: Processes
    launcher: Literal["process", "ray"]
    images: tuple[Literal["img", "depth"], ...]
    zarr_format: Literal[2, 3]
    error_mm: ErrorMm


@stops("while recording, with all whole episodes kept")
def record(config: RecordConfig) -> Path:
    """Record until the store holds all episodes; what it holds already is kept.

    Returns:
        The store's folder.

    Raises:
        InputError: The planner is missing or another task's, or the store is another command's.
    """
    checkpoint = find_checkpoint(given_or_newest(config.checkpoint))
    loaded = load_for(checkpoint, config.task)
    env = loaded.env
    if loaded.planner.observes == "features":
        raise InputError("Planners that see clouds are recorded; this one sees features")
    out = config.out or Path("data") / f"{env.name}-planner.zarr"
    behaviour = {"kind": "planner", "checkpoint": str(checkpoint)}
    shape = (config.images, config.zarr_format, config.error_mm)
    making = Making(env, behaviour, config.seed, *shape)
    make = partial(make_work, checkpoint, settled(env), config.images)

    def seeds(first: int) -> list[int]:
        return [derive_seed("data", config.seed, i) for i in range(first, config.episodes)]

    attributes = describe(making, make_simulator(env))
    with EpisodeStore.writing(out, making.format, attributes) as store:
        source = EpisodeSource(seeds, config.episodes, make)
        fill(store, source, env, workers=config.workers, launcher=config.launcher)
    logger.info("written to %s", out)
    return out


def make_work(
    checkpoint: Path, env: EnvConfig, images: tuple[str, ...]
) -> Callable[[int], Episode]:
    """Prepare a process to record a planner, one episode a seed.

    Raises:
        InputError: There is no such planner, or it is another task's.
    """
    torch.set_num_threads(1)
    planner, _ = load_planner(checkpoint)
    world = make_recorded_env(env, planner)
    scene = make_scene(world.task.simulator, env)

    def work(seed: int) -> Episode:
        steps = list(Episodes(planner, world, [seed]))
        trajectory = world.trajectory(())
        recording = trajectory.recording(Provenance(seed, 0.0, 0.0, world.start))
        episode = Episode(recording, trajectory.points[:-1])
        if images:
            episode = render(recording, scene, images)
        return replace(episode, further={**episode.further, **_chains(steps)})

    return work


def _chains(steps: list[ChunkStep]) -> dict[str, np.ndarray]:
    """Lay the chain of each plan beside the step that it was made at."""
    lengths = [int(step.outcome.taken[0]) for step in steps]
    planned = np.zeros(sum(lengths), bool)
    planned[np.cumsum([0, *lengths[:-1]])] = True
    samples = torch.cat([step.plan.chain.samples for step in steps]).numpy()
    chain = np.zeros((len(planned), *samples.shape[1:]), samples.dtype)
    chain[planned] = samples
    return {"chain": chain, "planned": planned}
