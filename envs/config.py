"""What a task is called, how an episode of it is counted, and how it is seen."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal


@dataclass(frozen=True)
class CameraConfig:
    """A camera of the scene: one that the model has (by name), moved, or a new one.

    Attributes:
        position: World position in metres; null keeps the model's own.
        quaternion: World orientation (w, x, y, z), MuJoCo's convention: looking along -z, y up;
            null keeps the model's own.
        fovy_deg: Vertical field of view; null keeps the model's own.
    """

    position: tuple[float, float, float] | None
    quaternion: tuple[float, float, float, float] | None
    fovy_deg: float | None


@dataclass(frozen=True)
class ViewConfig:
    """How depth images become a cloud.

    Attributes:
        cameras: Names of the cameras to fuse: those under `cameras`, and the model's own.
        image_size: Width and height of the square image in pixels.
        points: Points in a cloud.
        crop_low: Lower corner of the box to keep, world frame, metres.
        crop_high: Upper corner.
        colour: Whether points carry red, green and blue.
        depth: Who draws: `zbuffer` (ours, no OpenGL) or `gl` (mujoco.Renderer).
        geometry: Who lifts depth to points: `open3d`, `numpy`, or `auto`.
        sampling: Who samples: a back-end of `perception.sampling`.
        sees: What a planner is shown: `points` (the cloud and the robot's state), or `state`
            (the simulator's own features; nothing is drawn).
    """

    cameras: tuple[str, ...]
    image_size: int
    points: int
    crop_low: tuple[float, float, float]
    crop_high: tuple[float, float, float]
    colour: bool
    depth: Literal["zbuffer", "gl"]
    geometry: Literal["auto", "open3d", "numpy"]
    sampling: Literal["auto", "numba", "fpsample", "open3d", "pytorch3d", "torch"]
    sees: Literal["points", "state"] = "points"  # Older files do not say it.


@dataclass(frozen=True)
class EnvConfig:
    """One task.

    Attributes:
        name: Its name everywhere: in commands, stores and results.
        simulator: `adroit` or `metaworld`.
        task: The simulator's name for it.
        episode_steps: Agent steps in an episode.
        action_repeat: Simulator steps per agent step.
        reward_scale: Factor on the reward.
        success: Which rule tells that a step has reached the goal: `dp3` or `farama`.
        success_at: Whether an episode succeeds when its last step has (`end`) or any has (`ever`).
        history: Observations that a planner of this task sees, T_o.
        horizon: Actions that it plans, T_p.
        chunk: Actions that it executes before it plans again, T_a.
        cameras: Cameras to add to the model, or to move, by name.
        view: How the task is seen.
    """

    name: str
    simulator: Literal["adroit", "metaworld"]
    task: str
    episode_steps: int
    action_repeat: int
    reward_scale: float
    success: Literal["dp3", "farama"]
    success_at: Literal["end", "ever"]
    history: int
    horizon: int
    chunk: int
    cameras: dict[str, CameraConfig]
    view: ViewConfig


def seen(
    env: EnvConfig, points: int | None, cameras: tuple[str, ...] | None, colour: bool | None
) -> EnvConfig:
    """Look at a task with other points, cameras or colour; None keeps its own."""
    view = env.view
    view = replace(view, points=view.points if points is None else points)
    view = replace(view, cameras=view.cameras if cameras is None else cameras)
    return replace(env, view=replace(view, colour=view.colour if colour is None else colour))


def written(env: EnvConfig) -> dict[str, Any]:
    """Give a task's values as files keep them.

    `view.sees` is named only where it is not `points`: stores and runs from before there was a
    choice then still agree with today's.
    """
    values = asdict(env)
    if env.view.sees == "points":
        del values["view"]["sees"]
    return values
