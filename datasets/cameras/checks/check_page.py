"""The page that shows whether a recording is sound: what each camera sent, and what it became."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from configs.command.following import follow_store
from configs.files import write_text_whole
from configs.stopping import StoppedError
from datasets.cameras.checks.check_plots import Sent, sent_plot
from datasets.cameras.recording import RecordConfig, Recorded
from datasets.cards.card_files import keep_card
from datasets.cards.store_page import pinhole, provenance_part
from datasets.store.store import EpisodeStore
from envs.config import ViewConfig
from perception.point_cloud import Box
from visualizer import pages
from visualizer.camera_sheet import Sight, camera_sheet
from visualizer.film import Film
from visualizer.film_part import TO_TURN, film_part
from visualizer.pages import Html

logger = logging.getLogger(__name__)

FRAMES, FRAMES_PER_SECOND = 120, 20.0  # Of the film: an episode of more is thinned out.
FEW = 0.02  # Share of what a camera sees: with less in the box, its box or its place is wrong.
MOVED_M = 1e-4
HEADER = (
    "camera",
    "picture",
    "K: fx, fy, cx, cy",
    "stands at, metres",
    "points in the box, median",
    "share of what is seen: least, median",
    "depth, metres",
)


def finish(config: RecordConfig, came: Recorded) -> None:
    """Show what was recorded, and say what comes next.

    Raises:
        StoppedError: Fewer episodes came than were wanted.
    """
    if came.episodes:
        keep_card(config.out)
        follow_store(config.out, simulated=False)
        page = config.out.with_name(f"{config.out.stem}-check.html")
        write_check_page(config.out, config.view, came, page)
        logger.info("look at %s", page)
    if config.episodes is not None and came.episodes < config.episodes:
        raise StoppedError(
            f"stopped after {came.episodes} of {config.episodes} episodes in {config.out}; the same"
            " command goes on"
        )
    if not came.episodes:
        logger.info("%s holds no episode yet; the same command goes on", config.out)


def write_check_page(path: Path, view: ViewConfig, came: Recorded, page: Path) -> None:
    """Write the page of a store that was recorded from cameras."""
    store = EpisodeStore.open(path)
    sent, box = read_sent(store), Box(view.crop_low, view.crop_high)
    parts = [_overview(store, sent)]
    parts += [pages.paragraph(f"Look here: {warning}.") for warning in warnings(store, sent)]
    parts += [pages.heading("What each camera sent"), _table(store, sent)]
    if sights := sights_of(store, view, came):
        caption = (
            "The first step of the newest episode. Red: the crop box. What lies outside of it is"
            " grey, and no part of the clouds."
        )
        parts.append(pages.figure(camera_sheet(sights, box), caption))
    else:
        parts.append(
            pages.paragraph(
                "No frame came in this session, and depth images are not kept (images=[depth]):"
                " there is none to show."
            )
        )
    parts += [pages.figure(sent_plot(sent)), pages.heading("The clouds"), _film(store, box)]
    parts.append(provenance_part(store))
    write_text_whole(page, pages.page(f"{store.attributes['task']}: what came", parts))


def read_sent(store: EpisodeStore) -> Sent:
    """Read what came at every step."""
    names = ("points_seen", "points_in_box", "depth_range_m", "world_from_camera")
    arrays = {name: store.read(name) for name in names}
    stamps = store.read("stamp") if "stamp" in store.names else None
    cameras = tuple(store.attributes["cameras"])
    return Sent(cameras=cameras, ends=store.episode_ends, stamps=stamps, **arrays)


def warnings(store: EpisodeStore, sent: Sent) -> Iterator[str]:
    """Say what may be wrong with a recording."""
    for name, share in zip(sent.cameras, np.median(sent.shares, axis=0), strict=True):
        if share < FEW:
            yield (
                f"only {share:.1%} of what camera {name} sees lies in the crop box: move the box"
                " (crop_low=, crop_high=) or the camera, or compare its pose"
            )
    points = store.read("point_cloud", slice(0, 1)).shape[1]
    fewer = (sent.points_in_box.sum(axis=1) < points).mean()
    if fewer > 0.5:
        yield (
            f"at {fewer:.0%} of the steps fewer than points={points} lie in the box, so that clouds"
            " repeat theirs"
        )
    refused = store.attributes.get("refused", {})
    if refused.get("dropped") or refused.get("late"):
        yield "frames came late or were dropped: the process that sends them does not keep up"
    if sent.stamps is None:
        yield "frames carry no stamp, so that late and dropped ones cannot be told"


def _overview(store: EpisodeStore, sent: Sent) -> Html:
    refused: Mapping[str, int] = store.attributes.get("refused", {})
    gaps = sent.gaps_s
    said = {
        "episodes, steps": f"{store.episodes:,}, {store.steps:,}",
        "frames a second": f"{1 / np.median(gaps):.3g} (median)" if len(gaps) else "not known",
        "longest gap": f"{gaps.max():.3g} s" if len(gaps) else "not known",
        "refused frames": ", ".join(
            f"{refused.get(kind, 0)} {words}"
            for kind, words in (
                ("late", "late"),
                ("dropped", "after dropped ones"),
                ("refused", "for another reason"),
            )
        ),
        "unfinished episodes": f"{refused.get('unfinished', 0)}, which are not in the store",
        "rewards, successes": ", ".join(
            "recorded" if name in store.names else "not recorded" for name in ("reward", "success")
        ),
    }
    return pages.facts(said)


def _table(store: EpisodeStore, sent: Sent) -> Html:
    rows = []
    for index, (name, said) in enumerate(store.attributes["cameras"].items()):
        camera, shares = pinhole(said), sent.shares[:, index]
        places = sent.world_from_camera[:, index, :3, 3]
        moves = " at first; it moves" if np.ptp(places, axis=0).max() > MOVED_M else ""
        near, far = sent.depth_range_m[:, index].T
        rows.append(
            (
                name,
                f"{camera.width} x {camera.height}",
                ", ".join(f"{part:.5g}" for part in camera.lens),
                ", ".join(f"{part:.3f}" for part in places[0]) + moves,
                int(np.median(sent.points_in_box[:, index])),
                f"{shares.min():.1%}, {np.median(shares):.1%}",
                f"{near.min():.3g} to {far.max():.3g}",
            )
        )
    return pages.table(HEADER, rows)


def sights_of(store: EpisodeStore, view: ViewConfig, came: Recorded) -> list[Sight]:
    """Give what cameras saw at the first step of the newest episode, if that is known."""
    row = store.rows(store.episodes - 1).start
    cloud = store.read("point_cloud", slice(row, row + 1))[0]
    if came.newest is not None:
        return [
            Sight(name, one.camera, one.depth_m, cloud, one.colour)
            for name, one in came.newest.views.items()
        ]
    cameras = {name: pinhole(said) for name, said in store.attributes["cameras"].items()}
    sights = []
    for name, camera in cameras.items():
        kept = {kind: kind if len(cameras) == 1 else f"{kind}_{name}" for kind in ("img", "depth")}
        if kept["depth"] not in store.names:
            return []
        shown = {
            kind: store.read(array, slice(row, row + 1))[0]
            for kind, array in kept.items()
            if array in store.names
        }
        sights.append(Sight(name, camera, shown["depth"], cloud, shown.get("img")))
    return sights


def _film(store: EpisodeStore, box: Box) -> Html:
    rows = store.rows(store.episodes - 1)
    clouds = store.read("point_cloud", rows)
    stride = -(-len(clouds) // FRAMES)
    cameras = {name: pinhole(said) for name, said in store.attributes["cameras"].items()}
    film = Film(clouds[::stride], cameras, FRAMES_PER_SECOND, box=box)
    thinned = "" if stride == 1 else f", every {stride}th step"
    caption = (
        f"The newest episode{thinned}: {clouds.shape[1]} points a frame on a grid of 10 cm, the"
        f" crop box in red, and where the cameras stood at first. {TO_TURN}"
    )
    return film_part(film, caption)
