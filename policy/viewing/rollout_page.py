"""The page of a planner at work: what it saw, planned and earned, and what it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envs.config import EnvConfig
from perception.observation import Observes
from policy.planner.policy import Policy
from policy.rollouts.trajectory import Trajectory
from visualizer import pages, plots
from visualizer.pages import Html
from visualizer.player import Film, as_html

SEEN: dict[Observes, tuple[str, str]] = {  # What the cloud and the camera of a film are.
    "points": ("What the planner sees", "that it sees it with"),
    "image": ("The scene as a cloud", "whose pictures the planner sees"),
    "features": ("The scene as a cloud", "that drew it: the planner sees numbers only"),
}


@dataclass(frozen=True)
class RenderedEpisode:
    """An episode to show: its trajectory, its film, and its video on disk."""

    trajectory: Trajectory
    film: Film
    video: Path
    observes: Observes


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
        *(episode_part(f"Episode {i}", env, episode) for i, episode in enumerate(episodes)),
        provenance_part(planner, about, env),
    ]
    return pages.page(f"{env.name}: the planner at work", parts)


def verdict(trajectory: Trajectory, env: EnvConfig) -> str:
    """Say how an episode went."""
    outcome = "success" if trajectory.succeeded(env.success_at) else "failure"
    return f"{outcome} in {len(trajectory.rewards)} steps, return {trajectory.rewards.sum():.4g}"


def episode_part(title: str, env: EnvConfig, episode: RenderedEpisode) -> Html:
    """Show an episode: the planner's view, the video, and what it earned."""
    trajectory, film, video = episode.trajectory, episode.film, episode.video
    path = (
        "The red line is the planned path of the hand, from where it was when the plan was made."
        if film.paths
        else "Plans of this task are joint targets, not places, so no planned path is drawn."
    )
    cloud, camera = SEEN[episode.observes]
    caption = (
        f"{cloud}, at {film.frames_per_second:g} frames a second on a grid of 10 cm, and the camera"
        f" {camera}. {path}"
    )
    player = pages.embedded(as_html(film), caption, height_px=620)
    beside = pages.together(
        pages.video(video, f"{verdict(trajectory, env).capitalize()} ({video.name})."),
        pages.figure(plots.episode_plot(trajectory.rewards, trajectory.successes)),
    )
    return pages.together(pages.heading(title), pages.columns(player, beside, widths=(7, 4)))


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
