"""A planner to watch: seeded episodes as one HTML page, and an MP4 of each."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from configs.build import Inline
from configs.files import write_text_whole
from configs.ranges import Count, EvenPixels, FramesPerSecond, Port, Seed
from datasets.store.store import EpisodeStore
from envs.config import EnvConfig
from envs.rendering.action_names import action_names
from envs.rendering.scene import Scene
from envs.request import EnvRequest
from perception.camera import upright
from perception.errors import InputError
from policy.planner.checkpoint import load_policy
from policy.planner.decision import Decide
from policy.planner.policy import Policy
from policy.rollouts.evaluation import evaluation_seeds
from policy.rollouts.loading import task_or_none
from policy.rollouts.trajectory import RecordedEnv, make_recorded_env, play
from policy.runs.newest import given_or_newest
from policy.runs.run import find_checkpoint, read_config, run_folder, stops
from policy.viewing.film import make_film, render_frames
from policy.viewing.recorded_page import recorded_parts
from policy.viewing.rollout_page import RenderedEpisode, rollout_page, verdict
from visualizer import pages
from visualizer.video import NoFfmpegError, write_video

logger = logging.getLogger(__name__)

BEST_CAMERA = "vil_camera"  # Adroit's own, from the front; its planners look from above.


@dataclass(frozen=True)
class ViewRolloutConfig:
    """What to watch; every key is explained in configs/scripts/views/rollout.yaml."""

    task: Annotated[EnvRequest, Inline()]
    checkpoint: Path | None
    beside: Path | None
    out: Path | None
    seed: Seed
    episodes: Count
    camera: str | None
    size: tuple[EvenPixels, EvenPixels]
    frames_per_second: FramesPerSecond
    live: bool
    port: Port


@stops("while drawing")
def view(config: ViewRolloutConfig) -> None:
    """Play the episodes of an evaluation's first seeds and write the videos and the page.

    Raises:
        InputError: The checkpoint is missing, or made for something else; there is no such camera.
    """
    checkpoint = given_or_newest(config.checkpoint)
    planner, about = load_policy(find_checkpoint(checkpoint))
    env = task_or_none(about, find_checkpoint(checkpoint), config.task)
    page = config.out or run_folder(checkpoint) / "rollout.html"
    if env is None:
        _view_recorded(config, planner, about, run_folder(checkpoint), page)
        return
    planner.task = env.name
    renderer = make_renderer(planner, env, config.camera, size=config.size)
    episodes = []
    for index, seed in enumerate(evaluation_seeds(config.seed, config.episodes)):
        video = page.with_name(f"{page.stem}{f'-{index}' if config.episodes > 1 else ''}.mp4")
        episodes.append(renderer.render(seed, video, config.frames_per_second))
        outcome = verdict(episodes[-1].trajectory, env)
        place = f", written to {video}" if video.exists() else ""
        logger.info("episode %d: %s%s", index, outcome, place)
    write_text_whole(page, rollout_page(planner, about, env, episodes, seed=config.seed))
    logger.info("written to %s", page)


def _view_recorded(
    config: ViewRolloutConfig, planner: Policy, about: dict[str, Any], run: Path, page: Path
) -> None:
    """Show a planner without a simulator beside the data of its run.

    Raises:
        InputError: The data are not there any more.
    """
    stores = [Path(path) for path in (read_config(run) or {}).get("stores", {})]
    there = [path for path in stores if path.exists()]
    if not there:
        raise InputError(
            f"There is no simulator for task {about['task']}, and the data of {run} are not there"
            f" ({', '.join(map(str, stores)) or 'none are named'}): bring them back, or name a task"
            " of the same robot by env="
        )
    store = EpisodeStore.open(there[0])
    parts = recorded_parts(
        planner, store, episodes=config.episodes, frames_per_second=config.frames_per_second
    )
    words = f"There is no simulator for {about['task']}: the planner beside what was recorded."
    title = f"{about['task']}: the planner beside its data"
    write_text_whole(page, pages.page(title, [pages.paragraph(words), *parts]))
    logger.info("no simulator for task %s: shown beside its data, %s", about["task"], page)


@dataclass(frozen=True)
class EpisodeRenderer:
    """Plays a planner's episodes and renders them.

    Attributes:
        planner: Acts.
        env: Its task.
        world: Where it acts.
        scene: The task as cameras see it.
        camera: Of the videos.
        size: Of the videos, (width, height) in pixels.
        decide: Chooses among the planner's plans; None: it is alone.
    """

    planner: Policy
    env: EnvConfig
    world: RecordedEnv
    scene: Scene
    camera: str
    size: tuple[int, int]
    decide: Decide | None = None

    def render(self, seed: int, video: Path, frames_per_second: float) -> RenderedEpisode:
        """Play the episode of a seed, make its film and write its video."""
        trajectory = play(self.planner, self.world, seed, self.decide)
        pictures = render_frames(trajectory, self.scene, self.camera, size=self.size)
        upright_pictures = upright(pictures, self.scene.camera(self.camera))
        try:
            write_video(upright_pictures, video, frames_per_second)
        except NoFfmpegError as error:  # All else is shown without one.
            video.unlink(missing_ok=True)
            logger.warning("%s", error)
        simulator = self.world.task.simulator
        film = make_film(trajectory, self.scene, simulator, frames_per_second=frames_per_second)
        names = action_names(simulator)
        return RenderedEpisode(trajectory, film, video, self.planner.observes, names)


def make_renderer(
    planner: Policy,
    env: EnvConfig,
    camera: str | None,
    *,
    size: tuple[int, int],
    decide: Decide | None = None,
) -> EpisodeRenderer:
    """Make what plays and renders a planner's episodes; None chooses the camera.

    Raises:
        InputError: The planner is not one for such clouds; there is no such camera.
    """
    world = make_recorded_env(env, planner)
    scene = world.task.scenes.show(world.task.simulator)  # With points, if only for people.
    chosen = choose_camera(scene, camera)
    return EpisodeRenderer(planner, env, world, scene, chosen, size, decide)


def choose_camera(scene: Scene, wanted: str | None) -> str:
    """Choose the camera of the video.

    Raises:
        InputError: The model has no camera of the wanted name.
    """
    names = [scene.model.camera(index).name for index in range(scene.model.ncam)]
    if wanted is None:
        return BEST_CAMERA if BEST_CAMERA in names else scene.view.cameras[0]
    if wanted not in names:
        raise InputError(f"There is no camera {wanted!r}; choose one of {', '.join(names)}")
    return wanted
