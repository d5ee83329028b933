"""Convert other projects' data into a store, or a store into theirs.

    python datasets/convert.py from=door-human-v1.hdf5 to=data/door-human.zarr env=adroit-door
    python datasets/convert.py from=data/adroit-door.zarr to=door.hdf5

Reads DP3's Zarr, DAPG's demonstrations, D4RL's HDF5, Minari, robomimic, LeRobot and recordings of
ROS 2 (MCAP); which one it is, the content tells. Stop it at any time, even by kill -9: the same
command goes on where it was.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from configs.command import script
from configs.command.following import follow_store
from datasets.cards.card_files import keep_card
from datasets.formats.converter import ConvertConfig, convert


@script("convert", ConvertConfig)
def main(config: ConvertConfig) -> None:
    """Convert; a store gets its card."""
    if convert(config):
        keep_card(config.to)
        follow_store(config.to, simulated=config.task is None)


if __name__ == "__main__":
    main()
