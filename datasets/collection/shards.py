"""Whether stores may become one: none of them twice, all with the same arrays."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from datasets.episode import USUAL
from datasets.store.descriptions import LARGEST_CHUNK
from datasets.store.episodes import CHUNK_STEPS
from datasets.store.store import EpisodeStore
from perception.errors import InputError

Shape = tuple[int, ...]


def refuse_repetitions(stores: Sequence[EpisodeStore]) -> None:
    """Refuse stores that share an episode.

    Raises:
        InputError: Two stores hold an episode of the same seed, were converted from the same file,
            or are the same.
    """
    owners: dict[Any, Path] = {}
    for store in stores:
        for what, mark in _marks(store):
            if mark in owners:
                raise InputError(
                    f"{owners[mark]} and {store.path} both hold {what}; collect each shard with"
                    " another seed=, and name each store once"
                )
            owners[mark] = store.path


def _marks(store: EpisodeStore) -> Iterator[tuple[str, Any]]:
    """Give what tells episodes, or all of a store, from others; in words, and to compare."""
    if store.has("meta/seed"):
        seeds = np.unique(store.read("meta/seed"))
        for seed in seeds[seeds >= 0].tolist():  # Less than 0: no seed drew it.
            yield f"the episode of seed {seed}", seed
    for source in sources_of(store.identity):
        mark = source.get("sha256") or source.get("listing_sha256")
        if mark is not None:
            yield f"what was converted from {source.get('name')}", mark
    yield "the same episodes", store.path.resolve()


def sources_of(identity: dict[str, Any]) -> list[dict[str, Any]]:
    """Give what a store was converted from: several files, where stores were merged."""
    sources = identity.get("source", [])
    return sources if isinstance(sources, list) else [sources]


def refuse_other_arrays(stores: Sequence[EpisodeStore]) -> None:
    """Refuse stores whose arrays do not fit together, before anything is written.

    Raises:
        InputError: One has an array that another lacks, or of another shape.
    """
    first, model = stores[0], _shapes(stores[0])
    for store in stores[1:]:
        shapes = _shapes(store)
        if odd := sorted(set(shapes) ^ set(model)):
            has, lacks = (store, first) if odd[0] in shapes else (first, store)
            raise InputError(
                f"{has.path} holds {odd[0]} and {lacks.path} does not: only stores with the same"
                " arrays become one"
            )
        for name, shape in shapes.items():
            if shape != model[name]:
                raise InputError(
                    f"{name} is {shape} a row in {store.path}, but {model[name]} in {first.path}:"
                    " only arrays of one shape become one"
                )


def refuse_large_shards(store: EpisodeStore, shards: int) -> None:
    """Refuse files that could not be read back, since one is held in memory when it is written.

    Raises:
        InputError: A file of an array would hold too many numbers.
    """
    for name, shape in _shapes(store).items():
        most = LARGEST_CHUNK // (CHUNK_STEPS * max(math.prod(shape), 1))
        if not name.startswith("meta/") and shards > most:
            raise InputError(
                f"shards={shards} is too large for {name} of {store.path}: give shards={most} or"
                " less"
            )


def _shapes(store: EpisodeStore) -> dict[str, Shape]:
    """Give the shape of a row of everything that merging writes."""
    names = [name for name in store.names if name in USUAL or name in store.further_names]
    shapes = {name: store.read(name, slice(0, 1)).shape[1:] for name in names}
    if store.has("meta/seed"):
        shapes["meta/start_state"] = store.read("meta/start_state").shape[1:]
    return shapes
