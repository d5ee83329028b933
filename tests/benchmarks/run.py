"""Measure everything, or the parts that are named, and write results/benchmarks/: make bench."""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence

import torch

from datasets.collection.collector import collect
from tests.benchmarks import (
    acting,
    algorithms,
    collecting,
    finetuning,
    gathering,
    learning,
    loading,
    storing,
)
from tests.benchmarks.timing import Entry, write
from tests.conftest import collect_config

PARTS: dict[str, Callable[[Path, Path], dict[str, list[Entry]]]] = {
    "collecting": lambda folder, _: collecting.benchmark(folder),
    "storing": storing.benchmark,
    "gathering": lambda _, data: gathering.benchmark(data),
    "loading": loading.benchmark,
    "learning": lambda _, data: learning.benchmark(data),
    "finetuning": lambda *_: finetuning.benchmark(),
    "algorithms": lambda *_: algorithms.benchmark(),
    "acting": lambda *_: acting.benchmark(),
}

logger = logging.getLogger(__name__)


def main(names: Sequence[str]) -> None:
    """Run every benchmark, or those of the parts that are named."""
    if unknown := set(names) - set(PARTS):
        raise SystemExit(f"error: unknown parts {sorted(unknown)}; choose from {list(PARTS)}")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "adroit-door.zarr"
        whole = ("env.episode_steps=100", "points=512")
        collect(collect_config(data, *whole, episodes=10))
        for part in names or PARTS:
            show(PARTS[part](Path(folder), data))


def show(found: Mapping[str, list[Entry]]) -> None:
    """Write what a part has measured, and say it."""
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
    main(sys.argv[1:])
