"""A script for robosuite's tasks: grasp from above, lift, bring over its place, let go.

It has no memory: what it does follows from where everything is at the moment.
"""

from dataclasses import dataclass

import mujoco
import numpy as np
from jaxtyping import Float

Vector = Float[np.ndarray, " 3"]

MOVE_M, TURN_RAD = 0.03, 0.3  # An action of 1 is for what is as far away.
ABOVE_M = 0.08  # Height over the object from which the open hand comes down.
NEAR_M, THERE_M, HELD_M = 0.015, 0.01, 0.03
ALIGNED_RAD = 0.15
CLOSING = 2.5  # How much farther off the hand may be once its fingers close.
WIDE_M = 0.07  # Opening of fingers that have let go.
CLOSE, OPEN = 1.0, -1.0
DOWN, STAY = np.array([0.0, 0.0, -1.0]), np.zeros(3)


@dataclass(frozen=True)
class Handling:
    """How a task's object is handled; angles in radians.

    Attributes:
        width_m: Opening of the fingers below which they hold it.
        grip_m: Height over where it is held at which the hand holds it.
        turns: The angle after which a grasp of it is the same again; None: it is round.
        fits: The angle after which it fits its place again; None: it always does.
        near_m: How near its place, seen from above, it may be let go.
        over_m: Height over its place at which it is brought there.
        release_m: Height over its place below which it is let go; None: it is kept.
    """

    width_m: float
    grip_m: float
    turns: float | None
    fits: float | None
    near_m: float
    over_m: float
    release_m: float | None


@dataclass(frozen=True)
class Moment:
    """Where everything is; world frame, metres.

    Attributes:
        hand: The middle between the fingers' ends.
        hand_axes: The hand's axes as columns: the fingers open along y, z points to their ends.
        opening_m: Between the fingers.
        grasp: Where the object is to be held.
        object: Where it is.
        object_axes: Its axes as columns: fingers close on it along y.
        place: Where it shall go.
    """

    hand: Vector
    hand_axes: Float[np.ndarray, "3 3"]
    opening_m: float
    grasp: Vector
    object: Vector
    object_axes: Float[np.ndarray, "3 3"]
    place: Vector


def act(now: Moment, how: Handling) -> Float[np.ndarray, " action"]:
    """Choose an action in [-1, 1]."""
    away = now.object - now.place
    low = how.release_m is not None and away[2] < how.release_m
    if low and np.linalg.norm(away[:2]) < max(how.near_m, HELD_M):
        return _leave(now)
    held = now.opening_m < how.width_m and np.linalg.norm(now.grasp - now.hand) < HELD_M
    return _bring(now, how) if held else _approach(now, how)


def _leave(now: Moment) -> Float[np.ndarray, " action"]:
    """Open the fingers, then go up."""
    up = STAY if now.opening_m < WIDE_M else -DOWN
    return _action(MOVE_M * up, STAY, OPEN)


def _approach(now: Moment, how: Handling) -> Float[np.ndarray, " action"]:
    """Come from above, and close the fingers around the object."""
    missing = _short(_heading(now.object_axes) - _heading(now.hand_axes), how.turns)
    to_grasp = now.grasp - now.hand
    to_grasp[2] += how.grip_m
    beside_m = np.linalg.norm(to_grasp[:2])
    loosely = CLOSING if now.opening_m < WIDE_M else 1.0
    if np.linalg.norm(to_grasp) < loosely * THERE_M and abs(missing) < loosely * ALIGNED_RAD:
        return _action(to_grasp, _turn(now, missing), CLOSE)
    if beside_m > NEAR_M or abs(missing) > ALIGNED_RAD:
        to_grasp[2] += ABOVE_M
        if to_grasp[2] > ABOVE_M / 2 and beside_m > NEAR_M:
            to_grasp[:2] = 0  # Up first, where the hand would push the object.
    return _action(to_grasp, _turn(now, missing), OPEN)


def _bring(now: Moment, how: Handling) -> Float[np.ndarray, " action"]:
    """Lift what is held, bring it over its place, and lower it."""
    missing = _short(-_heading(now.object_axes), how.fits)
    to_place = now.place - now.object
    beside_m = np.linalg.norm(to_place[:2])
    over = beside_m < how.near_m and abs(missing) < ALIGNED_RAD / 2
    if not over or how.release_m is None:
        to_place[2] += how.over_m
        if to_place[2] > NEAR_M and beside_m > max(how.near_m, HELD_M):
            to_place[:2] = 0
    else:
        to_place[2] += how.release_m - NEAR_M
    return _action(to_place, _turn(now, missing), CLOSE)


def _heading(axes: Float[np.ndarray, "3 3"]) -> float:
    """Give the direction of a y axis, seen from above."""
    return float(np.arctan2(axes[1, 1], axes[0, 1]))


def _short(angle: float, period: float | None) -> float:
    """Give the shortest of the turns that come to the same."""
    return 0.0 if period is None else (angle + period / 2) % period - period / 2


def _turn(now: Moment, missing: float) -> Vector:
    """Give the turn that is missing for the hand to point down, with its fingers turned."""
    heading = _heading(now.hand_axes) + missing
    fingers = np.array([np.cos(heading), np.sin(heading), 0.0])
    wanted = np.column_stack([np.cross(fingers, DOWN), fingers, DOWN])
    quaternion, turn = np.empty(4), np.empty(3)
    mujoco.mju_mat2Quat(quaternion, (wanted @ now.hand_axes.T).ravel())
    mujoco.mju_quat2Vel(turn, quaternion, 1.0)
    return turn


def _action(move_m: Vector, turn_rad: Vector, fingers: float) -> Float[np.ndarray, " action"]:
    action = np.concatenate([move_m / MOVE_M, turn_rad / TURN_RAD, [fingers]])
    return np.asarray(np.clip(action, -1, 1))
