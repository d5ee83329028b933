"""What exporters ask of a store and of the machine."""

from collections.abc import Callable
from functools import partial

import numpy as np
from jaxtyping import UInt8

from datasets.formats.shared.pictures import picture_rule
from datasets.store.store import EpisodeStore
from perception.errors import from_extra

extra = partial(from_extra, extra="convert")


def views(store: EpisodeStore, kind: str) -> dict[str, str]:
    """Name the cameras whose pictures of a kind (`img`, `depth`) a store holds.

    Returns:
        The array of each camera by the camera's name; `main` where the store does not name it.
    """
    cameras = list(store.attributes.get("cameras") or {})
    alone = cameras[0] if len(cameras) == 1 else "main"
    names = [n for n in store.names if n == kind or n.startswith(f"{kind}_")]
    return {n.removeprefix(kind).removeprefix("_") or alone: n for n in names}


def observation_sources(store: EpisodeStore) -> dict[str, str]:
    """Name the store's array behind each observation, by a key as robomimic names them."""
    clouds = {"point_cloud": "point_cloud"} if "point_cloud" in store.names else {}
    pictures = {f"{camera}_image": name for camera, name in views(store, "img").items()}
    depths = {f"{camera}_depth": name for camera, name in views(store, "depth").items()}
    return {"state": "state", **clouds, **pictures, **depths}


def picture_reader(
    store: EpisodeStore, name: str
) -> Callable[[slice], UInt8[np.ndarray, "time height width 3"]]:
    """Give what reads pictures of a store as bytes of (height, width, 3).

    Stores that others made, or that were converted before pictures were, may hold floats.

    Raises:
        InputError: The array holds no pictures.
    """
    first = store.read(name, slice(0, 1))
    blocks = (store.read(name, store.rows(index)) for index in range(store.episodes))
    shape, where = (store.steps, *first.shape[1:]), f"{store.path.name}: data/{name}"
    rule = picture_rule(shape, first.dtype, blocks, where)
    return lambda rows: rule.convert(store.read(name, rows))


def length_unit(store: EpisodeStore) -> str:
    """Name the unit of a store's lengths: metres, or `as recorded` where nobody knows."""
    said = str(store.attributes.get("units", "metres"))
    return "metres" if said.startswith("metres") else said


def task_of(store: EpisodeStore) -> str:
    """Give the name of a store's task; `unknown` where it does not say."""
    return str(store.attributes.get("task", "unknown"))
