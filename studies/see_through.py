"""Count points seen through meshes that are not closed: `python -m studies.see_through`.

A cloud of 2,048 points is drawn with the backs of faces left out, as MuJoCo's renderer does, and
its points are held against the depth with both sides drawn. Writes `results/view/see_through.json`,
in two minutes.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from configs.command import compose_part
from configs.files import write_text_whole
from envs.config import EnvConfig
from envs.make import make_scene, make_simulator
from envs.rendering.scene import Scene
from envs.simulator import Scripted, Simulator
from perception.camera import project
from policy.reports.result import ROOT

METAWORLD = ("reach", "drawer-open", "pick-place", "basketball", "button-press", "dial-turn")
ADROIT = ("adroit-door", "adroit-hammer", "adroit-pen")
POINTS, STATES, REPEATS, BEHIND_M = 2048, 30, 25, 0.3


def main() -> None:
    """Measure every task, and write what came of it."""
    overrides = [f"env.view.points={POINTS}"]
    envs = [compose_part(EnvConfig, "env", name, overrides) for name in ADROIT]
    for task in METAWORLD:
        chosen = [f"env.task={task}", *overrides]
        envs.append(compose_part(EnvConfig, "env", "metaworld", chosen))
    report = {
        "command": "python -m studies.see_through",
        "points": POINTS,
        "states": STATES,
        "behind_m": BEHIND_M,
        "tasks": {env.name: measure(env) for env in envs},
    }
    path = ROOT / "results" / "view" / "see_through.json"
    path.parent.mkdir(exist_ok=True)
    write_text_whole(path, json.dumps(report, indent=1) + "\n")


def measure(env: EnvConfig) -> dict[str, Any]:
    """Count the points that lie behind a surface, and time the drawing of both kinds of depth."""
    simulator = make_simulator(env)
    front, both = (
        make_scene(simulator, replace(env, view=replace(env.view, faces=faces)))
        for faces in ("front", "both")
    )
    behind, times_ms = [], []
    for state in states(simulator):
        cloud = front.points(state)
        both.put(state)
        behind.append(gaps_m(cloud, both) > BEHIND_M)
        draws = [partial(scene.depth, env.view.cameras[0]) for scene in (front, both)]
        times_ms.append(fastest_ms(draws))
    counts = np.sum(behind, axis=1)
    front_ms, both_ms = np.median(times_ms, axis=0)
    return {
        "points_behind_median": float(np.median(counts)),
        "points_behind_most": int(counts.max()),
        "depth_front_ms": round(float(front_ms), 3),
        "depth_both_ms": round(float(both_ms), 3),
        "ratio": round(float(both_ms / front_ms), 2),
    }


def states(simulator: Simulator) -> list[np.ndarray]:
    """Give states along episodes of the task's script, or of uniform actions."""
    rng, seen = np.random.default_rng(0), []
    for index in range(STATES):
        if index % 10 == 0:
            simulator.reset(index)
        for _ in range(8):
            own = isinstance(simulator, Scripted)
            uniform = rng.uniform(-1, 1, simulator.action_size)
            simulator.step(simulator.scripted_action() if own else uniform)
        seen.append(simulator.scene_state())
    return seen


def gaps_m(cloud: np.ndarray, scene: Scene) -> np.ndarray:
    """Tell how far behind the surface that a scene shows each point lies."""
    name = scene.view.cameras[0]
    pixels, depth_m = project(cloud[:, :3].astype(np.float64), scene.camera(name))
    u, v = np.round(pixels).astype(int).T
    return np.asarray(depth_m - scene.depth(name)[v, u])


def fastest_ms(draws: Sequence[Callable[[], Any]]) -> list[float]:
    """Give the shortest of a few processor times of each, taken in turn."""
    times = np.empty((REPEATS, len(draws)))
    for row in times:
        for index, draw in enumerate(draws):
            begin = time.process_time()
            draw()
            row[index] = 1e3 * (time.process_time() - begin)
    return [float(shortest) for shortest in times.min(axis=0)]


if __name__ == "__main__":
    main()
