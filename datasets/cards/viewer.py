"""A store to look at: some episodes as films, all of them as figures, and where they come from."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from configs.files import write_text_whole, write_whole
from configs.ranges import FramesPerSecond, Whole
from datasets.cards.card import Outcomes, outcomes
from datasets.cards.rerun_export import write_rerun
from datasets.cards.store_page import contact_sheet, pinhole, store_page
from datasets.episode import Episode
from datasets.store.store import EpisodeStore
from perception.camera import turned
from perception.errors import InputError
from visualizer.film import Film

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ViewDataConfig:
    """What to look at; every key is explained in configs/scripts/views/data.yaml."""

    data: Path
    episode: Whole | None
    format: Literal["html", "rerun"]
    out: Path | None
    frames_per_second: FramesPerSecond


def view(config: ViewDataConfig) -> None:
    """Write a page with a contact sheet beside it, or a recording for Rerun.

    Raises:
        InputError: There is no such store or episode, it has no clouds, or Rerun is wanted and
            missing.
    """
    store = EpisodeStore.open(config.data)
    if "point_cloud" not in store.names:
        raise InputError(
            f"{config.data} holds no clouds to look at: datasets/summary.py says what it holds,"
            " datasets/render.py draws them where simulator states were recorded"
        )
    results = outcomes(store)
    episodes = {t: store.read_episode(i) for t, i in chosen(results, config.episode).items()}
    films = {t: make_film(e, store, config.frames_per_second) for t, e in episodes.items()}
    if config.format == "rerun":
        path = config.out or config.data.with_suffix(".rrd")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_rerun(films, path)
        logger.info("written to %s; look at it with: rerun %s", path, path)
        return
    path = config.out or config.data.with_suffix(".html")
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet = contact_sheet(store, results)
    write_whole(path.with_suffix(".png"), lambda aside: aside.write_bytes(sheet))
    shown = {title: (episodes[title], film) for title, film in films.items()}
    write_text_whole(path, store_page(store, results, sheet, shown))
    logger.info("written to %s and %s", path, path.with_suffix(".png"))


def chosen(results: Outcomes, episode: int | None) -> dict[str, int]:
    """Name the episodes to show: the one asked for, or the best, the median and the worst."""
    count = len(results.returns)
    if episode is not None:
        if not 0 <= episode < count:
            raise InputError(f"There is no episode {episode}; there are 0 to {count - 1}")
        return {f"episode {episode}": episode}
    order = results.ranked[::-1]
    # In this order a small store's only episode is its best one.
    places = {order[0]: "worst", order[count // 2]: "median", order[-1]: "best"}
    return {f"{place}: episode {i}": int(i) for i, place in reversed(places.items())}


def make_film(episode: Episode, store: EpisodeStore, frames_per_second: float) -> Film:
    """Make a film of a recorded episode, with the pictures that the store keeps."""
    said = store.attributes.get("cameras", {})
    cameras = {name: pinhole(camera) for name, camera in said.items()}
    pictures, depths = (_by_camera(episode, cameras, kind) for kind in ("img", "depth"))
    still = "world_from_camera" not in episode.further  # Else kept at each step: it may move.
    as_taken = {c: turned(p) if "img_turned_deg" in said[c] else p for c, p in pictures.items()}
    rewards, successes = episode.recording.rewards, episode.recording.successes
    numbers = {"reward": rewards, "success": successes}
    return Film(
        episode.points,
        cameras,
        frames_per_second,
        pictures=as_taken,
        depths_m=depths if still else {},
        numbers={n: a.astype(np.float32) for n, a in numbers.items() if a is not None},
    )


def _by_camera(episode: Episode, cameras: Iterable[str], kind: str) -> dict[str, np.ndarray]:
    """Give what was kept of each camera; one alone needs no name."""
    names = list(cameras)
    kept = {name: kind if len(names) == 1 else f"{kind}_{name}" for name in names}
    return {name: episode.further[at] for name, at in kept.items() if at in episode.further}
