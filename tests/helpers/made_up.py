"""Episodes out of a random generator, for tests of what happens to episodes; no simulator."""

from pathlib import Path
from typing import Any

import numpy as np

from datasets.episode import Episode, Provenance, Recording
from datasets.store.chunk_codecs import StoreFormat
from datasets.store.store import EpisodeStore

PLAIN = StoreFormat(zarr_format=2, error_mm=0.0)


def attributes(**identity: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"identity": identity, "task": "made-up", "cameras": {}}


def episode(steps: int, seed: int = 0, channels: int = 3) -> Episode:
    rng = np.random.default_rng(seed)
    recording = Recording(
        rng.normal(size=(steps, 24)).astype(np.float32),
        rng.uniform(-1, 1, (steps, 28)).astype(np.float32),
        rng.normal(size=steps).astype(np.float32),
        rng.uniform(size=steps) < 0.5,
        rng.normal(size=(steps, 71)),
        Provenance(seed, 0.5, 0.25, rng.normal(size=400)),
    )
    return Episode(recording, rng.uniform(-1, 1, (steps, 64, channels)).astype(np.float32))


def write(path: Path, *episodes: Episode, format_: StoreFormat = PLAIN) -> None:
    with EpisodeStore.writing(path, format_, attributes(a=1)) as store:
        for one in episodes:
            store.append(one)
