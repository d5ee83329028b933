"""One episode before and after fine-tuning, from the same start: what a run's page opens with."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from envs.config import EnvConfig
from policy.planner.policy import Policy
from policy.rollouts.evaluation import Evaluation
from policy.viewing.rollout_page import SEEN, RenderedEpisode, path_in_words, verdict
from policy.viewing.viewer import make_renderer
from visualizer import pages, plots
from visualizer.film_part import TO_TURN, film_part
from visualizer.pages import Html

SIZE = (480, 360)  # Of the videos, in pixels.


def telling_seed(evaluations: Mapping[str, Evaluation]) -> int:
    """Choose the start to show: lost before and won after if there is one, else the best after.

    Args:
        evaluations: By their stages, the last one last; none: the first seed there is.
    """
    if not evaluations:
        return 0
    *earlier, last = evaluations.values()
    lost = set(earlier[0].failures) if earlier else set()
    won = [seed for seed, success in zip(last.seeds, last.successes, strict=True) if success]
    return next((seed for seed in won if seed in lost), last.best)


def episodes_part(
    planners: Mapping[str, Policy], env: EnvConfig, seed: int, frames_per_second: float
) -> Html:
    """Play the episode of a seed with each planner, and show video and cloud of all in step.

    Args:
        planners: By what they are called, e.g. pre-trained and fine-tuned; on the CPU.
        env: The task.
        seed: Of the episode.
        frames_per_second: Of the films.
    """
    shown = []
    for name, planner in planners.items():
        renderer = make_renderer(planner, env, None, size=SIZE)
        with tempfile.TemporaryDirectory() as folder:
            episode = renderer.render(seed, Path(folder) / f"{name}.mp4", frames_per_second)
            shown.append(_planner_part(name, env, episode))
    films = shown[0] if len(shown) == 1 else pages.side_by_side(*shown)
    words = pages.paragraph(_in_words(seed, episode, len(planners)))
    return pages.together(pages.heading(_title(planners)), words, films)


def _planner_part(name: str, env: EnvConfig, episode: RenderedEpisode) -> Html:
    trajectory, video = episode.trajectory, episode.video
    plot = plots.episode_plot(trajectory.rewards, trajectory.successes)
    return pages.together(
        pages.subheading(f"{name.capitalize()}: {verdict(trajectory, env)}"),
        film_part(episode.film, video=video),
        *([] if video.exists() else [pages.no_video(video)]),
        pages.figure(plot),
    )


def _title(planners: Mapping[str, Policy]) -> str:
    if len(planners) > 1:
        return "Before | after fine-tuning"
    return f"The {next(iter(planners))} planner at work"


def _in_words(seed: int, episode: RenderedEpisode, planners: int) -> str:
    """Say what the films show."""
    cloud, camera = SEEN[episode.observes]
    same = " The same start for both; one slider moves both films." if planners > 1 else ""
    return (
        f"The episode of seed {seed}.{same} {cloud}, on a grid of 10 cm, and the camera {camera}."
        f" Videos are drawn without OpenGL. {path_in_words(episode)} {TO_TURN}"
    )
