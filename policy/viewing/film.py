"""What a trajectory looks like: pictures of every frame, planned paths, and the film of both."""

import numpy as np
from jaxtyping import Float, UInt8

from envs.config import EnvConfig
from envs.rendering.scene import Scene
from perception.camera import Pinhole
from policy.rollouts.trajectory import Trajectory
from visualizer.player import Film

METAWORLD_STEP_M = 0.01  # An action of 1 moves Meta-World's hand by a centimetre.


def make_film(
    trajectory: Trajectory, scene: Scene, env: EnvConfig, frames_per_second: float
) -> Film:
    """Put together what the planner saw, from where, and where it meant to go."""
    scene.put(trajectory.scene_states[0])
    cameras = {name: scene.camera(name) for name in env.view.cameras}
    size = (env.view.image_size, env.view.image_size)
    return Film(
        trajectory.points,
        cameras,
        frames_per_second,
        pictures={name: render_frames(trajectory, scene, name, size=size) for name in cameras},
        paths=planned_paths(trajectory, env),
    )


def render_frames(
    trajectory: Trajectory, scene: Scene, camera: str, *, size: tuple[int, int]
) -> UInt8[np.ndarray, "frame height width 3"]:
    """Render every frame as a camera sees it; `size` is (width, height)."""
    pictures = []
    for state in trajectory.scene_states:
        scene.put(state)
        pictures.append(scene.picture(camera, size))
    return np.stack(pictures)


def upright(
    pictures: UInt8[np.ndarray, "frame height width 3"], camera: Pinhole
) -> UInt8[np.ndarray, "frame height width 3"]:
    """Turn the pictures of a camera that hangs upside down (Meta-World's do) by half a turn."""
    hangs = camera.world_from_camera[2, 1] > 0.1  # Its downward axis points up in the world.
    return pictures[:, ::-1, ::-1] if hangs else pictures


def planned_paths(trajectory: Trajectory, env: EnvConfig) -> list[Float[np.ndarray, "corner 3"]]:
    """Give the planned path of the hand at each frame; nothing where actions are joint targets."""
    if env.simulator != "metaworld":
        return []
    starts = [plan.step for plan in trajectory.plans]
    ends = [*starts[1:], len(trajectory.points)]
    paths = []
    for plan, start, end in zip(trajectory.plans, starts, ends, strict=True):
        hand = trajectory.robot_states[start, :3]
        paths += [planned_path(hand, plan.actions, env.action_repeat)] * (end - start)
    return paths


def planned_path(
    hand: Float[np.ndarray, " 3"], actions: Float[np.ndarray, "planned 4"], action_repeat: int
) -> Float[np.ndarray, "corner 3"]:
    """Follow Meta-World's actions through space: displacements of the hand, from where it is.

    The hand lags behind its target, so this is where it is meant to go, in world metres.
    """
    moves_m = actions[:, :3].astype(np.float64) * (METAWORLD_STEP_M * action_repeat)
    return np.concatenate([hand[None], hand + np.cumsum(moves_m, axis=0)])
