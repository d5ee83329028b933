"""Act on what a depth camera sees: put your camera and your robot in place of `Bench`.

python examples/act_from_camera.py outputs/adroit-door
"""

import logging
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np

from envs.config import read_env
from envs.make import make_scene, make_simulator
from policy.planner.checkpoint import load_policy
from policy.rollouts.actor import Actor
from policy.runs.run import find_checkpoint


class Bench:
    """A robot and the depth camera beside it; a simulator stands in for both."""

    def __init__(self, checkpoint: Path) -> None:
        _, about = load_policy(find_checkpoint(checkpoint))
        self.env = read_env(about["env"])
        self.robot = make_simulator(self.env)
        self.robot.reset(seed=0)
        self.scene = make_scene(self.robot, self.env)

    def frame(self) -> dict[str, Any]:
        """What the camera and the robot's own sensors say now."""
        self.scene.put(self.robot.scene_state())
        (seen,) = self.scene.look(self.env.view.cameras)
        return {
            "depth": np.rint(1000 * seen.depth_m).astype(np.uint16),  # As sensors give it.
            "intrinsics": seen.camera.intrinsics,
            "world_from_camera": seen.camera.world_from_camera,
            "robot_state": self.robot.robot_state(),
        }


def main(checkpoint: Path) -> None:
    """Act for thirty steps."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    bench, actor = Bench(checkpoint), Actor.load(checkpoint)
    actor.warm_up()
    for _ in range(30 // actor.planner.config.chunk):
        for step, action in enumerate(actor.act(**bench.frame())):
            if step:  # `act` has taken the first frame.
                actor.observe(**bench.frame())
            outcome = bench.robot.step(action)
        logging.info("reward %.3f, success %s", outcome.reward, outcome.success)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
