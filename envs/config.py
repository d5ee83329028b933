"""What a task is called, how an episode of it is counted, and how it is seen."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from configs.build import build, mapping
from configs.ranges import Corner, Pixels, Points, Positive, Real, Whole, above, between, require
from envs.success import SuccessAt

PLANNER_KEYS = ("history", "horizon", "chunk")  # Older files have them here.
OTHERS = ("adroit", "metaworld")  # Simulators with rules of success of their own.
GYMNASIUM_RULES = ("info", "return", "none")
FAMILIES = ("gymnasium", "robosuite")  # Keys of one family's tasks alone; null elsewhere.
YOUNGER = (("image", "flat"),)  # Keys of views that older files lack, and what was meant.


@dataclass(frozen=True)
class CameraConfig:
    """A camera of the scene: one that the model has (by name), moved, or a new one.

    Attributes:
        position: World position in metres; null keeps the model's own.
        quaternion: World orientation (w, x, y, z), MuJoCo's convention: looking along -z, y up;
            null keeps the model's own.
        fovy_deg: Vertical field of view; null keeps the model's own.
    """

    position: Corner | None
    quaternion: tuple[Real, Real, Real, Real] | None
    fovy_deg: Annotated[float, above(0, 179)] | None

    def __post_init__(self) -> None:
        turned = self.quaternion is None or any(self.quaternion)
        require(turned, f"@quaternion={self.quaternion} must not be all zeros")


@dataclass(frozen=True)
class ViewConfig:
    """How depth images become a cloud.

    Attributes:
        cameras: Names of the cameras to fuse: those under `cameras`, and the model's own.
        image_size: Width and height of the square image in pixels.
        points: Points in a cloud; with 0 nothing is drawn.
        crop_low: Lower corner of the box to keep, world frame, metres.
        crop_high: Upper corner.
        colour: Whether points carry red, green and blue.
        depth: Depth renderer: `zbuffer` (ours, no OpenGL) or `gl` (mujoco.Renderer).
        geometry: What lifts depth to points: `numba`, `open3d`, `numpy`, or `auto` (Numba).
        sampling: What samples the points: a back-end of `perception.sampling`.
        faces: What is drawn of meshes that are not closed: `both` sides of their faces, or the
            `front` alone, as MuJoCo's renderer does (rays then pass through the robot's arm).
        image: How pictures are drawn: `flat` (ours, no OpenGL: flat colours lit from the camera) or
            `gl` (mujoco.Renderer: lit and textured), both upright; `gl_turned`: as a camera that
            hangs upside down sees it, which stores of before the choice hold.
    """

    cameras: tuple[str, ...]
    image_size: Pixels
    points: Points
    crop_low: Corner
    crop_high: Corner
    colour: bool
    depth: Literal["zbuffer", "gl"]
    geometry: Literal["auto", "numba", "open3d", "numpy"]
    sampling: Literal["auto", "numba", "fpsample", "open3d", "pytorch3d", "torch"]
    faces: Literal["both", "front"] = "both"
    image: Literal["flat", "gl", "gl_turned"] = "flat"

    def __post_init__(self) -> None:
        low, high = list(self.crop_low), list(self.crop_high)
        inside = all(a < b for a, b in zip(low, high, strict=True))
        require(inside, f"@crop_low={low} must lie below @crop_high={high} along every axis")
        seen = bool(self.cameras) or self.points == 0
        require(seen, f"@cameras=[] must name one at least, or @points={self.points} be 0")


@dataclass(frozen=True)
class GymnasiumConfig:
    """What an environment of Gymnasium does not say of itself.

    Attributes:
        robot_state: Which entries of the observation are the robot's own, [first, end) each; null:
            all of them (goals are not among them).
        hand: The site or body that is its hand; null: the body at the end of the longest chain.
        success_return: The sum of rewards, not scaled, from which an episode succeeds by
            `success=return`.
    """

    robot_state: tuple[tuple[Whole, Whole], ...] | None = None
    hand: str | None = None
    success_return: Real | None = None


@dataclass(frozen=True)
class RobosuiteConfig:
    """What is to be chosen of robosuite's tasks.

    Attributes:
        reward_shaping: Whether reaching, grasping and lifting are rewarded, too, and not success
            alone.
    """

    reward_shaping: bool = False


@dataclass(frozen=True)
class EnvConfig:
    """One task, and how it is seen: decided when data is made, and kept with all that follows.

    Attributes:
        name: Its name everywhere: in commands, stores and results.
        simulator: A folder of `envs/`, as `adroit`, or `module:Class` from elsewhere.
        task: The simulator's name for it; an id of Gymnasium.
        episode_steps: Agent steps in an episode.
        action_repeat: Simulator steps per agent step.
        reward_scale: Factor on the reward.
        success: Which rule says that a step has reached the goal: `dp3` or `farama`; of Gymnasium's
            environments `info` (they say it themselves), `return` (a sum of rewards) or `none`; of
            robosuite's tasks `info`.
        success_at: Whether an episode succeeds when its last step has (`end`) or any has (`ever`).
        cameras: Cameras to add to the model, or to move, by name.
        view: How the task is seen.
        gymnasium: Of an environment of Gymnasium alone.
        robosuite: Of robosuite's tasks alone.
    """

    name: str
    simulator: str
    task: str
    episode_steps: Annotated[int, between(1, 100_000)]
    action_repeat: Annotated[int, between(1, 1000)]
    reward_scale: Positive
    success: Literal["dp3", "farama", "info", "return", "none"]
    success_at: SuccessAt
    cameras: dict[str, CameraConfig]
    view: ViewConfig
    gymnasium: GymnasiumConfig | None = None
    robosuite: RobosuiteConfig | None = None

    def __post_init__(self) -> None:
        rule = f"@success={self.success} is a rule of Gymnasium's environments"
        other = self.simulator in OTHERS
        require(not other or self.success not in GYMNASIUM_RULES, f"{rule}: give dp3 or farama")
        own = "@gymnasium has keys of Gymnasium's environments alone"
        require(
            not other or self.gymnasium is None, f"{own}: leave them out, or give env=gymnasium"
        )
        apart = self.robosuite is None or self.simulator == "robosuite"
        require(apart, "@robosuite has keys of robosuite's tasks alone: leave them out")


def read_env(values: Any) -> EnvConfig:  # noqa: ANN401 (a file says anything)
    """Build a task from the values of a store, checkpoint or run, also of an older one.

    Raises:
        InputError: A key is unknown, missing or of a wrong type; it is named.
    """
    return build(EnvConfig, upgrade_env(values), "env.")


def upgrade_env(values: Any) -> dict[str, Any]:  # noqa: ANN401 (a file says anything)
    """Say as today what an older file says of its task.

    History, horizon and chunk are the planner's now; a view that showed the simulator's state
    (`sees: state`) is one of no points; faces were drawn from the front alone. How pictures were
    drawn is known where they are kept: see `upgrade_identity` of stores.

    Raises:
        InputError: The values, or those of its view, are no group of keys.
    """
    today = {k: v for k, v in mapping(values, "env").items() if k not in PLANNER_KEYS}
    if "view" in today:
        view = dict(mapping(today["view"], "env.view"))
        if view.pop("sees", "points") == "state":
            view["points"] = 0
        today["view"] = {"image": "flat", **view, "faces": view.get("faces", "front")}
    return today


def for_digests(values: Mapping[str, Any]) -> dict[str, Any]:
    """Say a task as files of before the newest keys do, where those have their defaults.

    Digests of it are then what they were, and what was made before is known again.
    """
    view = {k: value for k, value in values["view"].items() if (k, value) not in YOUNGER}
    own = {k: value for k, value in values.items() if k not in FAMILIES or value is not None}
    return {**own, "view": view}


def with_view(
    env: EnvConfig, points: int | None, cameras: tuple[str, ...] | None, colour: bool | None
) -> EnvConfig:
    """Look at a task with other points, cameras or colour; None keeps its own."""
    wanted = {"points": points, "cameras": cameras, "colour": colour}
    changed: dict[str, Any] = {k: value for k, value in wanted.items() if value is not None}
    return replace(env, view=replace(env.view, **changed))
