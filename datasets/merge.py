"""Put several stores of one kind into one: shards of a task that several machines collected.

    python datasets/merge.py data=[data/a.zarr,data/b.zarr] out=data/adroit-door.zarr

They must be made alike but for their seeds (on each machine: `datasets/collect.py seed=<another>`).
With shards=100 the store has one file for each 10,000 steps of an array, in Zarr's format 3, also
where data= names one store: for millions of steps. DP3's own loaders read format 2 only.
Stop it at any time, even by kill -9: the same command goes on where it was.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from configs.command import script
from configs.command.following import follow_store
from datasets.cards.card_files import keep_card
from datasets.collection.merger import MergeConfig, merge


@script("merge", MergeConfig)
def main(config: MergeConfig) -> None:
    """Merge."""
    merge(config)
    keep_card(config.out)
    follow_store(config.out)


if __name__ == "__main__":
    main()
