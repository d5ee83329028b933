"""The failure gallery: the first episodes that an evaluation lost, played again and shown."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from configs.files import write_text_whole
from envs.config import EnvConfig
from policy.planner.decision import Decide
from policy.planner.policy import Policy
from policy.rollouts.evaluation import Evaluation
from policy.rollouts.loading import Loaded
from policy.runs.run import stops
from policy.viewing.rollout_page import RenderedEpisode, episode_part, provenance_part, verdict
from policy.viewing.viewer import make_renderer
from visualizer import pages

logger = logging.getLogger(__name__)

SIZE = (480, 360)  # Of the videos, in pixels.
FRAMES_PER_SECOND = 20.0


@stops("while drawing failures")
def write_failures(
    loaded: Loaded,
    evaluation: Evaluation,
    folder: Path,
    *,
    count: int,
    decide: Decide | None = None,
) -> Path:
    """Play the first failed episodes again and write `failures.html`, with a video of each.

    Args:
        loaded: The planner, which is moved to the CPU.
        evaluation: What came of it.
        folder: Where to write.
        count: Episodes to show, at most.
        decide: What chose among its plans, on the CPU; None: it was alone.
    """
    planner, about, env = loaded.planner.cpu(), loaded.about, loaded.env
    renderer = make_renderer(planner, env, None, size=SIZE, decide=decide)
    episodes: dict[int, RenderedEpisode] = {}
    for index, seed in enumerate(evaluation.failures[:count]):
        video = folder / f"failures-{index}.mp4"
        episodes[seed] = renderer.render(seed, video, FRAMES_PER_SECOND)
        if episodes[seed].trajectory.succeeded(env.success_at):
            logger.warning("seed %d failed when evaluated and succeeds when played alone", seed)
    page = folder / "failures.html"
    write_text_whole(page, failures_page(planner, about, env, evaluation, episodes))
    logger.info("written to %s", page)
    return page


def failures_page(
    planner: Policy,
    about: dict[str, Any],
    env: EnvConfig,
    evaluation: Evaluation,
    episodes: Mapping[int, RenderedEpisode],
) -> str:
    """Put the page together; `episodes` has the failed episodes by their seeds."""
    count = len(evaluation.failures)
    explanation = (
        f"Shown are the first {len(episodes)} of the {count} that failed, played again from their"
        " seeds. Alone, an episode may differ from the evaluated one in the rounding of matrix"
        " products, and where the task is sensitive, in its course."
    )
    introduction = f"{evaluation}. {explanation if count else 'No episode failed.'}"
    parts = [
        pages.paragraph(introduction),
        *(_failure_part(seed, env, episode) for seed, episode in episodes.items()),
        provenance_part(planner, about, env),
    ]
    return pages.page(f"{env.name}: where the planner failed", parts)


def _failure_part(seed: int, env: EnvConfig, episode: RenderedEpisode) -> pages.Html:
    """Show a failed episode; say it where it does not fail when played again."""
    part = episode_part(f"The episode of seed {seed}", env, episode)
    if not episode.trajectory.succeeded(env.success_at):
        return part
    differs = f"When evaluated it failed; played again it is a {verdict(episode.trajectory, env)}."
    return pages.together(part, pages.paragraph(differs))
