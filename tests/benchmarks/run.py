"""Measure everything and write results/benchmarks/: make bench."""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import logging
import tempfile

import torch

from datasets.collection.collector import collect
from tests.benchmarks import collecting, finetuning, learning, storing
from tests.benchmarks.timing import write
from tests.conftest import collect_config

logger = logging.getLogger(__name__)


def main() -> None:
    """Run every benchmark."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "adroit-door.zarr"
        whole = ("env.episode_steps=100", "points=512")
        collect(collect_config(data, *whole, episodes=10))
        found = {
            **collecting.benchmark(Path(folder)),
            **storing.benchmark(Path(folder), data),
            **learning.benchmark(data),
            **finetuning.benchmark(),
        }
    for name, entries in found.items():
        write(name, entries)
        for e in entries:
            logger.info(
                "%-22s %-60s %9.4g  %9.4g %-22s x%.2f",
                name,
                e.name,
                e.ours,
                e.reference,
                e.unit,
                e.ratio,
            )


if __name__ == "__main__":
    main()
