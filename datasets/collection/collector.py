"""Collect a store: act, render, write, in that order for each episode, on several processes."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from tqdm import tqdm

from datasets.behaviours.behaviour import BehaviourConfig, make_behaviour
from datasets.episode import Episode, Recording
from datasets.recorder import act, render
from datasets.store.chunk_codecs import StoreFormat
from datasets.store.provenance import as_json, source_commit, versions
from datasets.store.store import EpisodeStore
from datasets.worker_pool import parallel_map
from envs.config import EnvConfig, with_view
from envs.make import make_scene, make_simulator, settled
from envs.seeding import derive_seed
from envs.simulator import Simulator
from perception.errors import InputError

logger = logging.getLogger(__name__)

DEFAULT_EPISODES = 100


@dataclass(frozen=True)
class CollectConfig:
    """What to collect and where to.

    Attributes:
        env: The task.
        behaviour: Who acts.
        episodes: How many episodes the store shall hold; a finished store can be made longer. None
            is all of a replay, or 100.
        out: The store's folder.
        seed: Episode number i has its randomness from (seed, i).
        workers: Processes; 0 works in this one.
        launcher: `process` or `ray`.
        images: Pictures to keep beside the clouds.
        points: Points per cloud; None is the task's own number, as below.
        cameras: Names of the cameras to fuse.
        colour: Whether points carry colour.
        zarr_format: 2 or 3.
        error_mm: Largest error of stored positions.
    """

    env: EnvConfig
    behaviour: BehaviourConfig
    episodes: int | None
    out: Path
    seed: int
    workers: int
    launcher: Literal["process", "ray"]
    images: tuple[Literal["img", "depth"], ...]
    points: int | None
    cameras: tuple[str, ...] | None
    colour: bool | None
    zarr_format: Literal[2, 3]
    error_mm: float


@dataclass(frozen=True)
class Making:
    """What decides every number of a store: it must agree to go on with one.

    Attributes:
        env: The task, and how it is seen.
        behaviour: Who acted, as JSON.
        seed: Of the collection; several, where stores were merged.
        images: Pictures beside the clouds.
        zarr_format: 2 or 3.
        error_mm: Largest error of stored positions.
    """

    env: EnvConfig
    behaviour: dict[str, Any]
    seed: int | list[int]
    images: tuple[str, ...]
    zarr_format: int
    error_mm: float

    @property
    def format(self) -> StoreFormat:
        """How the store is written."""
        return StoreFormat(self.zarr_format, self.error_mm)


@dataclass(frozen=True)
class Source:
    """Where episodes come from.

    Attributes:
        jobs: What to make each of them from, in order, beginning with a given one.
        total: How many there are.
        make: Prepares a process to make them.
    """

    jobs: Callable[[int], Iterable[Any]]
    total: int
    make: Callable[[], Callable[[Any], Episode | Recording]]


MakeWork = Callable[[CollectConfig], Callable[[int], Episode | Recording]]


def collect(config: CollectConfig, planner_work: MakeWork | None = None) -> None:
    """Collect until the store holds all episodes; what it holds already is kept.

    Args:
        config: What and where.
        planner_work: How to record a planner (`behaviour=planner`): this room knows none.

    Raises:
        InputError: The store was made by another command, or something is missing here.
    """
    if config.episodes is not None and config.episodes < 1:
        raise InputError(f"episodes must be at least 1, not {config.episodes}")
    env = with_view(config.env, config.points, config.cameras, config.colour)
    config = replace(config, env=env)
    making = Making(
        config.env,
        as_json(asdict(config.behaviour)),
        config.seed,
        config.images,
        config.zarr_format,
        config.error_mm,
    )
    simulator = make_simulator(config.env)
    attributes = describe(making, simulator)
    settled_config = replace(config, env=settled(config.env))
    if config.behaviour.name == "replay":
        source = _from_lives(settled_config)
    elif config.behaviour.name == "planner" and planner_work is not None:
        source = _from_seeds(config, partial(planner_work, settled_config))
    else:
        make_behaviour(config.behaviour, config.env, simulator)  # May refuse.
        source = _from_seeds(config, partial(make_work, settled_config))
    with EpisodeStore.writing(config.out, making.format, attributes) as store:
        fill(store, source, config.env, workers=config.workers, launcher=config.launcher)


def fill(
    store: EpisodeStore, source: Source, env: EnvConfig, *, workers: int, launcher: str
) -> None:
    """Make the episodes that a store does not hold yet, on several processes."""
    jobs = source.jobs(store.episodes)
    made = parallel_map(source.make, jobs, workers=workers, launcher=launcher)
    progress = tqdm(made, env.name, source.total, initial=store.episodes, unit="episode")
    successes = 0
    for count, episode in enumerate(progress, start=1):
        store.append(episode)
        recording = episode.recording if isinstance(episode, Episode) else episode
        successes += bool(recording.succeeded(env.success_at))
        progress.set_postfix(success=f"{successes / count:.0%}")


def _from_seeds(
    config: CollectConfig, make: Callable[[], Callable[[int], Episode | Recording]]
) -> Source:
    """Act each episode anew, from its own seed."""
    total = DEFAULT_EPISODES if config.episodes is None else config.episodes

    def jobs(first: int) -> list[int]:
        return [derive_seed("data", config.seed, index) for index in range(first, total)]

    return Source(jobs, total, make)


def _from_lives(config: CollectConfig) -> Source:
    """Let agents learn, then draw the part of their lives that is wanted."""
    from datasets.behaviours.replay_buffers import Lives  # noqa: PLC0415 (Torch, which no other behaviour needs)

    zarr_format = config.zarr_format
    lives = Lives(config.env, config.behaviour, seed=config.seed, zarr_format=zarr_format)
    lives.live(workers=config.workers, launcher=config.launcher)
    places = lives.places()[: config.episodes]
    make = partial(make_finish, config.env, config.images)
    return Source(lambda first: lives.recordings(places[first:]), len(places), make)


def make_work(config: CollectConfig) -> Callable[[int], Episode | Recording]:
    """Prepare a process to make episodes out of their seeds."""
    simulator = make_simulator(config.env)
    finish = make_finish(config.env, config.images, simulator)
    behaviour = make_behaviour(config.behaviour, config.env, simulator)
    steps = config.env.episode_steps
    return lambda seed: finish(act(simulator, behaviour, steps=steps, seed=seed))


def make_finish(
    env: EnvConfig, images: tuple[str, ...], simulator: Simulator | None = None
) -> Callable[[Recording], Episode | Recording]:
    """Prepare a process to draw what was recorded, or to leave it where nobody is to see clouds."""
    if env.view.points > 0:
        return make_drawing(env, images, simulator)
    if images:
        raise InputError("With points=0 nothing is drawn: choose images=[]")
    return lambda recording: recording


def make_drawing(
    env: EnvConfig, images: tuple[str, ...], simulator: Simulator | None = None
) -> Callable[[Recording], Episode]:
    """Prepare a process to draw recordings."""
    scene = make_scene(simulator or make_simulator(env), env)
    return lambda recording: render(recording, scene, images)


def describe(making: Making, simulator: Simulator) -> dict[str, Any]:
    """Say everything needed to make the store again; "identity" is what must agree to continue.

    Args:
        making: What decides the store.
        simulator: Of its task; is reset.
    """
    scene = make_scene(simulator, making.env)
    simulator.reset(0)
    scene.put(simulator.scene_state())
    cameras = {
        name: {
            "intrinsics": scene.camera(name).intrinsics.tolist(),
            "world_from_camera": scene.camera(name).world_from_camera.tolist(),
        }
        for name in making.env.view.cameras
    }
    return {
        "identity": as_json(asdict(making)),
        "task": making.env.name,
        "frame": "world",
        "units": "metres, radians",
        "cameras": cameras,
        "model_edits": [edit.name for edit in simulator.layout.edits],
        "versions": versions(),
        "source_commit": source_commit(),
    }
