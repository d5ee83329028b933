"""Record your own robot: its cameras' depth, its state and actions, into a store.

    python datasets/cameras/record.py task=my-arm crop_low=[-0.3,-0.3,0] crop_high=[0.3,0.3,0.5]

The robot's own process sends each step over WebSocket (clients/sodp_client.py is one file for it,
docs/deploy.md shows how); depths become clouds here. An episode that is ended is kept, wholly or
not at all; the same command goes on with the store. A page shows what came, beside the store.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from configs.command import script
from datasets.cameras.recording import RecordConfig, record


@script("cameras/record", RecordConfig)
def main(config: RecordConfig) -> None:
    """Record, and show what came."""
    # Here, since Matplotlib takes a second that a robot need not wait for.
    from datasets.cameras.checks.check_page import finish  # noqa: PLC0415

    finish(config, record(config))


if __name__ == "__main__":
    main()
