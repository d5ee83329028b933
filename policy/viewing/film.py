"""What a trajectory looks like: pictures of every frame, planned paths, and the film of both."""

import numpy as np
from jaxtyping import Float, UInt8

from envs.rendering.scene import Scene
from envs.simulator import Simulator, Watched, put
from policy.rollouts.trajectory import Trajectory
from visualizer.film import Film, LiesOn

MARKED = ("object", "goal")  # Of `Places`: the hand is seen well enough.
NAMES = ("the rest", "hand", "object", "goal")  # What ROLES are called in a legend.
MOVED_M = 1e-4


def make_film(
    trajectory: Trajectory, scene: Scene, simulator: Simulator, *, frames_per_second: float
) -> Film:
    """Put together what the planner saw, from where, and where it meant to go.

    Where the simulator says what is hand, object and goal, points carry it, and object and goal are
    marked. It is left in the last of the trajectory's scenes, and must be reset to act again.
    """
    states, names = trajectory.scene_states, scene.view.cameras
    scene.put(states[0])
    cameras = {name: scene.camera(name) for name in names}
    size = (scene.view.image_size, scene.view.image_size)
    still = [name for name in names if _stands_still(trajectory, scene, name)]
    successes = trajectory.successes.astype(np.float32)
    return Film(
        trajectory.points,
        cameras,
        frames_per_second,
        pictures={name: render_frames(trajectory, scene, name, size=size) for name in names},
        paths=planned_paths(trajectory, simulator),
        numbers={"reward": trajectory.rewards.astype(np.float32), "goal reached": successes},
        depths_m={name: render_depths(trajectory, scene, name) for name in still},
        marks=places_in(states, simulator),
        lies_on=what_points_lie_on(trajectory, scene, simulator),
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


def render_depths(
    trajectory: Trajectory, scene: Scene, camera: str
) -> Float[np.ndarray, "frame height width"]:
    """Take the depth image of every frame, in metres; 0 where nothing was hit."""
    depths_m = []
    for state in trajectory.scene_states:
        scene.put(state)
        depths_m.append(scene.depth(camera))
    return np.stack(depths_m)


def _stands_still(trajectory: Trajectory, scene: Scene, camera: str) -> bool:
    """Tell whether a camera stays where it is from the first frame to the last."""
    poses = []
    for state in trajectory.scene_states[[0, len(trajectory.scene_states) // 2, -1]]:
        scene.put(state)
        poses.append(scene.camera(camera).world_from_camera)
    return bool(np.ptp(poses, axis=0).max() < MOVED_M)


def what_points_lie_on(trajectory: Trajectory, scene: Scene, simulator: Simulator) -> LiesOn | None:
    """Say what each point lies on; None where the simulator does not tell hand from object."""
    if not isinstance(simulator, Watched):
        return None
    put(simulator, trajectory.scene_states[0])
    roles = simulator.roles()
    return LiesOn(NAMES, np.stack([scene.roles(s, roles) for s in trajectory.scene_states]))


def places_in(
    scene_states: Float[np.ndarray, "frame scene"], simulator: Simulator
) -> dict[str, Float[np.ndarray, "frame 3"]]:
    """Give where object and goal are in scenes; nothing where the simulator does not say it.

    It is left in the last scene, and must be reset or restored to act again.
    """
    if not isinstance(simulator, Watched):
        return {}
    places = []
    for state in scene_states:
        put(simulator, state)
        places.append(simulator.places())
    return {name: np.stack([getattr(place, name) for place in places]) for name in MARKED}


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
