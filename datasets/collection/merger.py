"""Several stores of one kind become one."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from configs.build import differences
from configs.locks import resolved
from configs.progress import progress
from configs.ranges import Output, Stores, between
from datasets.collection.shards import (
    refuse_large_shards,
    refuse_other_arrays,
    refuse_repetitions,
    sources_of,
)
from datasets.episode import Episode, Recording
from datasets.store.chunk_codecs import StoreFormat
from datasets.store.episodes import CHUNK_STEPS, room_for_ends
from datasets.store.store import EpisodeStore
from perception.errors import InputError

logger = logging.getLogger(__name__)

Whole = Episode | Recording

MOST_SHARDS = 1000
OF_ONE = ("seed", "source", "shards")  # What of an identity shards may differ in.
SHORT = 100  # Characters of a difference in an error.


@dataclass(frozen=True)
class MergeConfig:
    """Which stores to put into which.

    Attributes:
        data: The stores, in the order of their episodes.
        out: The store to write.
        shards: Chunks of 100 steps in one file, in Zarr's format 3; None keeps the stores' own.
    """

    data: Stores
    out: Output
    shards: Annotated[int, between(1, MOST_SHARDS)] | None


def merge(config: MergeConfig) -> None:
    """Append every episode of every store that `out` does not hold yet, in order.

    Raises:
        InputError: A store is missing, was made otherwise than the first, or holds other arrays or
            an episode that another holds too; `out` is another store.
    """
    stores = [EpisodeStore.open(path) for path in config.data]
    if resolved(config.out) in map(resolved, config.data):
        raise InputError(f"out={config.out} is a store that is read; choose another out=")
    attributes = merged_attributes(stores)
    refuse_repetitions(stores)
    refuse_other_arrays(stores)
    if config.shards is not None:
        refuse_large_shards(stores[0], config.shards)
    places = [(store, index) for store in stores for index in range(store.episodes)]
    if config.shards is not None:
        attributes["identity"] |= {"zarr_format": 3, "shards": config.shards}
        attributes["zarr_format"] = 3
    format_ = StoreFormat(attributes["zarr_format"], attributes["error_mm"], config.shards)
    with EpisodeStore.writing(config.out, format_, attributes) as target:
        first = target.episodes
        left = progress(places[first:], "merge", len(places), initial=first, unit="episode")
        episodes = (store.read_whole(index) for store, index in left)
        for together in _at_once(episodes, target, config.shards):
            target.append(*together)
    logger.info("written to %s", config.out)


def _at_once(
    episodes: Iterable[Whole], target: EpisodeStore, shards: int | None
) -> Iterator[list[Whole]]:
    """Give the episodes to be written at once: one, or those that end in the same shard.

    A shard is written anew, whole, with whatever is written into it.
    """
    together: list[Whole] = []
    for episode in episodes:
        together.append(episode)
        if shards is None or _fill_shard(together, target, shards):
            yield together
            together = []
    if together:
        yield together


def _fill_shard(together: Sequence[Whole], target: EpisodeStore, shards: int) -> bool:
    """Tell whether episodes complete a shard, or as many as can be written at once."""
    step, steps = shards * CHUNK_STEPS, target.steps
    recordings = [one.recording if isinstance(one, Episode) else one for one in together]
    filled = (steps + sum(map(len, recordings))) // step > steps // step
    return filled or len(together) == room_for_ends(target.episodes)


def merged_attributes(stores: Sequence[EpisodeStore]) -> dict[str, Any]:
    """Give what the stores say of themselves in common; of seeds and sources, all.

    Converted stores last as long as the longest episode of all of them.

    Raises:
        InputError: They differ in something else; it is named, with the value of each.
    """
    kept = [_common(store.identity) for store in stores]
    for store, identity in zip(stores[1:], kept[1:], strict=True):
        if changes := list(differences(kept[0], identity)):
            said = "; ".join(change[:SHORT] for change in changes[:3])
            more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
            raise InputError(
                f"{stores[0].path} and {store.path} differ in {said}{more}: only stores made alike"
                " become one"
            )
    identities = [store.identity for store in stores]
    identity = {**identities[0], "seed": [one.get("seed") for one in identities]}
    identity.pop("shards", None)
    attributes = {**stores[0].attributes, "identity": identity}
    attributes.pop("shards", None)
    if "source" in identity:
        identity["source"] = [source for one in identities for source in sources_of(one)]
        attributes["conversion"] = _conversions(stores)
    if _is_converted(identity) and "env" in identity:
        steps = max(one["env"]["episode_steps"] for one in identities)
        identity["env"] = {**identity["env"], "episode_steps": steps}
    return attributes


def _is_converted(identity: dict[str, Any]) -> bool:
    return "source" in identity


def _common(identity: dict[str, Any]) -> dict[str, Any]:
    """Leave out of an identity what shards may differ in; whether they were converted stays."""
    kept = {key: value for key, value in identity.items() if key not in OF_ONE}
    if not _is_converted(identity):
        return kept
    if "env" in kept:
        kept["env"] = {k: v for k, v in kept["env"].items() if k != "episode_steps"}
    first = sources_of(identity)[0]
    return {**kept, "source": {key: first.get(key) for key in ("format", "options")}}


def _conversions(stores: Sequence[EpisodeStore]) -> dict[str, Any]:
    """Put together how the stores were converted; how well each episode was replayed stays."""
    said = [dict(store.attributes.get("conversion", {})) for store in stores]
    drifts = [one.pop("drift", {}) for one in said]
    parts: dict[str, Any] = {"parts": said}
    if all(drifts):
        columns = {
            name: np.concatenate([drift[name] for drift in drifts]).tolist()
            for name in ("median", "largest", "last")
        }
        parts["drift"] = {**drifts[0], **columns}
    return parts
