"""Convert other projects' data into a store, and a store into theirs."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from configs.build import Inline
from configs.locks import resolved
from configs.ranges import ErrorMm, Output, Processes
from datasets.formats.detect import STORE, detect, exporters, importers, locate
from datasets.formats.incoming import importer as incoming
from datasets.formats.incoming.describe import describe_drawn, describe_seen
from datasets.formats.incoming.rehearsal import make_check, rehearse
from datasets.formats.shared.resimulate import make_work
from datasets.formats.shared.source import Converted, ReadOptions, Source, fingerprint
from datasets.store.chunk_codecs import StoreFormat
from datasets.store.store import EpisodeStore
from datasets.worker_pool import parallel_map
from envs.config import EnvConfig, with_view
from envs.make import make_simulator, settled
from perception.errors import InputError

logger = logging.getLogger(__name__)

# Options of one format alone.
OF_ONE = {
    "calibration": "lerobot",
    **dict.fromkeys(("action_key", "world_frame", "stale_s"), "mcap"),
}


@dataclass(frozen=True)
class ConvertConfig:
    """What to convert and how; every key is explained in configs/scripts/convert.yaml."""

    env: EnvConfig
    from_: str
    to: Output
    format: str
    target: str
    workers: Processes
    launcher: Literal["process", "ray"]
    options: Annotated[ReadOptions, Inline()]
    task: str | None
    zarr_format: Literal[2, 3]
    error_mm: ErrorMm


def convert(config: ConvertConfig) -> bool:
    """Convert; an unfinished store goes on where it was.

    Returns:
        Whether a store was written.

    Raises:
        InputError: The format is unknown, the data damaged or another task's, or `to` is taken.
    """
    path = locate(config.from_)
    format_ = detect(path) if config.format == "auto" else config.format
    target = resolve_target(config, format_)
    if resolved(path) == resolved(config.to):
        raise InputError(f"to={config.to} is what is read; choose another to=")
    if target == STORE:
        bring_in(config, path, format_)
    elif format_ == STORE:
        refuse_idle(config)
        exporters()[target].write(EpisodeStore.open(path), config.to)
    else:
        raise InputError(f"{path} is {format_}: convert it to a store first (to=<name>.zarr)")
    logger.info("written to %s", config.to)
    return target == STORE


def refuse_idle(config: ConvertConfig) -> None:
    """Refuse keys that say how clouds are made, where a store is given away as it is.

    Raises:
        InputError: There is one.
    """
    options = config.options
    said = {
        "points": options.points,
        "cameras": options.cameras,
        "colour": options.colour,
        "images": options.images or None,
        "state_keys": options.state_keys,
        **{key: getattr(options, key) for key in OF_ONE},
        "task": config.task,
    }
    if idle := [key for key, value in said.items() if value is not None]:
        raise InputError(
            f"{', '.join(idle)} would change nothing: an export takes a store as it is; leave it"
            " out, or draw the store again first (datasets/render.py)"
        )


def resolve_target(config: ConvertConfig, format_: str) -> str:
    """Say what to write: what was asked for, or by how `to` ends.

    Raises:
        InputError: The target is unknown, the end of `to` is no target's, or a store would become
            a store.
    """
    suffixes = {writer.SUFFIX: name for name, writer in exporters().items()} | {".zarr": STORE}
    targets = [STORE, *exporters()]
    target = config.target
    if target not in ("auto", *targets):
        raise InputError(f"target={target} is unknown; choose one of auto, {', '.join(targets)}")
    if target == "auto" and config.to.suffix not in suffixes:
        raise InputError(f"to={config.to} names no target; say target={' or '.join(targets)}")
    target = suffixes[config.to.suffix] if target == "auto" else target
    if format_ == target == STORE:
        raise InputError(
            f"{config.from_} is a store already: say target=dp3 for DP3's own layout, or draw it"
            " again with datasets/render.py"
        )
    return target


def bring_in(config: ConvertConfig, path: Path, format_: str) -> None:
    """Write every episode that the store does not hold yet.

    Raises:
        InputError: The data is damaged or another task's; `to` was made by another command.
    """
    source, options = open_source(config, path, format_), config.options
    # One recorded action is one simulator step, and an episode is as long as it was.
    env = replace(config.env, action_repeat=1, episode_steps=max(source.lengths))
    env = with_view(env, options.points, options.cameras, options.colour)
    stored = StoreFormat(config.zarr_format, config.error_mm)
    if source.simulated:
        rehearse(source, stored, path.name, make_check(env))
        attributes = describe_drawn(env, options.images, stored)
    else:
        check_actions(config, source)
        rehearse(source, stored, path.name)
        attributes = describe_seen(config.task or env.name, options.images, stored, source.view)
        attributes |= source.seen
    origin = {"format": format_, **fingerprint(path), "options": source.options}
    attributes["identity"]["source"] = origin
    attributes["conversion"] = {**origin, **source.about}
    with EpisodeStore.writing(config.to, stored, attributes) as store:
        jobs = map(source.read, range(store.episodes, len(source.lengths)))
        converted = _drawn(config, env, jobs) if source.simulated else map(Converted, jobs)
        incoming.write(store, converted, stored, len(source.lengths))
        logger.info("%s", incoming.summary(store, env.success_at))


def open_source(config: ConvertConfig, path: Path, format_: str) -> Source:
    """Open what is read, in the format it is in.

    Raises:
        InputError: The format is unknown; the data is damaged or another task's; an option does
            not apply to it.
    """
    there = importers()
    if format_ not in there:
        raise InputError(f"format={format_} is unknown; choose one of auto, {', '.join(there)}")
    if not path.exists():
        raise InputError(f"There is no {path}")
    for key, name in OF_ONE.items():
        if getattr(config.options, key) is not None and format_ != name:
            raise InputError(f"{key}= does not apply to {format_}: leave it out")
    return there[format_].open_source(path, config.env, config.options)


def check_actions(config: ConvertConfig, source: Source) -> None:
    """Refuse clouds of another task, unless it is given a name of its own.

    Raises:
        InputError: The actions are not those of the task.
    """
    own = source.action_size if config.task else make_simulator(config.env).action_size
    if own != source.action_size:
        raise InputError(
            f"Actions of {source.action_size} numbers are not {config.env.name}'s, which has {own}:"
            " choose another env=, or name a task of your own by task="
        )


def _drawn(config: ConvertConfig, env: EnvConfig, jobs: Iterable[Any]) -> Iterator[Converted]:
    make = partial(make_work, settled(env), config.options.images)
    return parallel_map(make, jobs, workers=config.workers, launcher=config.launcher)
