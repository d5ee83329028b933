"""What a trajectory looks like: pictures of every frame, planned paths, and the film of both."""

import numpy as np
from jaxtyping import Float, UInt8

from envs.rendering.scene import Scene
from envs.simulator import Simulator
from policy.rollouts.trajectory import Trajectory
from visualizer.player import Film


def make_film(
    trajectory: Trajectory, scene: Scene, simulator: Simulator, *, frames_per_second: float
) -> Film:
    """Put together what the planner saw, from where, and where it meant to go."""
    scene.put(trajectory.scene_states[0])
    cameras = {name: scene.camera(name) for name in scene.view.cameras}
    size = (scene.view.image_size, scene.view.image_size)
    return Film(
        trajectory.points,
        cameras,
        frames_per_second,
        pictures={name: render_frames(trajectory, scene, name, size=size) for name in cameras},
        paths=planned_paths(trajectory, simulator),
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


def planned_paths(
    trajectory: Trajectory, simulator: Simulator
) -> list[Float[np.ndarray, "corner 3"]]:
    """Give the planned path of the hand at each frame; none where actions do not say places."""
    starts = [plan.step for plan in trajectory.plans]
    ends = [*starts[1:], len(trajectory.points)]
    paths = []
    for plan, start, end in zip(trajectory.plans, starts, ends, strict=True):
        path = simulator.hand_path(trajectory.hands[start], plan.actions)
        paths += [] if path is None else [path] * (end - start)
    return paths
