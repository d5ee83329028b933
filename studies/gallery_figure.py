"""Pictures, depths and clouds of several tasks side by side."""

from collections.abc import Sequence

import numpy as np

from datasets.behaviours.behaviour import act
from datasets.behaviours.demonstrator import DemonstratorConfig, make_demonstrator
from envs.config import EnvConfig
from envs.make import make_scene, make_simulator
from perception.camera import project
from visualizer.plots import INK, draw_cloud, frame, new_figure, to_png
from visualizer.viewpoint import stand_back

PICTURE_PX, TILE_IN = (400, 300), 2.6
FRONT = "vil_camera"  # Adroit's own camera, from the front: better for people.


def gallery(envs: Sequence[EnvConfig], *, steps: int, seed: int) -> bytes:
    """Draw each task after some steps of its behaviour: one column a task, as PNG."""
    figure = new_figure(TILE_IN * len(envs), 0.8 * 3 * TILE_IN)
    tiles = figure.subplots(3, len(envs), squeeze=False)
    for column, env in zip(tiles.T, envs, strict=True):
        simulator = make_simulator(env)
        scene = make_scene(simulator, env)
        calm = DemonstratorConfig(None, noise=(0.0, 0.0), random_share=(0.0, 0.0))
        recording = act(simulator, make_demonstrator(calm, env, simulator), steps=steps, seed=seed)
        cloud = scene.points(recording.scenes[-1])
        camera = env.view.cameras[0]
        front = FRONT if env.simulator == "adroit" else camera
        turned = scene.camera(camera).world_from_camera[2, 1] > 0.1  # Meta-World's hangs.
        around = slice(None, None, -1 if turned else 1)
        column[0].imshow(scene.picture(front, PICTURE_PX)[around, around])
        depth_m = scene.depth(camera)[around, around]
        column[1].imshow(np.where(depth_m > 0, depth_m, np.nan), cmap="GnBu_r")
        view = stand_back(cloud, [scene.camera(camera)])
        draw_cloud(column[2], cloud, view)
        frame(column[2], project(cloud[:, :3].astype(np.float64), view.camera((300, 240)))[0])
        column[0].set_title(env.name, fontsize=10, color=INK)
        for tile in column[:2]:
            tile.set(xticks=[], yticks=[])
    told = ("picture", f"depth, {envs[0].view.image_size} px", f"{envs[0].view.points} points")
    for tile, label in zip(tiles[:, 0], told, strict=True):
        tile.set_ylabel(label, fontsize=10, color=INK)
    return to_png(figure)
