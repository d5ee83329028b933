"""Episodes that are kept apart from training, to see whether a planner learns or remembers."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from datasets.store.store import EpisodeStore
from perception.errors import InputError


def held_out_steps(paths: Sequence[Path], share: float) -> Bool[np.ndarray, " step"]:
    """Tell for each step of all stores whether its episode is kept apart.

    Args:
        paths: Stores, in the order in which windows hold them.
        share: Of each store's episodes; its last ones are taken, one at least.

    Raises:
        InputError: A store has but one episode.
    """
    return np.concatenate([_of_store(EpisodeStore.open(path), share) for path in paths])


def _of_store(store: EpisodeStore, share: float) -> Bool[np.ndarray, " step"]:
    if store.episodes < 2:
        raise InputError(
            f"pretrain.held_out={share:g}: {store.path} has one episode, and nothing would be left"
            " to learn from; give 0"
        )
    kept = store.episodes - max(1, round(share * store.episodes))
    beyond: Bool[np.ndarray, " step"] = np.arange(store.steps) >= store.episode_ends[kept - 1]
    return beyond
