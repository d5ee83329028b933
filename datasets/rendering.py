"""Draw the recorded states of a store again, into another store, without acting."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from tqdm import tqdm

from configs.schema import build
from datasets.behaviour import BehaviourConfig
from datasets.collecting import CollectConfig, describe
from datasets.compression import StoreFormat
from datasets.episode import Episode, Recording
from datasets.parallel import parallel_map
from datasets.record import render
from datasets.store import EpisodeStore
from envs.make import make_scene, make_simulator, settled
from envs.spec import EnvConfig
from perception.errors import InputError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RenderConfig:
    """What to draw again and how; every key is explained in configs/render.yaml."""

    data: Path
    out: Path
    workers: int
    launcher: Literal["process", "ray"]
    points: int | None
    cameras: tuple[str, ...] | None
    colour: bool | None
    image_size: int | None
    crop_low: tuple[float, float, float] | None
    crop_high: tuple[float, float, float] | None
    images: tuple[Literal["img", "depth"], ...] | None
    zarr_format: Literal[2, 3] | None
    error_mm: float | None


def render_again(config: RenderConfig) -> None:
    """Draw every episode that `out` does not hold yet.

    Raises:
        InputError: There is no such store, or `out` is another one; a camera is missing.
    """
    source = EpisodeStore.open(config.data)
    if config.out.resolve() == config.data.resolve():
        raise InputError(f"out={config.out} is the store that is read; choose another out=")
    wanted = as_collected(source, config)
    simulator = make_simulator(wanted.env)
    attributes = describe(wanted, simulator, make_scene(simulator, wanted.env))
    keep_origin(source, attributes)
    format_ = StoreFormat(wanted.zarr_format, wanted.error_mm)
    with EpisodeStore.writing(config.out, format_, attributes) as store:
        left = (source.read_recording(i) for i in range(store.episodes, source.episodes))
        make = partial(make_work, replace(wanted, env=settled(wanted.env)))
        drawn = parallel_map(make, left, workers=config.workers, launcher=config.launcher)
        progress = tqdm(
            drawn, wanted.env.name, source.episodes, initial=store.episodes, unit="episode"
        )
        for episode in progress:
            store.append(episode)
    logger.info("written to %s", config.out)


def as_collected(source: EpisodeStore, config: RenderConfig) -> CollectConfig:
    """Give the collection that would have made the wanted store in the first place."""
    made: dict[str, Any] = source.attributes["identity"]
    if "env" not in made:
        raise InputError(f"{source.path} holds clouds recorded elsewhere: none can be drawn again")
    env = build(EnvConfig, made["env"])
    names = ("points", "cameras", "colour", "image_size", "crop_low", "crop_high")
    other = {n: getattr(config, n) for n in names if getattr(config, n) is not None}
    view = replace(env.view, **other)
    return CollectConfig(
        env=replace(env, view=view),
        behaviour=build(BehaviourConfig, made["behaviour"]),
        episodes=source.episodes,
        out=config.out,
        seed=made["seed"],
        workers=config.workers,
        launcher=config.launcher,
        images=tuple(made["images"]) if config.images is None else config.images,
        points=None,  # As `env` has it, like the next two.
        cameras=None,
        colour=None,
        zarr_format=made["zarr_format"] if config.zarr_format is None else config.zarr_format,
        error_mm=made["error_mm"] if config.error_mm is None else config.error_mm,
    )


def keep_origin(source: EpisodeStore, attributes: dict[str, Any]) -> None:
    """Keep what a converted store says of where it comes from, which drawing does not change."""
    said = source.attributes
    if "source" in said["identity"]:
        attributes["identity"]["source"] = said["identity"]["source"]
        attributes["conversion"] = said["conversion"]


def make_work(config: CollectConfig) -> Callable[[Recording], Episode]:
    """Prepare a process to draw recordings."""
    scene = make_scene(make_simulator(config.env), config.env)
    return lambda recording: render(recording, scene, config.images)
