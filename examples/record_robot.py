"""Record episodes of your own robot: put your camera and your robot in place of `Bench`.

python datasets/cameras/record.py task=bench crop_low=[-0.4,-0.4,0.02] crop_high=[0.4,0.4,0.5]
python examples/record_robot.py ws://127.0.0.1:8766

This one runs on the robot: it needs sodp_client.py beside it, and nothing else of the project.
"""

import sys
import time
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # Where the client's file lies here.
    sys.path[0] = str(Path(__file__).resolve().parents[1] / "clients")

import numpy as np
from sodp_client import SodpClient  # type: ignore[import-not-found]

K = np.array([[300.0, 0, 160], [0, 300, 120], [0, 0, 1]])  # Of 320 x 240 pixels.
DOWN = np.array([[1.0, 0, 0, 0], [0, -1, 0, 0], [0, 0, -1, 1], [0, 0, 0, 1]])  # 1 m above a table.


class Bench:
    """A hand that slides over a table, and a camera above it."""

    def __init__(self, seed: int) -> None:
        self.hand, self.goal = np.random.default_rng(seed).uniform(-0.2, 0.2, (2, 2))

    def frame(self) -> dict[str, Any]:
        """What camera and robot say now."""
        v, u = np.mgrid[:240, :320]
        x, y = (u - K[0, 2]) / K[0, 0] * 0.9, (K[1, 2] - v) / K[1, 1] * 0.9
        on_hand = np.hypot(x - self.hand[0], y - self.hand[1]) < 0.06
        return {
            "depth": np.where(on_hand, 900, 1000).astype(np.uint16),  # Millimetres.
            "intrinsics": K,
            "world_from_camera": DOWN,
            "robot_state": np.concatenate([self.hand, self.goal]),
            "stamp": time.monotonic(),
        }


def main(url: str) -> None:
    """Record some episodes of whoever moves the hand: a person, a script, a planner."""
    with SodpClient(url) as recorder:
        for seed in range(3):
            bench = Bench(seed)
            recorder.begin()
            for _ in range(20):
                action = np.clip(5 * (bench.goal - bench.hand), -1, 1)
                recorder.record(bench.frame(), action)
                bench.hand = bench.hand + 0.05 * action  # Your robot moves here.
            there = bool(np.hypot(*(bench.goal - bench.hand)) < 0.02)
            sys.stdout.write(f"episode {recorder.end(success=there)} is kept\n")


if __name__ == "__main__":
    main(sys.argv[1])
