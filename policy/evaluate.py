"""Evaluate a planner.

    python policy/evaluate.py checkpoint=outputs/adroit-door/checkpoints/finetune.safetensors

Plays seeded episodes side by side, tells the success rate with its 95 % interval (Wilson), and
notes it in the checkpoint's run.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from configs.schema import script
from policy.judging import EvaluateConfig, judge


@script("evaluate", EvaluateConfig)
def main(config: EvaluateConfig) -> None:
    """Evaluate."""
    judge(config)


if __name__ == "__main__":
    main()
