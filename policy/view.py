"""Watch a planner.

    python policy/view.py checkpoint=outputs/adroit-door/checkpoints/finetune.safetensors

Plays seeded episodes (those that an evaluation with the same seed begins with) and writes one HTML
page that needs no network, with an MP4 beside it, into the folder of the run. With live=true the
first of them is played in the browser instead, step by step, with the path that each plan leads to.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from configs.command import script
from policy.viewing.live_view import watch
from policy.viewing.viewer import ViewRolloutConfig, view


@script("view-rollout", ViewRolloutConfig)
def main(config: ViewRolloutConfig) -> None:
    """View."""
    if config.live:
        watch(config)
    else:
        view(config)


if __name__ == "__main__":
    main()
