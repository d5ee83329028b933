"""Convert other projects' data into a store, and a store into theirs."""

import importlib
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from datasets.formats import from_d4rl, from_dapg, from_dp3, from_minari, from_robomimic
from datasets.formats import importer as incoming
from datasets.formats.describe import describe_drawn, describe_seen
from datasets.formats.detect import detect
from datasets.formats.resimulate import make_work
from datasets.formats.source import Converted, Source, fingerprint
from datasets.store.chunk_codecs import StoreFormat
from datasets.store.store import EpisodeStore
from datasets.worker_pool import parallel_map
from envs.config import EnvConfig, with_view
from envs.make import make_simulator, settled
from perception.errors import InputError

logger = logging.getLogger(__name__)

# Where `write(store, out)` is; imported when asked for.
WRITERS = {name: f"datasets.doors.to_{name}" for name in ("dp3", "lerobot", "robomimic")}
BY_SUFFIX = {".zarr": "store", ".hdf5": "robomimic", "": "lerobot"}


@dataclass(frozen=True)
class ConvertConfig:
    """What to convert and how; every key is explained in configs/scripts/convert.yaml."""

    env: EnvConfig
    from_: str
    to: Path
    format: Literal["auto", "dp3", "dapg", "d4rl", "minari", "robomimic"]
    target: Literal["auto", "store", "dp3", "lerobot", "robomimic"]
    workers: int
    launcher: Literal["process", "ray"]
    start: Literal["observation", "state"]
    task: str | None
    point_key: str
    state_keys: tuple[str, ...] | None
    points: int | None
    cameras: tuple[str, ...] | None
    colour: bool | None
    images: tuple[Literal["img", "depth"], ...]
    zarr_format: Literal[2, 3]
    error_mm: float


def convert(config: ConvertConfig) -> bool:
    """Convert; an unfinished store goes on where it was.

    Returns:
        Whether a store was written.

    Raises:
        InputError: The format is unknown, the data damaged or another task's, or `to` is taken.
    """
    path = from_minari.locate(config.from_)
    format_ = detect(path) if config.format == "auto" else config.format
    target = resolve_target(config, format_)
    if path.resolve() == config.to.resolve():
        raise InputError(f"to={config.to} is what is read; choose another to=")
    if target == "store":
        bring_in(config, path, format_)
    elif format_ == "store":
        importlib.import_module(WRITERS[target]).write(EpisodeStore.open(path), config.to)
    else:
        raise InputError(f"{path} is {format_}: convert it to a store first (to=<name>.zarr)")
    logger.info("written to %s", config.to)
    return target == "store"


def resolve_target(config: ConvertConfig, format_: str) -> str:
    """Tell what to write: what was asked for, or by how `to` ends.

    Raises:
        InputError: The end of `to` says nothing, or a store would become a store.
    """
    target = config.target
    if target == "auto" and config.to.suffix not in BY_SUFFIX:
        raise InputError(
            f"to={config.to} tells no target; say target=store or {', '.join(WRITERS)}"
        )
    found = BY_SUFFIX[config.to.suffix] if target == "auto" else target
    if format_ == "store" and found == "store":
        raise InputError(
            f"{config.from_} is a store already: say target=dp3 for DP3's own layout, or draw it"
            " again with datasets/render.py"
        )
    return found


def bring_in(config: ConvertConfig, path: Path, format_: str) -> None:
    """Write every episode that the store does not hold yet.

    Raises:
        InputError: The data is damaged or another task's; `to` was made by another command.
    """
    source = open_source(config, path, format_)
    # One recorded action is one simulator step, and an episode is as long as it was.
    env = replace(config.env, action_repeat=1, episode_steps=max(source.lengths))
    env = with_view(env, config.points, config.cameras, config.colour)
    stored = StoreFormat(config.zarr_format, config.error_mm)
    if source.simulated:
        attributes = describe_drawn(env, config.images, stored)
    else:
        check_actions(config, source)
        attributes = describe_seen(config.task or env.name, config.images, stored)
    origin = {"format": format_, **fingerprint(path), "options": source.options}
    attributes["identity"]["source"] = origin
    attributes["conversion"] = {**origin, **source.about}
    with EpisodeStore.writing(config.to, stored, attributes) as store:
        jobs = map(source.read, range(store.episodes, len(source.lengths)))
        made = _drawn(config, env, jobs) if source.simulated else map(Converted, jobs)
        incoming.write(store, made, stored, len(source.lengths))
        logger.info("%s", incoming.summary(store, env.success_at))


def open_source(config: ConvertConfig, path: Path, format_: str) -> Source:
    """Open what is read, in the format it is in.

    Raises:
        InputError: It is damaged or another task's, or an option does not apply to it.
    """
    if format_ in ("dp3", "robomimic") and config.cameras is not None:
        raise InputError(f"cameras= does not apply to {format_}: its clouds were seen elsewhere")
    if format_ == "robomimic" and config.images:
        raise InputError("images= does not apply to robomimic: only its clouds are converted")
    task, points, colour = config.env.task, config.points, config.colour
    openers: dict[str, Callable[[Path], Source]] = {
        "dp3": partial(from_dp3.open_source, points=points, colour=colour, images=config.images),
        "robomimic": partial(
            from_robomimic.open_source,
            point_key=config.point_key,
            state_keys=config.state_keys,
            points=points,
            colour=colour,
        ),
        "dapg": partial(from_dapg.open_source, task=task, start=config.start),
        "d4rl": partial(from_d4rl.open_source, task=task),
        "minari": partial(from_minari.open_source, task=task),
    }
    if format_ not in ("dp3", "robomimic") and config.env.simulator != "adroit":
        raise InputError(f"{format_} is data of Adroit; choose env=adroit-door, -hammer or -pen")
    if not path.exists():
        raise InputError(f"There is no {path}")
    return openers[format_](path)


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
    make = partial(make_work, settled(env), config.images)
    return parallel_map(make, jobs, workers=config.workers, launcher=config.launcher)
