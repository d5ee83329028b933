"""The page and the card of a store: what it holds, some episodes as films, where it comes from."""

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from datasets.cards.card import Outcomes
from datasets.cards.store_plots import overview_plots
from datasets.episode import Episode, Recording
from datasets.store.store import EpisodeStore
from envs.success import counts_as_success
from perception.camera import Pinhole
from visualizer import pages, plots
from visualizer.film import Film
from visualizer.film_part import TO_TURN, film_part
from visualizer.pages import Html

SHEET_ROWS, SHEET_COLUMNS = 5, 5


def store_page(
    store: EpisodeStore,
    results: Outcomes,
    sheet: bytes,
    shown: Mapping[str, tuple[Episode, Film]],
) -> str:
    """Compose the page: overview, contact sheet, the episodes to show, and provenance."""
    caption = (
        "From the best episode to the worst: by success, then by return. Near points are larger,"
        " and darker where they have no colour of their own."
    )
    parts = [
        overview(store, results, overview_plots(store, results)),
        pages.together(pages.heading("At a glance"), pages.figure(sheet, caption)),
        *(_episode_part(name, episode, film) for name, (episode, film) in shown.items()),
        provenance_part(store),
    ]
    return pages.page(f"{store.attributes['task']}: recorded episodes", parts)


def contact_sheet(store: EpisodeStore, results: Outcomes) -> bytes:
    """Draw episodes from the best to the worst, each at a few of its steps."""
    order = results.ranked
    rows = order[np.linspace(0, len(order) - 1, min(SHEET_ROWS, len(order))).round().astype(int)]
    clouds = []
    for index in rows:
        points = store.read("point_cloud", store.rows(int(index)))
        clouds.append(points[np.linspace(0, len(points) - 1, SHEET_COLUMNS).round().astype(int)])
    shares = np.linspace(0, 1, SHEET_COLUMNS)[1:-1]
    columns = ["start", *(f"{share:.0%} of the steps" for share in shares), "end"]
    cameras = [pinhole(camera) for camera in store.attributes["cameras"].values()]
    titles = [_title(results, int(index)) for index in rows]
    return plots.contact_sheet(np.stack(clouds), titles, columns, cameras=cameras)


def _title(results: Outcomes, index: int) -> str:
    lines = [f"episode {index}"]
    if results.rewarded:
        lines.append(f"return {results.returns[index]:.4g}")
    if results.judged:
        lines.append("success" if results.successes[index] else "failure")
    return "\n".join(lines)


def overview(store: EpisodeStore, results: Outcomes, drawn: Sequence[bytes]) -> Html:
    """Say in a sentence and figures, drawn by `overview_plots`, what the store holds."""
    task, episodes = store.attributes["task"], f"{store.episodes:,} episodes"
    text = f"{episodes} of {task}, {store.steps:,} steps, made by: {_maker(store)}. "
    text += f"{_successes_in_words(results)} {_returns_in_words(results)}"
    *profile, coverage = drawn
    caption = "The spread of actions and robot states; darker is more often."
    figures = [*map(pages.figure, profile), pages.figure(coverage, caption)]
    return pages.together(pages.paragraph(text), *figures)


def _successes_in_words(results: Outcomes) -> str:
    if not results.judged:
        return "Which of them succeeded was not recorded."
    rule = counts_as_success("at their last step", "at some step", results.success_at)
    return (
        f"{results.successes.sum():,} of them ({results.successes.mean():.0%}) have reached the"
        f" goal {rule}, which is what counts here."
    )


def _returns_in_words(results: Outcomes) -> str:
    if not results.rewarded:
        return "Rewards were not recorded."
    least, median, greatest = np.quantile(results.returns, [0, 0.5, 1])
    return f"Returns run from {least:.4g} over a median of {median:.4g} to {greatest:.4g}."


def _maker(store: EpisodeStore) -> str:
    """Name who acted."""
    behaviour = store.identity.get("behaviour")
    return "unknown" if behaviour is None else _listed({"behaviour": behaviour["kind"]})


def _episode_part(title: str, episode: Episode, film: Film) -> Html:
    """Show one episode: the film, and beside it its rewards and where it comes from."""
    recording = episode.recording
    points = "own colour" if episode.points.shape[-1] == 6 else "colour shows height"
    caption = (
        f"{episode.points.shape[1]} points a frame ({points}) on a grid of 10 cm, at"
        f" {film.frames_per_second:g} frames a second. {TO_TURN}"
    )
    below = pages.facts(_about(recording))
    if recording.rewards is not None and recording.successes is not None:
        plot = pages.figure(plots.episode_plot(recording.rewards, recording.successes))
        below = pages.columns(plot, below, widths=(5, 6))
    return pages.together(pages.heading(title.capitalize()), film_part(film, caption), below)


def _about(recording: Recording) -> dict[str, str | float]:
    """List the facts about one episode."""
    facts: dict[str, str | float] = {"steps": len(recording)}
    if (source := recording.provenance) is not None:
        facts |= {"noise": source.noise, "random actions": f"{source.random_share:.0%}"}
        facts |= {"seed": str(source.seed)} if source.seed >= 0 else {}
        if source.agent_step:
            facts["acted by"] = f"agent {source.agent} after {source.agent_step:,} steps"
    if recording.rewards is not None:
        facts["return"] = float(recording.rewards.sum())
    if recording.successes is not None:
        reached = f"{recording.successes.sum()} of {len(recording)} steps"
        also = "also" if recording.successes[-1] else "not"
        facts["goal reached at"] = f"{reached}, {also} the last"
    return facts


def provenance_part(store: EpisodeStore) -> Html:
    """Say everything that made the data."""
    attributes = store.attributes
    identity, said = without_folders(store.identity), attributes.get
    about = {
        "store": store.path.resolve().name,
        "task": attributes["task"],
        **_flat(identity),
        "cameras": "; ".join(f"{n} at {_place(c)} m" for n, c in said("cameras", {}).items()),
        "frame and units": f"{said('frame', 'unknown')}; {said('units', 'unknown')}",
        "versions": _listed(said("versions", {})),
        "source commit": said("source_commit", None) or "not recorded",
    }
    return pages.together(pages.heading("Where it comes from"), pages.facts(about))


def without_folders(values: Any) -> Any:  # noqa: ANN401 (as JSON nests them)
    """Give only the name of what was a file on the machine that made a store."""
    if isinstance(values, dict):
        return {key: without_folders(value) for key, value in values.items()}
    if isinstance(values, list):
        return [without_folders(value) for value in values]
    absolute = isinstance(values, str) and PurePath(values).is_absolute()
    return PurePath(values).name if absolute else values


def _flat(identity: dict[str, Any]) -> dict[str, str]:
    """List nested values by the path of their keys: one line for each group of plain ones."""
    lines: dict[str, str] = {}
    plain = {k: v for k, v in identity.items() if not isinstance(v, dict)}
    for key, value in plain.items():
        lines[key.replace("_", " ")] = "null" if value is None else str(value)
    for key, value in identity.items():
        if isinstance(value, dict):
            inner = {k: v for k, v in value.items() if not isinstance(v, dict)}
            if inner:
                lines[key.replace("_", " ")] = _listed(inner)
            deeper = {f"{key}: {k}": v for k, v in value.items() if isinstance(v, dict)}
            lines |= _flat(deeper)
    return lines


def _place(camera: dict[str, Any]) -> str:
    return ", ".join(f"{row[3]:.3g}" for row in camera["world_from_camera"][:3])


def _listed(values: dict[str, Any]) -> str:
    said = {name: value for name, value in values.items() if value not in (None, "None")}
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in said.items())


def pinhole(camera: dict[str, Any]) -> Pinhole:
    """Read a camera as a store describes it."""
    intrinsics = np.array(camera["intrinsics"])
    # Its middle is that of the picture (`perception.camera`), unless a real camera says its size.
    middle = np.rint(2 * intrinsics[:2, 2] + 1).astype(int)
    width, height = camera.get("size", middle)
    pose = np.array(camera["world_from_camera"])
    return Pinhole.from_intrinsics(intrinsics, (int(width), int(height)), pose)
