"""The page of a planner at work: what it saw, planned and earned, and what it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envs.config import EnvConfig
from policy.planner.planner import Planner
from policy.rollouts.episode import Played
from visualizer import pages, plots
from visualizer.pages import Html
from visualizer.player import Film, as_html


@dataclass(frozen=True)
class Shown:
    """An episode to show: how it was played, its film, and its video on disk."""

    played: Played
    film: Film
    video: Path


def rollout_page(
    planner: Planner,
    about: dict[str, Any],
    env: EnvConfig,
    shown: Sequence[Shown],
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
        *(episode_part(f"Episode {i}", env, one) for i, one in enumerate(shown)),
        provenance_part(planner, about, env),
    ]
    return pages.page(f"{env.name}: the planner at work", parts)


def verdict(played: Played, env: EnvConfig) -> str:
    """Say how an episode went."""
    outcome = "success" if played.succeeded(env.success_at) else "failure"
    return f"{outcome} in {len(played.rewards)} steps, return {played.rewards.sum():.4g}"


def episode_part(title: str, env: EnvConfig, shown: Shown) -> Html:
    """Show an episode: the planner's view, the video, and what it earned."""
    played, film, video = shown.played, shown.film, shown.video
    path = (
        "The red line is the planned path of the hand, from where it was when the plan was made."
        if film.paths
        else "Plans of this task are joint targets, not places, so no planned path is drawn."
    )
    sees = env.view.points > 0
    caption = (
        f"{'What the planner sees' if sees else 'The scene as a cloud'}, at"
        f" {film.frames_per_second:g} frames a second on a grid of 10 cm, and the camera that"
        f" {'it sees it with' if sees else 'drew it: the planner sees numbers only'}. {path}"
    )
    player = pages.embedded(as_html(film), caption, height_px=620)
    beside = pages.together(
        pages.video(video.read_bytes(), f"{verdict(played, env).capitalize()} ({video.name})."),
        pages.figure(plots.episode_plot(played.rewards, played.successes)),
    )
    return pages.together(pages.heading(title), pages.columns(player, beside, widths=(7, 4)))


def provenance_part(planner: Planner, about: dict[str, Any], env: EnvConfig) -> Html:
    """Say what played."""
    plan = planner.config
    seen = f"{plan.history} frames of {env.view.points} points from {', '.join(env.view.cameras)}"
    if env.view.points == 0:
        seen = f"{plan.history} frames of the simulator's {planner.sizes.robot_state} features"
    told = {
        **{name.replace("_", " "): value for name, value in about.items()},
        "sees": seen,
        "plans": f"{plan.horizon} actions from the first frame on, {plan.chunk} of them executed",
        "denoising": f"{plan.sampling_steps} of {plan.denoising_steps} steps, eta {plan.eta:g}",
        "parameters": sum(parameter.numel() for parameter in planner.parameters()),
        "success": f"by the rule {env.success}, counted at {env.success_at}",
    }
    return pages.together(pages.heading("What played"), pages.facts(told))
