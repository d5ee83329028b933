"""Write made-up episodes into a store and nothing else.

    tests/robustness/write.py EPISODES ZARR_FORMAT out=OUT

What is killed here is killed while it writes: there is no simulator to wait for.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from datasets.store.chunk_codecs import StoreFormat
from datasets.store.store import EpisodeStore
from tests.helpers.made_up import episode


def main(out: Path, episodes: int, zarr_format: int) -> None:
    """Write the episodes that are not there yet."""
    identity = {"identity": {"made": "up"}}
    with EpisodeStore.writing(out, StoreFormat(zarr_format, 0.09), identity) as store:
        for seed in range(store.episodes, episodes):
            store.append(episode(1 + 17 * seed % 40, seed))  # 1 to 40 steps.


if __name__ == "__main__":
    main(Path(sys.argv[3].removeprefix("out=")), int(sys.argv[1]), int(sys.argv[2]))
