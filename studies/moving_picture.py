"""Film the same episodes of several planners side by side: camera picture above, cloud below.

    python policy/record.py checkpoint=outputs/demo/checkpoints/pretrain.safetensors \
        episodes=4 seed=100 out=data/before.zarr
    python policy/record.py checkpoint=outputs/demo/checkpoints/finetune.safetensors \
        episodes=4 seed=100 out=data/after.zarr
    python -m studies.moving_picture stores=[data/before.zarr,data/after.zarr]

Clouds are the recorded ones, which the planner acted on; pictures are drawn from the recorded
states, without OpenGL. Every episode asked for is shown, in order, with how it ended.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import imageio.v3 as imageio
import numpy as np
from jaxtyping import Float, UInt8

from configs.command import script
from configs.ranges import Count, Filled, FramesPerSecond, Pixels, Stores, Whole
from datasets.cards.card import outcomes
from datasets.store.store import EpisodeStore
from envs.config import EnvConfig
from envs.make import make_scene, make_simulator
from envs.rendering.scene import Scene
from perception.camera import project
from perception.errors import InputError
from visualizer.plots import DPI, FAILURE, SUCCESS, TILE_PX, draw_cloud, frame, new_figure
from visualizer.viewpoint import Viewpoint, stand_back

logger = logging.getLogger(__name__)

TITLE_PX = 26
QUALITY = 45  # Of 100, for WebP.
LAST_SHOWN = 8  # How often an episode's last frame is repeated, to be seen.


@dataclass(frozen=True)
class MovingPictureConfig:
    """What to film; every key is explained in configs/scripts/studies/moving-picture.yaml."""

    env: EnvConfig
    stores: Stores
    titles: tuple[str, ...]
    episodes: Annotated[tuple[Whole, ...], Filled()]
    camera: str
    size: tuple[Pixels, Pixels]
    every: Count
    frames_per_second: FramesPerSecond
    out: Path


@dataclass(frozen=True)
class Shot:
    """Every few steps of one episode, and how it ended."""

    title: str
    success: bool
    clouds: Float[np.ndarray, "frame point axis"]
    pictures: UInt8[np.ndarray, "frame height width 3"]


@script("studies/moving-picture", MovingPictureConfig)
def main(config: MovingPictureConfig) -> None:
    """Draw every frame and write the film."""
    stores = [EpisodeStore.open(path) for path in config.stores]
    for store in stores:
        require_equal_starts(store, stores[0], config.episodes)
    scene = make_scene(make_simulator(config.env), config.env)
    frames: list[UInt8[np.ndarray, "height width 3"]] = []
    for episode in config.episodes:
        shots = [
            shoot(store, episode, title, scene, config)
            for store, title in zip(stores, config.titles, strict=True)
        ]
        frames += join(shots, scene, config)
    config.out.parent.mkdir(parents=True, exist_ok=True)
    duration_ms = round(1000 / config.frames_per_second)
    imageio.imwrite(config.out, np.stack(frames), duration=duration_ms, loop=0, quality=QUALITY)
    logger.info("written to %s (%.1f MB)", config.out, config.out.stat().st_size / 1e6)


def require_equal_starts(store: EpisodeStore, other: EpisodeStore, episodes: Sequence[int]) -> None:
    """Refuse to set episodes side by side that did not begin alike.

    Raises:
        InputError: An episode is missing, or its seed is another one in the other store.
    """
    if max(episodes) >= min(store.episodes, other.episodes):
        raise InputError(f"{store.path} or {other.path} has no episode {max(episodes)}")
    chosen = list(episodes)
    if (store.read("meta/seed")[chosen] != other.read("meta/seed")[chosen]).any():
        raise InputError(f"The episodes of {store.path} and {other.path} have different seeds")


def shoot(
    store: EpisodeStore, episode: int, title: str, scene: Scene, config: MovingPictureConfig
) -> Shot:
    """Read an episode's clouds, and draw what a camera sees of its recorded states."""
    recorded = store.rows(episode)
    rows = slice(recorded.start, recorded.stop, 1)
    states = store.read("sim_state", rows)[:: config.every]
    pictures = []
    for state in states:
        scene.put(state)
        pictures.append(scene.picture(config.camera, config.size))
    success = bool(outcomes(store).successes[episode])
    verdict = "succeeds" if success else "fails"
    clouds = store.read("point_cloud", rows)[:: config.every]
    return Shot(f"{title}, episode {episode}: {verdict}", success, clouds, np.stack(pictures))


def join(
    shots: Sequence[Shot], scene: Scene, config: MovingPictureConfig
) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """Draw shots side by side; one that is over stands still until the longest is."""
    cameras = [scene.camera(name) for name in config.env.view.cameras]
    view = stand_back(np.concatenate([shot.clouds[..., :3] for shot in shots]), cameras)
    longest = max(len(shot.clouds) for shot in shots)
    for time in range(longest + LAST_SHOWN):
        yield draw(shots, time, view, config.size)


def draw(
    shots: Sequence[Shot], time: int, view: Viewpoint, size: tuple[int, int]
) -> UInt8[np.ndarray, "height width 3"]:
    """Draw one frame: a column a shot, its picture above its cloud; `size` is of each."""
    width, height = size[0] * len(shots), 2 * size[1] + TITLE_PX
    figure = new_figure(width / DPI, height / DPI, constrained=False)
    tiles = figure.subplots(2, len(shots), squeeze=False)
    figure.subplots_adjust(0, 0, 1, 1 - TITLE_PX / height, 0, 0)
    for (upper, lower), shot in zip(tiles.T, shots, strict=True):
        now = min(time, len(shot.clouds) - 1)
        upper.imshow(shot.pictures[now])
        upper.set_axis_off()
        everything = shot.clouds[..., :3].reshape(-1, 3).astype(np.float64)
        draw_cloud(lower, shot.clouds[now], view)
        frame(lower, project(everything, view.camera(TILE_PX))[0])
        upper.set_title(shot.title, fontsize=10, color=SUCCESS if shot.success else FAILURE)
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()


if __name__ == "__main__":
    main()
