"""See what a camera of a task sees, before anything is collected.

    python datasets/cameras/look.py env=adroit-door camera=vil_camera

Writes a page and a picture: what the camera shows, its depth, what of it lies in the crop box, the
cloud that is made of it, and how many points lie on hand, object and goal. Without camera= the
task's cameras are listed; camera=all shows each.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from configs.command import script
from datasets.cameras.sight import LookConfig, look


@script("cameras/look", LookConfig)
def main(config: LookConfig) -> None:
    """Look."""
    look(config)


if __name__ == "__main__":
    main()
