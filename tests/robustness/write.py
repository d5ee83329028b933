"""Write made-up episodes into a store and nothing else.

    tests/robustness/write.py EPISODES ZARR_FORMAT out=OUT

What is killed here is killed while it writes: there is no simulator to wait for.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import numpy as np

from datasets.compression import StoreFormat
from datasets.episode import Episode, Provenance, Recording
from datasets.store import EpisodeStore


def made_up(seed: int) -> Episode:
    """Make an episode of 1 to 40 steps out of its seed."""
    rng = np.random.default_rng(seed)
    steps = int(rng.integers(1, 41))
    recording = Recording(
        rng.normal(size=(steps, 24)).astype(np.float32),
        rng.uniform(-1, 1, (steps, 28)).astype(np.float32),
        rng.normal(size=steps).astype(np.float32),
        rng.uniform(size=steps) < 0.5,
        rng.normal(size=(steps, 71)),
        Provenance(seed, 0.5, 0.25, rng.normal(size=40)),
    )
    return Episode(recording, rng.uniform(-1, 1, (steps, 64, 3)).astype(np.float32))


def main(out: Path, episodes: int, zarr_format: int) -> None:
    """Write the episodes that are not there yet."""
    identity = {"identity": {"made": "up"}}
    with EpisodeStore.writing(out, StoreFormat(zarr_format, 0.09), identity) as store:
        for seed in range(store.episodes, episodes):
            store.append(made_up(seed))


if __name__ == "__main__":
    main(Path(sys.argv[3].removeprefix("out=")), int(sys.argv[1]), int(sys.argv[2]))
