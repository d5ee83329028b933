"""Write what was converted into a store, with how well it could be replayed."""

import logging
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from configs.progress import progress
from configs.stopping import StoppedError, stop_request
from datasets.cards.card import outcomes
from datasets.episode import Episode
from datasets.formats.incoming.rehearsal import check_reach
from datasets.formats.shared.source import Converted, Drift
from datasets.store.chunk_codecs import StoreFormat
from datasets.store.descriptions import seal
from datasets.store.store import EpisodeStore
from envs.success import counts_as_success
from perception.errors import InputError

logger = logging.getLogger(__name__)


def write(
    store: EpisodeStore, converted: Iterator[Converted], stored: StoreFormat, total: int
) -> None:
    """Append episodes; before each, its drift is noted, so that a killed command loses none.

    Args:
        store: Open to write.
        converted: The episodes that it does not hold yet.
        stored: How it is written.
        total: Episodes it will hold.

    Raises:
        InputError: An episode holds not-a-number, or positions too far out.
        StoppedError: It was asked to stop.
    """
    drifts = read_drifts(store.path)[: store.episodes]
    shown = progress(converted, "convert", total=total, initial=store.episodes, unit="episode")
    with stop_request() as stop:
        for one in shown:
            check_numbers(one.episode, stored, f"episode {store.episodes}")
            if one.drift is not None:
                drifts.append(one.drift)
                _note(store.path, drifts)
            store.append(one.episode)
            if stop.requested and store.episodes < total:
                raise StoppedError(
                    f"stopped: {store.path} holds {store.episodes} of {total} episodes; the same"
                    " command goes on"
                )


def check_numbers(episode: Episode, stored: StoreFormat, where: str) -> None:
    """Refuse numbers that no store can hold.

    Raises:
        InputError: Not-a-number or infinity is among them, or positions are too far out.
    """
    recording = episode.recording
    parts = {"state": recording.states, "action": recording.actions, "point_cloud": episode.points}
    for name, values in parts.items():
        if not np.isfinite(values).all():
            raise InputError(f"{where}: {name} holds NaN or infinity")
    check_reach(episode.points[..., :3], stored, where)


def read_drifts(path: Path) -> list[Drift]:
    """Read how well each episode of a store could be replayed; empty where nothing was."""
    said = _conversion(path).get("drift", {})
    columns = [said.get(name, []) for name in ("median", "largest", "last")]
    return [Drift(*row) for row in zip(*columns, strict=True)]


def summary(store: EpisodeStore, success_at: str) -> str:
    """Say in one line what a converted store holds."""
    text = f"{store.episodes} episodes, {store.steps:,} steps"
    if (results := outcomes(store)).judged:
        succeeded = counts_as_success(results.at_end, results.ever, success_at)
        rule = counts_as_success("at their last step", "at some step", success_at)
        text += f", {succeeded.sum()} of them successful {rule}"
    elif "success" not in store.names:
        text += ", whose success was not recorded"
    if drifts := read_drifts(store.path):
        worst = int(np.argmax([drift.largest for drift in drifts]))
        median = np.median([[d.median, d.largest, d.last] for d in drifts], axis=0)
        text += (
            f"; they differ from the observations recorded by {median[0]:.2g} (median over"
            f" steps), {median[1]:.2g} (largest) and {median[2]:.2g} (last step) in the median"
            f" episode, by {drifts[worst].largest:.2g} at worst (episode {worst})"
        )
    return text


def _conversion(path: Path) -> dict[str, Any]:
    said: Any = zarr.open_group(path, mode="r").attrs["conversion"]
    return dict(said)


def _note(path: Path, drifts: list[Drift]) -> None:
    rows = [asdict(drift) for drift in drifts]
    columns = {name: [float(f"{row[name]:.4g}") for row in rows] for name in rows[0]}
    drift = {"of": "the largest difference of an entry of the observation, at each step", **columns}
    seal(path, conversion={**_conversion(path), "drift": drift})
