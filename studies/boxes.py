"""Measure the crop box of each of Meta-World's tasks: `python -m studies.boxes`.

A box holds all places where hand, object and goal were, at the starts and along the script's
episodes, with a margin; but nothing of the rim around the table, and of the table's top only what a
goal below it asks for. Where most of what is then seen is one level (a board on the table), and the
hand never goes below it, the box ends above that. Writes the table that `env=metaworld` takes its
boxes from.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from configs.command import compose_part, script
from configs.files import write_text_whole
from configs.progress import progress
from configs.ranges import Count, Positive, Seed
from envs.config import EnvConfig
from envs.make import make_scene
from envs.metaworld.simulator import MetaWorldSimulator, task_names
from envs.rendering.scene import Scene
from envs.simulator import HAND, OBJECT, ROLES, Roles
from perception.point_cloud import Box, numpy_points

logger = logging.getLogger(__name__)

Bounds = Float[np.ndarray, "end 3"]  # Lower corner, then upper.

WIDE = Box((-0.7, 0.2, 0.005), (0.4, 1.05, 0.5))  # Every task's before there were own ones.
INSIDE = np.array([[-0.67, 0.23, 0.005], [0.67, 0.97, 0.5]])  # Of the rim; and above the table.
LEVEL_M, MOSTLY = 0.004, 0.5  # How thick a level is, and the share of a cloud that makes one.
BELOW_M = 0.03  # Under a goal that lies below the table's top.
HEADER = """\
# The box of each of Meta-World's tasks: lower corner, upper corner; world frame, metres.
# Measured: `python -m studies.boxes` writes this file. `any` is for a task that is not here.
"""


@dataclass(frozen=True)
class BoxesConfig:
    """What to measure; every key is explained in configs/scripts/studies/boxes.yaml."""

    tasks: tuple[str, ...] | None
    starts: Count
    episodes: Count
    every: Count
    after_success: Count
    margin_m: Positive
    counted: Count
    seed: Seed
    out: Path
    table: Path | None


@script("studies/boxes", BoxesConfig)
def main(config: BoxesConfig) -> None:
    """Measure every task, and write the table."""
    measured = {}
    for task in progress(config.tasks or task_names(), "boxes", unit="task"):
        measured[task] = measure(task, config)
        logger.info("%s: %s", task, measured[task])
    write(measured, config)


def write(measured: Mapping[str, Any], config: BoxesConfig) -> None:
    """Write all that was measured, and the table."""
    report = {
        "command": "python -m studies.boxes",
        "starts": config.starts,
        "episodes": config.episodes,
        "margin_m": config.margin_m,
        "counted_starts": config.counted,
        "tasks": measured,
    }
    write_text_whole(config.out, json.dumps(report, indent=1) + "\n")
    if config.table is not None:
        rows = {task: found["box"] for task, found in measured.items()}
        rows["any"] = [list(WIDE.low), list(WIDE.high)]
        lines = [f"{task}: {json.dumps(row)}\n" for task, row in rows.items()]
        write_text_whole(config.table, HEADER + "".join(lines))


def measure(task: str, config: BoxesConfig) -> dict[str, Any]:
    """Find the box of a task, and count points on hand, object and goal in the old and the new."""
    env = compose_part(EnvConfig, "env", "metaworld", [f"env.task={task}"])
    simulator = MetaWorldSimulator(env)
    scene, roles = make_scene(simulator, env), simulator.roles()
    starts, along, hands = list[Bounds](), list[Bounds](), list[float]()
    for index in range(config.starts):
        simulator.reset(config.seed + index)
        starts.append(bounds(simulator, scene, roles))
        if index < config.episodes:
            followed, heights = follow_script(simulator, scene, env.episode_steps, config)
            along, hands = along + followed, hands + heights
    box = box_of(np.stack(starts), np.stack(along), config.margin_m)
    box = above_level(env, box, min(hands), config)
    seen = {"wide": counts(env, WIDE, config), "own": counts(env, box, config)}
    return {"box": [list(box.low), list(box.high)], "median_points": seen}


def follow_script(
    simulator: MetaWorldSimulator, scene: Scene, steps: int, config: BoxesConfig
) -> tuple[list[Bounds], list[float]]:
    """Act as the task's script does, until a while after the goal; bound the hand at every step.

    Returns:
        The bounds, and the hand's heights.
    """
    roles, found, heights, left = simulator.roles(), [], list[float](), steps
    for step in range(1, steps + 1):
        if simulator.step(simulator.scripted_action()).success:
            left = min(left, config.after_success)
        hand = simulator.hand()
        found.append(np.stack([hand, hand]))
        heights.append(float(hand[2]))
        if step % config.every == 0:
            found.append(bounds(simulator, scene, roles))
        left -= 1
        if left <= 0:
            break
    return found, heights


def bounds(simulator: MetaWorldSimulator, scene: Scene, roles: Roles) -> Bounds:
    """Bound what is drawn of hand and object now, and where they and the goal are said to be."""
    scene.put(simulator.scene_state())
    (view,) = scene.look_for(scene.view.cameras, roles)
    points = numpy_points(view, Box((-2.0, -2.0, -2.0), (2.0, 2.0, 2.0)))
    role = np.round(points[:, 3] * 255)
    drawn = points[(role == HAND) | (role == OBJECT), :3]
    places = np.concatenate([drawn, np.stack(list(vars(simulator.places()).values()))])
    return np.stack([places.min(axis=0), places.max(axis=0)])


def box_of(
    starts: Float[np.ndarray, "frame 2 3"], along: Float[np.ndarray, "frame 2 3"], margin_m: float
) -> Box:
    """Put a box around all bounds, with a margin, but free of the rim and of the table's top."""
    all_of_them = np.concatenate([starts, along])
    low = all_of_them[:, 0].min(axis=0) - margin_m
    high = all_of_them[:, 1].max(axis=0) + margin_m
    low, high = np.floor(low * 100) / 100, np.ceil(high * 100) / 100
    low, high = np.maximum(low, INSIDE[0]), np.minimum(high, INSIDE[1])
    lowest = starts[:, 0, 2].min()
    sunk = lowest < INSIDE[0, 2] - BELOW_M / 2
    low[2] = np.floor((lowest - BELOW_M) * 100) / 100 if sunk else INSIDE[0, 2]
    return Box(_corner(low), _corner(high))


def above_level(env: EnvConfig, box: Box, lowest_hand_m: float, config: BoxesConfig) -> Box:
    """Raise a box above the level that most points of its clouds lie on, and the hand stays above.

    Args:
        env: The task.
        box: Of hand, object and goal.
        lowest_hand_m: How low the hand comes along the script's episodes.
        config: How many starts are looked at.
    """
    seen = replace(env, view=replace(env.view, crop_low=box.low, crop_high=box.high))
    simulator = MetaWorldSimulator(seen)
    scene, heights = make_scene(simulator, seen), []
    for index in range(config.counted):
        simulator.reset(config.seed + index)
        heights.append(scene.points(simulator.scene_state())[:, 2])
    levels = np.arange(box.low[2], box.high[2], LEVEL_M)
    found, _ = np.histogram(np.concatenate(heights), levels)
    top = float(levels[found.argmax() + 1])
    if found.max() < MOSTLY * found.sum() or lowest_hand_m < top:
        return box
    return Box(_corner(np.array([*box.low[:2], top + LEVEL_M])), box.high)


def _corner(numbers: Float[np.ndarray, "3"]) -> tuple[float, float, float]:
    x, y, z = (round(float(number), 3) for number in numbers)
    return x, y, z


def counts(env: EnvConfig, box: Box, config: BoxesConfig) -> dict[str, float]:
    """Count the points of clouds of starts on each thing; the median."""
    seen = replace(env, view=replace(env.view, crop_low=box.low, crop_high=box.high))
    simulator = MetaWorldSimulator(seen)
    scene, roles, found = make_scene(simulator, seen), simulator.roles(), []
    for index in range(config.counted):
        simulator.reset(config.seed + index)
        shown = scene.roles(simulator.scene_state(), roles)
        found.append(np.bincount(shown, minlength=len(ROLES)))
    medians = np.median(found, axis=0)
    return dict(zip(ROLES, map(float, medians), strict=True))


if __name__ == "__main__":
    main()
