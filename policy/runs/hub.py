"""Push a planner's run or a store to a Hugging Face repository, or pull one from there.

    python policy/runs/hub.py push=outputs/adroit-door repo=user/adroit-door
    python policy/runs/hub.py pull=user/adroit-door to=outputs/theirs

A run takes its configuration, planners, evaluation, metrics and report along, not what training
needs to go on; a store goes whole. Both get a card, README.md, with the facts. Who pushes logs in
first (hf auth login, or HF_TOKEN). Needs the extra: pip install -e '.[hub]'.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from configs.command import script
from policy.runs.hub_transfer import HubConfig, transfer


@script("hub", HubConfig)
def main(config: HubConfig) -> None:
    """Push, or pull."""
    transfer(config)


if __name__ == "__main__":
    main()
