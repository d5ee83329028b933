"""Look at recorded data.

    python datasets/view.py data=data/adroit-door.zarr

Writes one HTML page that needs no network (the clouds over time, rewards, where it comes from) and
a contact sheet as PNG, both beside the store; with format=rerun a recording for Rerun's viewer.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from configs.command import script
from datasets.cards.viewer import ViewDataConfig, view


@script("views/data", ViewDataConfig)
def main(config: ViewDataConfig) -> None:
    """View."""
    view(config)


if __name__ == "__main__":
    main()
