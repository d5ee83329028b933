"""A planner to watch: seeded episodes as one HTML page, and an MP4 of each."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from configs.build import Inline
from configs.files import write_text_whole
from configs.ranges import Count, EvenPixels, FramesPerSecond, Port, Seed
from envs.config import EnvConfig
from envs.make import make_scene
from envs.rendering.scene import Scene
from envs.request import EnvRequest
from perception.camera import upright
from perception.errors import InputError
from policy.planner.planner import Planner
from policy.rollouts.evaluation import evaluation_seeds
from policy.rollouts.loading import load_for
from policy.rollouts.trajectory import RecordedEnv, make_recorded_env, play
from policy.runs.run import run_folder
from policy.viewing.film import make_film, render_frames
from policy.viewing.rollout_page import RenderedEpisode, rollout_page, verdict
from visualizer.video import write_video

logger = logging.getLogger(__name__)

BEST_CAMERA = "vil_camera"  # Adroit's own, from the front; its planners look from above.


@dataclass(frozen=True)
class ViewRolloutConfig:
    """What to watch; every key is explained in configs/scripts/view-rollout.yaml."""

    task: Annotated[EnvRequest, Inline()]
    checkpoint: Path
    out: Path | None
    seed: Seed
    episodes: Count
    camera: str | None
    size: tuple[EvenPixels, EvenPixels]
    frames_per_second: FramesPerSecond
    live: bool
    port: Port


def view(config: ViewRolloutConfig) -> None:
    """Play the episodes of an evaluation's first seeds and write the videos and the page.

    Raises:
        InputError: The checkpoint is missing, or made for something else; there is no such camera.
    """
    loaded = load_for(config.checkpoint, config.task)
    planner, about, env = loaded.planner, loaded.about, loaded.env
    renderer = make_renderer(planner, env, config.camera, size=config.size)
    page = config.out or run_folder(config.checkpoint) / "rollout.html"
    episodes = []
    for index, seed in enumerate(evaluation_seeds(config.seed, config.episodes)):
        video = page.with_name(f"{page.stem}{f'-{index}' if config.episodes > 1 else ''}.mp4")
        episodes.append(renderer.render(seed, video, config.frames_per_second))
        outcome = verdict(episodes[-1].trajectory, env)
        logger.info("episode %d: %s, written to %s", index, outcome, video)
    write_text_whole(page, rollout_page(planner, about, env, episodes, seed=config.seed))
    logger.info("written to %s", page)


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
    """

    planner: Planner
    env: EnvConfig
    world: RecordedEnv
    scene: Scene
    camera: str
    size: tuple[int, int]

    def render(self, seed: int, video: Path, frames_per_second: float) -> RenderedEpisode:
        """Play the episode of a seed, make its film and write its video."""
        trajectory = play(self.planner, self.world, seed)
        pictures = render_frames(trajectory, self.scene, self.camera, size=self.size)
        upright_pictures = upright(pictures, self.scene.camera(self.camera))
        write_video(upright_pictures, video, frames_per_second)
        simulator = self.world.task.simulator
        film = make_film(trajectory, self.scene, simulator, frames_per_second=frames_per_second)
        return RenderedEpisode(trajectory, film, video, self.planner.observes)


def make_renderer(
    planner: Planner, env: EnvConfig, camera: str | None, *, size: tuple[int, int]
) -> EpisodeRenderer:
    """Make what plays and renders a planner's episodes; None chooses the camera.

    Raises:
        InputError: The planner is not one for such clouds; there is no such camera.
    """
    world = make_recorded_env(env, planner)
    scene = make_scene(world.task.simulator, env)
    return EpisodeRenderer(planner, env, world, scene, choose_camera(scene, camera), size)


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
