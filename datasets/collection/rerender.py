"""Draw the recorded states of a store again, into another store, without acting."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from configs.locks import resolved
from configs.ranges import CloudPoints, Corner, ErrorMm, Output, Pixels, Processes
from datasets.behaviours.behaviour import EpisodeSource
from datasets.collection.collector import fill
from datasets.collection.making import Making, describe
from datasets.episode import Episode, Recording
from datasets.recorder import check_images, make_drawing
from datasets.store.store import EpisodeStore
from envs.boxes import own_box
from envs.config import EnvConfig
from envs.make import make_simulator, settled
from perception.errors import InputError

logger = logging.getLogger(__name__)

Recorded = tuple[Recording, dict[str, np.ndarray]]


@dataclass(frozen=True)
class RenderConfig:
    """What to draw again and how; every key is explained in configs/scripts/render.yaml."""

    data: Path
    out: Output
    workers: Processes
    launcher: Literal["process", "ray"]
    points: CloudPoints | None
    cameras: tuple[str, ...] | None
    colour: bool | None
    image_size: Pixels | None
    crop_low: Corner | None
    crop_high: Corner | None
    box: Literal["own"] | None
    faces: Literal["both", "front"] | None
    image: Literal["flat", "gl"] | None
    images: tuple[Literal["img", "depth"], ...] | None
    zarr_format: Literal[2, 3] | None
    error_mm: ErrorMm | None


def render_again(config: RenderConfig) -> None:
    """Draw every episode that `out` does not hold yet.

    Raises:
        InputError: There is no such store, or `out` is another one; a camera is missing.
        StoppedError: Somebody asked to stop; the episodes that were drawn are kept.
    """
    source = EpisodeStore.open(config.data)
    if resolved(config.out) == resolved(config.data):
        raise InputError(f"out={config.out} is the store that is read; choose another out=")
    if "sim_state" not in source.names:
        raise InputError(f"{config.data} holds no simulator state: it cannot be drawn again")
    wanted = as_collected(source, config)
    check_images(wanted.env, wanted.images)
    attributes = describe(wanted, make_simulator(wanted.env))
    keep_origin(source, attributes)
    with EpisodeStore.writing(config.out, wanted.format, attributes) as store:
        drawn = EpisodeSource(
            jobs=lambda first: (recorded(source, i) for i in range(first, source.episodes)),
            total=source.episodes,
            make=partial(make_drawing_again, settled(wanted.env), wanted.images),
        )
        fill(store, drawn, wanted.env, workers=config.workers, launcher=config.launcher)
    logger.info("written to %s", config.out)


def recorded(source: EpisodeStore, index: int) -> Recorded:
    """Read an episode without what depends on its view: clouds and pictures."""
    rows = source.rows(index)
    kept = (name for name in source.further_names if not name.startswith(("img", "depth")))
    return source.read_recording(index), {name: source.read(name, rows) for name in kept}


def make_drawing_again(env: EnvConfig, images: tuple[str, ...]) -> Callable[[Recorded], Episode]:
    """Prepare a process to draw recordings, and to keep what else was recorded with them."""
    draw = make_drawing(env, images)

    def draw_again(job: Recorded) -> Episode:
        recording, kept = job
        episode = draw(recording)
        return replace(episode, further={**episode.further, **kept})

    return draw_again


def keep_origin(source: EpisodeStore, attributes: dict[str, Any]) -> None:
    """Keep what a converted store says of where it comes from, which drawing does not change."""
    identity = source.identity
    if "source" in identity:
        attributes["identity"]["source"] = identity["source"]
        attributes["conversion"] = source.attributes["conversion"]


def own_box_of(env: EnvConfig) -> dict[str, Any]:
    """Give the box that a task has by itself.

    Raises:
        InputError: It has none.
    """
    box = own_box(env.simulator, env.task)
    if box is None:
        raise InputError(f"{env.name} has no box of its own: give crop_low= and crop_high=")
    return box


def as_collected(source: EpisodeStore, config: RenderConfig) -> Making:
    """Say what would have made the wanted store in the first place.

    Raises:
        InputError: The store was made without clouds, and no number of points is wanted.
    """
    identity, env = source.identity, source.env
    names = ("points", "cameras", "colour", "image_size", "image", "crop_low", "crop_high", "faces")
    other = {n: getattr(config, n) for n in names if getattr(config, n) is not None}
    own = own_box_of(env) if config.box == "own" else {}
    view = replace(env.view, **{**own, **other})
    if view.points == 0:
        raise InputError(f"points=0 draws nothing of {config.data}: say how many points= to draw")
    return Making(
        env=replace(env, view=view),
        behaviour=identity["behaviour"],
        seed=identity["seed"],
        images=tuple(identity["images"]) if config.images is None else config.images,
        zarr_format=identity["zarr_format"] if config.zarr_format is None else config.zarr_format,
        error_mm=identity["error_mm"] if config.error_mm is None else config.error_mm,
    )
