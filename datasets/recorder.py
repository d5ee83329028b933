"""Record an episode of the plain simulator, and render clouds from its states afterwards."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from datasets.episode import Episode, Provenance, Recording
from envs.config import EnvConfig
from envs.make import make_scene, make_simulator
from envs.rendering.scene import Scene
from envs.simulator import Outcome, Simulator
from perception.errors import InputError


def walk(
    simulator: Simulator,
    choose: Callable[[], Float[np.ndarray, " action"]],
    *,
    steps: int,
    provenance: Provenance,
    watch: Callable[[Float[np.ndarray, " action"], Outcome], None] | None = None,
) -> Recording:
    """Record an episode from where the simulator is to its end, at most so many steps.

    Args:
        simulator: Has been reset.
        choose: Gives the next action.
        steps: The longest that it lasts.
        provenance: Where the episode comes from.
        watch: Called with each action and its outcome, before the next action is chosen.
    """
    states, actions, rewards, successes, sim_states = [], [], [], [], []
    for _ in range(steps):
        states.append(simulator.robot_state())
        sim_states.append(simulator.scene_state())
        actions.append(choose())
        outcome = simulator.step(actions[-1])
        rewards.append(outcome.reward)
        successes.append(outcome.success)
        if watch is not None:
            watch(actions[-1], outcome)
        if outcome.terminated:
            break
    return Recording(
        np.array(states, np.float32),
        np.array(actions, np.float32),
        np.array(rewards, np.float32),
        np.array(successes, bool),
        np.array(sim_states, np.float64),
        provenance,
    )


def render(recording: Recording, scene: Scene, images: tuple[str, ...] = ()) -> Episode:
    """Render the cloud of every state, and the pictures asked for (`img`, `depth`)."""
    points = np.stack([scene.points(state) for state in recording.scenes])
    pictures: dict[str, list[np.ndarray]] = {name: [] for name in picture_names(scene, images)}
    for state in recording.scenes if pictures else ():
        scene.put(state)
        for camera in scene.view.cameras:
            for kind in images:
                take = scene.image if kind == "img" else scene.depth
                pictures[picture_name(scene, kind, camera)].append(take(camera))
    return Episode(recording, points, {name: np.stack(taken) for name, taken in pictures.items()})


def picture_names(scene: Scene, images: tuple[str, ...]) -> list[str]:
    """Name the arrays of the pictures asked for."""
    return [picture_name(scene, kind, camera) for kind in images for camera in scene.view.cameras]


def picture_name(scene: Scene, kind: str, camera: str) -> str:
    """Name one camera's pictures: as DP3 does for a single camera, else with the camera's name."""
    return kind if len(scene.view.cameras) == 1 else f"{kind}_{camera}"


def make_finish(
    env: EnvConfig, images: tuple[str, ...], simulator: Simulator | None = None
) -> Callable[[Recording], Episode | Recording]:
    """Prepare a process to draw recordings, or to leave them as they are where no cloud is wanted.

    Raises:
        InputError: Pictures are wanted, but no clouds (`env.view.points` is 0).
    """
    check_images(env, images)
    if draws_nothing(env):
        return lambda recording: recording
    return make_drawing(env, images, simulator)


def check_images(env: EnvConfig, images: tuple[str, ...]) -> None:
    """Refuse pictures where nothing is drawn, and clouds that no camera draws.

    Raises:
        InputError: Pictures are wanted, but no clouds (`env.view.points` is 0); or clouds, but by
            no camera.
    """
    if images and draws_nothing(env):
        raise InputError("With points=0 nothing is drawn: choose images=[]")
    if not env.view.cameras and not draws_nothing(env):
        there = ", ".join(env.cameras)
        raise InputError(
            f"cameras=[] draws nothing of {env.name}: choose cameras of the task"
            f"{f' (configured: {there})' if there else ''}, or points=0 to record states only"
        )


def draws_nothing(env: EnvConfig) -> bool:
    """Tell whether a task is recorded without clouds."""
    return env.view.points == 0


def make_drawing(
    env: EnvConfig, images: tuple[str, ...], simulator: Simulator | None = None
) -> Callable[[Recording], Episode]:
    """Prepare a process to draw recordings."""
    scene = make_scene(simulator or make_simulator(env), env)
    return lambda recording: render(recording, scene, images)
