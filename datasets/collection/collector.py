"""Collect a store: act, render, write, in that order for each episode, on several processes."""

import logging
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import numpy as np

from configs.command import compose_part
from configs.command.tables import table
from configs.kinds import Kind, OneOf, make_kind
from configs.progress import progress
from configs.ranges import Count, ErrorMm, Output, Points, Processes, Seed
from configs.stopping import StoppedError, stop_request
from datasets.behaviours import scripted, state_agent
from datasets.behaviours.behaviour import (
    BEHAVIOURS,
    Behaviour,
    Collection,
    EpisodeSource,
    SeededBehaviour,
)
from datasets.collection.making import Making, describe
from datasets.episode import Episode
from datasets.recorder import check_images
from datasets.store.provenance import as_json
from datasets.store.store import EpisodeStore
from datasets.worker_pool import parallel_map
from envs.boxes import box_of, has_own_box, own_box
from envs.config import EnvConfig, with_view
from envs.make import make_simulator, settled
from envs.simulator import Scripted, Simulator
from envs.success import counts_as_success
from perception.errors import InputError

logger = logging.getLogger(__name__)

NOISE = ("noise", "random_share")  # What may be said of how badly somebody acts.


@dataclass(frozen=True)
class CollectConfig:
    """What to collect and where to.

    Attributes:
        env: The task.
        behaviour: Who acts.
        episodes: How many episodes the store shall hold; a finished store can be made longer. None
            leaves it to the behaviour.
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
        keep: Whether episodes that fail are kept, too.
    """

    env: EnvConfig
    behaviour: Annotated[Kind, OneOf("datasets.behaviours")]
    episodes: Count | None
    out: Output
    seed: Seed
    workers: Processes
    launcher: Literal["process", "ray"]
    images: tuple[Literal["img", "depth"], ...]
    points: Points | None
    cameras: tuple[str, ...] | None
    colour: bool | None
    zarr_format: Literal[2, 3]
    error_mm: ErrorMm
    keep: Literal["all", "successes"]


def collect(config: CollectConfig) -> None:
    """Collect until the store holds all episodes; what it holds already is kept.

    Raises:
        InputError: The store was made by another command, or something is missing here.
    """
    env = with_view(config.env, config.points, config.cameras, config.colour)
    env = as_begun(env, config.out)
    check_images(env, config.images)
    simulator = make_simulator(env)
    config = replace(config, behaviour=behaviour_for(config.behaviour, env, simulator))
    making = Making(
        env,
        _said(config),
        config.seed,
        config.images,
        config.zarr_format,
        config.error_mm,
    )
    attributes = describe(making, simulator)
    behaviour: Behaviour = make_kind(BEHAVIOURS, config.behaviour, env, simulator)
    if config.keep != "all" and not isinstance(behaviour, SeededBehaviour):
        raise InputError(
            f"keep={config.keep} acts failed episodes anew, which behaviour={config.behaviour.kind}"
            " does not: leave it out"
        )
    source = behaviour.episodes(collection_of(replace(config, env=settled(env))))
    with EpisodeStore.writing(config.out, making.format, attributes) as store:
        fill(store, source, env, workers=config.workers, launcher=config.launcher)


def _said(config: CollectConfig) -> dict[str, Any]:
    """Say who acted; and what of it was kept, where that is not all."""
    behaviour: dict[str, Any] = as_json(asdict(cast(Any, config.behaviour)))
    return behaviour if config.keep == "all" else {**behaviour, "keep": config.keep}


def as_begun(env: EnvConfig, out: Path) -> EnvConfig:
    """See a task as a store to go on with does, where its defaults were others when it was begun.

    Those begun before the keys show the front of faces, and pictures as OpenGL draws them; those
    begun before tasks had boxes of their own, the box of all tasks.
    """
    if not out.exists() or "env" not in (begun := EpisodeStore.begun(out)).identity:
        return env
    seen = begun.env.view
    kept: dict[str, Any] = {}
    if seen.faces == "front" and env.view.faces == "both":
        kept["faces"] = "front"
    if seen.image == "gl_turned" and env.view.image == "flat":
        kept["image"] = "gl_turned"
    if has_own_box(env) and box_of(seen) == own_box(env.simulator, "any"):
        kept |= box_of(seen)
    if kept:
        said = " ".join(f"env.view.{key}={value}" for key, value in kept.items())
        logger.info("%s goes on with %s, as it was begun", out, said)
    return replace(env, view=replace(env.view, **kept))


def behaviour_for(behaviour: Kind, env: EnvConfig, simulator: Simulator) -> Kind:
    """Give who acts in a task: its own script where the shipped agent is asked for and none is.

    What the command says of noise is kept; else it is the script's usual. An agent without any
    noise (`behaviour=expert`) is a script without any.
    """
    if isinstance(behaviour, scripted.Config):
        return as_borne(behaviour, env)
    if not isinstance(behaviour, state_agent.Config) or behaviour.path is not None:
        return behaviour
    if state_agent.shipped(env.name).exists() or not isinstance(simulator, Scripted):
        return behaviour
    logger.info("No agent is shipped for %s: its script acts (behaviour=scripted)", env.name)
    usual = compose_part(state_agent.Config, "behaviour", "agent")
    script = compose_part(scripted.Config, "behaviour", "scripted")
    asked = {n: getattr(behaviour, n) for n in NOISE}
    if not any(map(any, asked.values())):
        return replace(script, **asked)
    own = as_borne(script, env)
    return replace(own, **{n: v for n, v in asked.items() if v != getattr(usual, n)})


def as_borne(script: scripted.Config, env: EnvConfig) -> scripted.Config:
    """Make a script only as bad as its simulator's table says, where the command does not."""
    ranges = table("scripted-noise").get(env.simulator)
    if ranges is None:
        return script
    usual = compose_part(scripted.Config, "behaviour", "scripted")
    borne: dict[str, Any] = {n: tuple(r) for n, r in zip(NOISE, ranges, strict=True)}
    said = {n for n in NOISE if getattr(script, n) != getattr(usual, n)}
    return replace(script, **{n: r for n, r in borne.items() if n not in said})


def collection_of(config: CollectConfig) -> Collection:
    """Give what a behaviour needs of the configuration."""
    return Collection(
        env=config.env,
        behaviour=config.behaviour,
        episodes=config.episodes,
        seed=config.seed,
        images=config.images,
        workers=config.workers,
        launcher=config.launcher,
        zarr_format=config.zarr_format,
        keep=config.keep,
    )


def fill(
    store: EpisodeStore, source: EpisodeSource, env: EnvConfig, *, workers: int, launcher: str
) -> None:
    """Make the episodes that a store does not hold yet, on several processes.

    Raises:
        StoppedError: Somebody asked to stop; the episodes that were finished are kept.
    """
    jobs, first = source.jobs(store.episodes), store.episodes
    successes = successes_of(store, env.success_at)
    with stop_request() as stop:
        episodes = parallel_map(source.make, jobs, workers=workers, launcher=launcher, stop=stop)
        shown = progress(episodes, env.name, source.total, initial=first, unit="episode")
        for episode in shown:
            store.append(episode)
            recording = episode.recording if isinstance(episode, Episode) else episode
            successes += bool(recording.succeeded(env.success_at))
            shown.set_postfix(success=f"{successes / store.episodes:.0%}")
        if stop.requested and store.episodes < source.total:
            raise StoppedError(
                f"stopped after {store.episodes} of {source.total} episodes in {store.path};"
                " the same command goes on"
            )


def successes_of(store: EpisodeStore, success_at: str) -> int:
    """Count the successful episodes that a store holds already."""
    if not store.episodes or "success" not in store.names:
        return 0
    ends, reached = store.episode_ends, store.read("success").astype(bool)
    ever = np.logical_or.reduceat(reached, np.concatenate([[0], ends[:-1]]))
    return int(np.sum(counts_as_success(reached[ends - 1], ever, success_at)))
