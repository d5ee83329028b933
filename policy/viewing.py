"""A planner to watch: seeded episodes as one HTML page, and an MP4 of each."""

import logging
from dataclasses import dataclass
from pathlib import Path

from datasets.video import write_video
from envs.chunked import ChunkedTask
from envs.make import make_scene
from envs.scene import Scene
from envs.spec import EnvConfig
from perception.errors import InputError
from policy.checkpoint import load_planner
from policy.evaluation import evaluation_seeds
from policy.judging import check_task, run_folder
from policy.planner import Planner, Sizes
from policy.playing import draw, make_film, play, upright
from policy.rollout_page import rollout_page, verdict

logger = logging.getLogger(__name__)

BEST_CAMERA = "vil_camera"  # Adroit's own, from the front; its planners look from above.


@dataclass(frozen=True)
class ViewRolloutConfig:
    """What to watch; every key is explained in configs/view-rollout.yaml."""

    env: EnvConfig
    checkpoint: Path
    out: Path | None
    seed: int
    episodes: int
    camera: str | None
    size: tuple[int, int]
    frames_per_second: float


def view(config: ViewRolloutConfig) -> None:
    """Play the episodes of an evaluation's first seeds and write the videos and the page.

    Raises:
        InputError: The checkpoint is missing, or made for something else; there is no such camera.
    """
    if config.episodes < 1:
        raise InputError(f"episodes must be at least 1, not {config.episodes}")
    planner, about = load_planner(config.checkpoint)
    check_task(about["task"], config.env.name, str(config.checkpoint))
    task = ChunkedTask(config.env, planner.config.history)
    check_sizes(planner, task, config.env)
    scene = make_scene(task.simulator, config.env)
    camera = choose_camera(scene, config.camera)
    page = config.out or run_folder(config.checkpoint) / "rollout.html"
    shown = []
    for index, seed in enumerate(evaluation_seeds(config.seed, config.episodes)):
        played = play(planner, task, seed)
        pictures = upright(draw(played, scene, camera, size=config.size), scene.camera(camera))
        video = page.with_name(f"{page.stem}{f'-{index}' if config.episodes > 1 else ''}.mp4")
        write_video(pictures, video, config.frames_per_second)
        shown.append(
            (played, make_film(played, scene, config.env, config.frames_per_second), video)
        )
        logger.info("episode %d: %s, written to %s", index, verdict(played, config.env), video)
    page.write_text(rollout_page(planner, about, config.env, shown, seed=config.seed))
    logger.info("written to %s", page)


def check_sizes(planner: Planner, task: ChunkedTask, env: EnvConfig) -> None:
    """Refuse a planner that was made for clouds or robots of another kind.

    Raises:
        InputError: It was.
    """
    look = task.reset(0)
    sizes = Sizes(look.points.shape[-1], look.state.shape[-1], task.simulator.action_size)
    if sizes != planner.sizes:
        raise InputError(f"The planner was made for {planner.sizes}; {env.name} has {sizes}")


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
