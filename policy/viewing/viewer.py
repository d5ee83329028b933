"""A planner to watch: seeded episodes as one HTML page, and an MP4 of each."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from configs.build import Inline
from envs.config import EnvConfig
from envs.make import make_scene
from envs.rendering.scene import Scene
from envs.request import EnvRequest
from envs.vector.chunked_env import ChunkedTask
from perception.errors import InputError
from policy.planner.planner import Planner, Sizes
from policy.rollouts.episode import draw, make_film, play, upright
from policy.rollouts.evaluation import evaluation_seeds
from policy.rollouts.loading import check_sizes, load_for, run_folder
from policy.viewing.rollout_page import Shown, rollout_page, verdict
from visualizer.video import write_video

logger = logging.getLogger(__name__)

BEST_CAMERA = "vil_camera"  # Adroit's own, from the front; its planners look from above.


@dataclass(frozen=True)
class ViewRolloutConfig:
    """What to watch; every key is explained in configs/scripts/view-rollout.yaml."""

    task: Annotated[EnvRequest, Inline()]
    checkpoint: Path
    out: Path | None
    seed: int
    episodes: int
    camera: str | None
    size: tuple[int, int]
    frames_per_second: float
    live: bool
    port: int


def view(config: ViewRolloutConfig) -> None:
    """Play the episodes of an evaluation's first seeds and write the videos and the page.

    Raises:
        InputError: The checkpoint is missing, or made for something else; there is no such camera.
    """
    if config.episodes < 1:
        raise InputError(f"episodes must be at least 1, not {config.episodes}")
    loaded = load_for(config.checkpoint, config.task)
    planner, about, env = loaded.planner, loaded.about, loaded.env
    studio = open_studio(planner, env, config.camera, size=config.size)
    page = config.out or run_folder(config.checkpoint) / "rollout.html"
    shown = []
    for index, seed in enumerate(evaluation_seeds(config.seed, config.episodes)):
        video = page.with_name(f"{page.stem}{f'-{index}' if config.episodes > 1 else ''}.mp4")
        shown.append(studio.record(seed, video, config.frames_per_second))
        told = verdict(shown[-1].played, env)
        logger.info("episode %d: %s, written to %s", index, told, video)
    page.write_text(rollout_page(planner, about, env, shown, seed=config.seed))
    logger.info("written to %s", page)


@dataclass(frozen=True)
class Studio:
    """Where a planner's episodes are played and filmed.

    Attributes:
        planner: Acts.
        env: Its task.
        task: The task, to play in.
        scene: The task as cameras see it.
        camera: Of the videos.
        size: Of the videos, (width, height) in pixels.
    """

    planner: Planner
    env: EnvConfig
    task: ChunkedTask
    scene: Scene
    camera: str
    size: tuple[int, int]

    def record(self, seed: int, video: Path, frames_per_second: float) -> Shown:
        """Play the episode of a seed, make its film and write its video."""
        played = play(self.planner, self.task, seed)
        pictures = draw(played, self.scene, self.camera, size=self.size)
        upright_pictures = upright(pictures, self.scene.camera(self.camera))
        write_video(upright_pictures, video, frames_per_second)
        return Shown(played, make_film(played, self.scene, self.env, frames_per_second), video)


def open_studio(
    planner: Planner, env: EnvConfig, camera: str | None, *, size: tuple[int, int]
) -> Studio:
    """Make a studio; the camera may be left to it.

    Raises:
        InputError: The planner is not one for such clouds; there is no such camera.
    """
    task = open_task(planner, env)
    scene = make_scene(task.simulator, env)
    return Studio(planner, env, task, scene, choose_camera(scene, camera), size)


def open_task(planner: Planner, env: EnvConfig) -> ChunkedTask:
    """Make the task that a planner is to play.

    Raises:
        InputError: The planner was made for clouds or robots of another kind.
    """
    task = ChunkedTask(env, planner.config.history, planner.observes)
    look = task.reset(0)
    sizes = Sizes(look.points.shape[-1], look.robot_state.shape[-1], task.simulator.action_size)
    check_sizes(planner, sizes, env)
    return task


def choose_camera(scene: Scene, wanted: str | None) -> str:
    """Choose the camera of the video.

    Raises:
        InputError: The model has no camera of the wanted name.
    """
    known = [scene.model.camera(index).name for index in range(scene.model.ncam)]
    if wanted is None:
        return BEST_CAMERA if BEST_CAMERA in known else scene.view.cameras[0]
    if wanted not in known:
        raise InputError(f"There is no camera {wanted!r}; choose one of {', '.join(known)}")
    return wanted
