"""The page of a planner at work: what it saw, planned and earned, and what it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envs.config import EnvConfig
from perception.observation import Observes
from policy.planner.policy import Policy
from policy.rollouts.trajectory import Trajectory
from policy.viewing.action_plots import SHOWN_NUMBERS, actions_plot
from visualizer import pages, plots
from visualizer.film import Film
from visualizer.film_part import TO_TURN, film_part
from visualizer.pages import Html

SEEN: dict[Observes, tuple[str, str]] = {  # What the cloud and the camera of a film are.
    "points": ("What the planner sees", "that it sees it with"),
    "image": ("The scene as a cloud", "whose pictures the planner sees"),
    "features": ("The scene as a cloud", "that drew it: the planner sees numbers only"),
}


@dataclass(frozen=True)
class RenderedEpisode:
    """An episode to show: its trajectory, its film, its video on disk, and what acts in it."""

    trajectory: Trajectory
    film: Film
    video: Path
    observes: Observes
    action_names: Sequence[str]


def rollout_page(
    planner: Policy,
    about: dict[str, Any],
    env: EnvConfig,
    episodes: Sequence[RenderedEpisode],
    *,
    seed: int,
) -> str:
    """Put the page together."""
    introduction = (
        f"The planner of stage “{about.get('stage', 'unknown')}” plays {env.name}, with its own"
        f" noise and nothing added: the first episodes of an evaluation with seed {seed}, none of"
        " which was trained on."
    )
    parts = [
        pages.paragraph(introduction),
        *([_overview(env, episodes)] if len(episodes) > 1 else []),
        *(episode_part(f"Episode {i}", env, episode) for i, episode in enumerate(episodes)),
        provenance_part(planner, about, env),
    ]
    return pages.page(f"{env.name}: the planner at work", parts)


def _overview(env: EnvConfig, episodes: Sequence[RenderedEpisode]) -> Html:
    """Show the videos of all episodes at once, failures too, and count them."""
    won = [episode.trajectory.succeeded(env.success_at) for episode in episodes]
    tiles = [
        pages.Tile(episode.video, f"Episode {i}: {verdict(episode.trajectory, env)}", good)
        for i, (episode, good) in enumerate(zip(episodes, won, strict=True))
        if episode.video.exists()
    ]
    counted = pages.paragraph(f"{sum(won)} of {len(won)} succeed.")
    return pages.together(pages.heading("All at once"), counted, pages.tiles(tiles))


def verdict(trajectory: Trajectory, env: EnvConfig) -> str:
    """Say how an episode went."""
    outcome = "success" if trajectory.succeeded(env.success_at) else "failure"
    return f"{outcome} in {len(trajectory.rewards)} steps, return {trajectory.rewards.sum():.4g}"


def episode_part(title: str, env: EnvConfig, episode: RenderedEpisode) -> Html:
    """Show an episode: the planner's view, the video, and what it earned."""
    trajectory, film, video = episode.trajectory, episode.film, episode.video
    cloud, camera = SEEN[episode.observes]
    caption = (
        f"{cloud}, at {film.frames_per_second:g} frames a second on a grid of 10 cm, and the camera"
        f" {camera}. {path_in_words(episode)} {TO_TURN}"
    )
    plot = plots.episode_plot(trajectory.rewards, trajectory.successes)
    moved = actions_plot(trajectory.actions, None, episode.action_names)
    words = "The actions that varied most." if trajectory.actions.shape[1] > SHOWN_NUMBERS else ""
    return pages.together(
        pages.heading(title),
        pages.paragraph(f"{verdict(trajectory, env).capitalize()}."),
        film_part(film, caption, video=video),
        *([] if video.exists() else [pages.no_video(video)]),
        pages.columns(pages.figure(plot), pages.figure(moved, words), widths=(1, 1)),
    )


def path_in_words(episode: RenderedEpisode) -> str:
    """Say what the red line of a film is, or why there is none."""
    return (
        "The red line is the planned path of the hand, from where it was when the plan was made."
        if episode.film.paths
        else "Plans of this task are joint targets, not places, so no planned path is drawn."
    )


def provenance_part(planner: Policy, about: dict[str, Any], env: EnvConfig) -> Html:
    """Say what played."""
    plan = planner.config
    shown = f"{env.view.points} points"
    if planner.observes == "image":
        shown = f"{env.view.image_size} x {env.view.image_size} pixels"
    sees = f"{plan.history} frames of {shown} from {', '.join(env.view.cameras)}"
    if planner.observes == "features":
        sees = f"{plan.history} frames of the simulator's {planner.sizes.robot_state} features"
    facts = {
        **{n.replace("_", " "): value for n, value in about.items() if n != "env"},
        "sees": sees,
        "plans": f"{plan.horizon} actions from the first frame on, {plan.chunk} of them executed",
        **planner.facts(),
        "parameters": sum(parameter.numel() for parameter in planner.parameters()),
        "success": f"by the rule {env.success}, counted at {env.success_at}",
    }
    return pages.together(pages.heading("What played"), pages.facts(facts))
