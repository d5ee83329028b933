"""The interface of a task: it acts, rewards and remembers, and knows nothing of pictures."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import mujoco
import numpy as np
from jaxtyping import Float, UInt8

from envs.state import SCENE, StateLayout
from perception.errors import InputError


@dataclass(frozen=True)
class Outcome:
    """What one agent step brought.

    Attributes:
        reward: The task's reward, summed over repeated actions and scaled.
        success: Whether the goal is reached at this very step.
        terminated: Whether the task cannot go on (a dropped pen).
    """

    reward: float
    success: bool
    terminated: bool


ROLES = ("rest", "hand", "object", "goal")  # What a point of a cloud may lie on.
REST, HAND, OBJECT, GOAL = range(len(ROLES))


@dataclass(frozen=True)
class Roles:
    """What each part of a model is to its task, as an index into `ROLES`.

    Attributes:
        bodies: Of each body, for its geoms.
        sites: Of each site.
    """

    bodies: UInt8[np.ndarray, " body"]
    sites: UInt8[np.ndarray, " site"]


@dataclass(frozen=True)
class Places:
    """Where what matters to a task is, in world metres."""

    hand: Float[np.ndarray, "3"]
    object: Float[np.ndarray, "3"]
    goal: Float[np.ndarray, "3"]


@runtime_checkable
class Simulator(Protocol):
    """One task in its simulator. All randomness comes from the seed of a reset.

    Attributes:
        model: MuJoCo's model of the task.
        data: MuJoCo's state of it.
        model_path: The XML file that is drawn, or its text: what the model was compiled from.
        layout: Which numbers are its state.
        action_size: Numbers in an action.
        step_s: Simulated seconds of one simulator step: an agent step is `action_repeat` of them.
    """

    model: mujoco.MjModel
    data: mujoco.MjData
    model_path: str
    layout: StateLayout
    action_size: int
    step_s: float

    def reset(self, seed: int) -> None:
        """Start a new episode; the same seed gives the same episode, whatever came before."""

    def step(self, action: Float[np.ndarray, " action"]) -> Outcome:
        """Act for one agent step with an action in [-1, 1]; beyond, it counts as -1 or 1.

        Raises:
            InputError: The action has another shape, or a number that is not finite.
        """

    def robot_state(self) -> Float[np.ndarray, " reading"]:
        """The robot's own sensors, what a planner sees beside the cloud (float32)."""

    def hand(self) -> Float[np.ndarray, " 3"]:
        """Where the hand is, in world metres (float64), to draw its path."""

    def hand_path(
        self, hand: Float[np.ndarray, " 3"], actions: Float[np.ndarray, "planned action"]
    ) -> Float[np.ndarray, "corner 3"] | None:
        """Where planned actions lead the hand, from a place; None where actions do not say it."""

    def features(self) -> Float[np.ndarray, " feature"]:
        """The simulator's privileged state observation, for behaviours (float32)."""

    def scene_state(self) -> Float[np.ndarray, " scene"]:
        """All that a picture of this moment depends on (float64)."""

    def save_state(self) -> Float[np.ndarray, " number"]:
        """All that the rest of the episode depends on (float64)."""

    def restore_state(self, state: Float[np.ndarray, " number"]) -> None:
        """Go on from a saved state, bit for bit, also in another process."""


@runtime_checkable
class Scripted(Protocol):
    """A simulator whose task comes with a policy of its own."""

    def scripted_action(self) -> Float[np.ndarray, " action"]:
        """What that policy does now, in [-1, 1]."""


@runtime_checkable
class Watched(Protocol):
    """A simulator that says what of its scene is hand, object and goal; for cards and studies."""

    def roles(self) -> Roles:
        """What each body and site of the model is to the task."""

    def places(self) -> Places:
        """Where hand, object and goal are now."""


def check_action(action: object, size: int, when: str = "") -> Float[np.ndarray, " action"]:
    """Give an action as floating point numbers; what lies beyond -1 and 1 counts as -1 and 1.

    Args:
        action: What a policy gave.
        size: Numbers in an action of the task.
        when: Which one it is, for the message, e.g. ` of step 3`.

    Raises:
        InputError: It has another shape or no real numbers, or one is not finite: its dimension is
            named.
    """
    numbers = np.asarray(action)
    if numbers.dtype.kind not in "fiu":
        raise InputError(f"The action{when} must hold real numbers, not {numbers.dtype}")
    if numbers.shape != (size,):
        raise InputError(f"The action{when} must be of shape ({size},), not {numbers.shape}")
    bad = np.flatnonzero(~np.isfinite(numbers))
    if len(bad):
        raise InputError(
            f"The action{when} is {numbers[bad[0]]} in dimension {bad[0]}: the task takes finite"
            " numbers in [-1, 1]"
        )
    return numbers if numbers.dtype.kind == "f" else numbers.astype(np.float64)


def put(simulator: Simulator, scene: Float[np.ndarray, " scene"]) -> None:
    """Put a simulator into a recorded scene, as far as its `Places` depend on it; not to act on."""
    simulator.layout.write(simulator.model, simulator.data, SCENE, state=scene)
    mujoco.mj_kinematics(simulator.model, simulator.data)
