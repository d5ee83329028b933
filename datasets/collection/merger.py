"""Several stores of one kind become one."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from configs.progress import progress
from configs.ranges import Output, Stores
from datasets.store.chunk_codecs import StoreFormat
from datasets.store.store import EpisodeStore
from perception.errors import InputError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class MergeConfig:
    """Which stores to put into which."""

    data: Stores
    out: Output


def merge(config: MergeConfig) -> None:
    """Append every episode of every store that `out` does not hold yet, in order.

    Raises:
        InputError: A store is missing, was made otherwise than the first, or holds an episode that
            another holds too; `out` is another store.
    """
    stores = [EpisodeStore.open(path) for path in config.data]
    if config.out.resolve() in [path.resolve() for path in config.data]:
        raise InputError(f"out={config.out} is a store that is read; choose another out=")
    attributes = merged_attributes(stores)
    refuse_repetitions(stores)
    places = [(store, index) for store in stores for index in range(store.episodes)]
    format_ = StoreFormat(attributes["zarr_format"], attributes["error_mm"])
    with EpisodeStore.writing(config.out, format_, attributes) as target:
        left = places[target.episodes :]
        for store, index in progress(
            left, "merge", len(places), initial=target.episodes, unit="episode"
        ):
            target.append(store.read_whole(index))
    logger.info("written to %s", config.out)


def merged_attributes(stores: Sequence[EpisodeStore]) -> dict[str, Any]:
    """Give what the stores say of themselves in common; of seeds, all.

    Raises:
        InputError: They differ in something else; it is named, with both values.
    """
    identities = [store.identity for store in stores]
    for store, identity in zip(stores[1:], identities[1:], strict=True):
        for key, value in identity.items():
            if key != "seed" and value != identities[0].get(key):
                raise InputError(
                    f"{stores[0].path} and {store.path} differ in {key}:"
                    f" {identities[0].get(key)} and {value}"
                )
    seeds = [identity["seed"] for identity in identities]
    return {**stores[0].attributes, "identity": {**identities[0], "seed": seeds}}


def refuse_repetitions(stores: Sequence[EpisodeStore]) -> None:
    """Refuse stores that share an episode.

    Raises:
        InputError: Two stores hold an episode of the same seed.
    """
    owners: dict[int, Path] = {}
    for store in stores:
        for seed in np.unique(store.read("meta/seed")).tolist():
            if seed in owners:
                raise InputError(
                    f"{owners[seed]} and {store.path} both hold the episode of seed {seed};"
                    " collect each shard with another seed="
                )
            owners[seed] = store.path
