"""Collect a store: act, render, write, in that order for each episode, on several processes."""

import importlib.metadata
import logging
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from tqdm import tqdm

from datasets.behaviour import BehaviourConfig, make_behaviour
from datasets.compression import StoreFormat
from datasets.episode import Episode
from datasets.parallel import parallel_map
from datasets.record import act, render
from datasets.store import EpisodeStore
from envs.make import make_scene, make_simulator, settled
from envs.scene import Scene
from envs.seeding import derive_seed
from envs.simulator import Simulator
from envs.spec import EnvConfig, seen
from perception.errors import InputError

logger = logging.getLogger(__name__)

PACKAGES = ("mujoco", "gymnasium-robotics", "metaworld", "numpy", "open3d-cpu", "open3d", "zarr")


@dataclass(frozen=True)
class CollectConfig:
    """What to collect and where to.

    Attributes:
        env: The task.
        behaviour: Who acts.
        episodes: How many episodes the store shall hold; a finished store can be made longer.
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
    episodes: int
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


def collect(config: CollectConfig) -> None:
    """Collect until the store holds all episodes; what it holds already is kept.

    Raises:
        InputError: The store was made by another command, or something is missing here.
    """
    if config.episodes < 1:
        raise InputError(f"episodes must be at least 1, not {config.episodes}")
    config = replace(config, env=seen(config.env, config.points, config.cameras, config.colour))
    simulator = make_simulator(config.env)
    make_behaviour(config.behaviour, config.env, simulator)  # Say what is wrong before starting.
    attributes = describe(config, simulator, make_scene(simulator, config.env))
    format_ = StoreFormat(config.zarr_format, config.error_mm)
    with EpisodeStore.writing(config.out, format_, attributes) as store:
        seeds = range(store.episodes, config.episodes)
        jobs = [derive_seed("data", config.seed, index) for index in seeds]
        make = partial(make_work, replace(config, env=settled(config.env)))
        made = parallel_map(make, jobs, workers=config.workers, launcher=config.launcher)
        progress = tqdm(
            made, config.env.name, total=config.episodes, initial=store.episodes, unit="episode"
        )
        successes = 0
        for episode in progress:
            store.append(episode)
            successes += bool(episode.recording.succeeded(config.env.success_at))
            progress.set_postfix(success=f"{successes / (progress.n + 1 - seeds.start):.0%}")


def make_work(config: CollectConfig) -> Callable[[int], Episode]:
    """Prepare a process to make episodes out of their seeds."""
    simulator = make_simulator(config.env)
    scene = make_scene(simulator, config.env)
    behaviour = make_behaviour(config.behaviour, config.env, simulator)

    def work(seed: int) -> Episode:
        recording = act(simulator, behaviour, steps=config.env.episode_steps, seed=seed)
        return render(recording, scene, config.images)

    return work


def describe(config: CollectConfig, simulator: Simulator, scene: Scene) -> dict[str, Any]:
    """Say everything needed to make the store again; "identity" is what must agree to continue."""
    simulator.reset(0)
    scene.put(simulator.scene_state())
    cameras = {
        name: {
            "intrinsics": scene.camera(name).intrinsics.tolist(),
            "world_from_camera": scene.camera(name).world_from_camera.tolist(),
        }
        for name in config.env.view.cameras
    }
    identity = {
        "env": asdict(config.env),
        "behaviour": asdict(config.behaviour),
        "seed": config.seed,
        "images": list(config.images),
        "zarr_format": config.zarr_format,
        "error_mm": config.error_mm,
    }
    return {
        "identity": _as_json(identity),
        "task": config.env.name,
        "frame": "world",
        "units": "metres, radians",
        "cameras": cameras,
        "model_edits": [edit.name for edit in simulator.layout.edits],
        "versions": versions(),
        "source_commit": source_commit(),
    }


def versions() -> dict[str, str]:
    """Give the versions of the packages that shape the data."""
    installed = {d.metadata["Name"].lower() for d in importlib.metadata.distributions()}
    return {name: importlib.metadata.version(name) for name in PACKAGES if name in installed}


def source_commit() -> str | None:
    """Give the commit of this checkout, or None outside one."""
    root = Path(__file__).resolve().parents[1]
    try:
        told = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return told.stdout.strip()


def _as_json(value: Any) -> Any:  # noqa: ANN401
    """Turn tuples into lists and paths into text, as JSON gives them back."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _as_json(item) for key, item in value.items()}
    return [_as_json(item) for item in value] if isinstance(value, list | tuple) else value
