"""Watch a planner.

    python policy/view.py checkpoint=outputs/adroit-door/checkpoints/finetune.safetensors

Without checkpoint= it takes the newest run under outputs/. Plays seeded episodes (those that an
evaluation with the same seed begins with) and writes one HTML page that needs no network, with an
MP4 beside it, into the folder of the run. With live=true the first of them is played in the browser
instead, step by step, with the path that each plan leads to; beside= shows a second planner next to
it. episodes=9 opens the page with all nine videos at once.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from configs.command import script
from policy.runs.idle_keys import idle_in_viewing, refuse_idle, typed_keys
from policy.viewing.live_view import watch
from policy.viewing.viewer import ViewRolloutConfig, view


@script("views/rollout", ViewRolloutConfig)
def main(config: ViewRolloutConfig) -> None:
    """View."""
    refuse_idle(idle_in_viewing(typed_keys(config.task.overrides), live=config.live))
    if config.live:
        watch(config)
    else:
        view(config)


if __name__ == "__main__":
    main()
