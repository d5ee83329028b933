"""Train a planner.

    python policy/train.py env=adroit-door

Pre-trains on the recorded data without its rewards, fine-tunes online on the task's, and evaluates
after each. Stop it at any time, even by kill -9: the same command goes on, to the same weights.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from configs.command import script
from configs.command.following import follow
from policy.pipeline.config import TrainConfig
from policy.pipeline.stages import train


@script("train", TrainConfig)
def main(config: TrainConfig) -> None:
    """Train."""
    train(config)
    played = (config.out / "evaluation.json").exists()  # Not where there is no simulator.
    watch = [("policy/view.py", f"checkpoint={config.out}")] if played else []
    follow(config.out / "checkpoints", *watch)


if __name__ == "__main__":
    main()
