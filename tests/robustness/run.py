"""Prove what the README promises, at length: no dead end, nothing lost, nothing silently wrong.

    .venv/bin/python -m tests.robustness.run             # all of it: an hour or two on two cores
    .venv/bin/python -m tests.robustness.run flips fuzz  # some of it

- `fuzz` draws command lines from a grammar over every script and key, valid and spoilt, runs them
  in warm processes, and looks at exit code, words and files.
- `flips` turns bits of every file of a store and a run, cuts them and zeroes blocks, and reads.
- `kills` kills every stage at random moments and finishes it.
- `full` runs every stage on file systems that are too small, and finishes it.

Counts and every fault are written to results/robustness/; the exit code is 1 if there is a fault.
A short form of each is a test (`make test`).
"""

import argparse
import datetime
import json
import logging
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from datasets.store.provenance import source_commit
from policy.reports.result import ROOT, machine
from tests.robustness.flips.flips import flip
from tests.robustness.full.full import fill_all
from tests.robustness.fuzz.fuzz import fuzz
from tests.robustness.kills.kills import kill_all
from tests.robustness.shared.stages import STAGES
from tests.robustness.shared.world import World

logger = logging.getLogger(__name__)

OUT = ROOT / "results" / "robustness"
COMMANDS, BITS, KILLS, SIZES = 1200, 6000, 6, 6  # Kills and sizes are of each stage.


def proofs(world: World, folder: Path, seed: int) -> dict[str, Callable[[], dict[str, Any]]]:
    """Give what there is to run, by name."""
    return {
        "flips": lambda: flip(world, folder / "flips", BITS, seed),
        "full": lambda: fill_all(world, folder / "full", STAGES, SIZES),
        "kills": lambda: kill_all(world, folder / "kills", STAGES, KILLS, seed),
        "fuzz": lambda: fuzz(world, folder / "fuzz", range(COMMANDS), seed),
    }


def keep(name: str, found: dict[str, Any], seed: int) -> None:
    """Write what came of one proof."""
    about = {
        "command": " ".join(["python -m tests.robustness.run", *sys.argv[1:]]),
        "seed": seed,
        "machine": machine(),
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "source_commit": source_commit(),
    }
    OUT.mkdir(parents=True, exist_ok=True)
    told = {**about, "fault_count": len(found["faults"]), **found}
    (OUT / f"{name}.json").write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n")


def main() -> int:
    """Run what was asked for; give the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    warnings.filterwarnings("ignore", "Numcodecs codecs")  # Said of every array in format 3.
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("proofs", nargs="*", help="flips, full, kills, fuzz; none: all of them")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    count = 0
    with tempfile.TemporaryDirectory() as place:
        world = World(Path(place) / "world")
        there = proofs(world, Path(place) / "runs", asked.seed)
        for name in asked.proofs or there:
            found = there[name]()
            keep(name, found, asked.seed)
            count += len(found["faults"])
            logger.info("%s: %d faults", name, len(found["faults"]))
    return int(count > 0)


if __name__ == "__main__":
    sys.exit(main())
