"""Damage every file of a store and of a run, and read: `python -m tests.robustness.run flips`."""

import logging
import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.robustness.flips.damage import Damage, damages
from tests.robustness.flips.reading import FINE, outcomes
from tests.robustness.flips.targets import Target, copy, targets
from tests.robustness.flips.writing import continued
from tests.robustness.shared.world import World

logger = logging.getLogger(__name__)

SHARES = {  # Of all bits: a store has thirty files.
    "store": 0.35, "store3": 0.3, "checkpoint": 0.1, "state": 0.1, "evaluation": 0.05,
    "metrics": 0.05,
    "config": 0.05,
}  # fmt: skip
WRITERS = 8  # One damage of a store in so many is also met by a writer.
PLURAL = {"bit": "bits", "cut": "cuts", "zeros": "zeroed blocks"}


def flip(world: World, folder: Path, bits: int, seed: int) -> dict[str, Any]:
    """Damage and read; give how often what came of it, and every fault.

    Args:
        world: The inputs.
        folder: Where copies are damaged.
        bits: How many bits are turned, of all files together.
        seed: Of the damages.
    """
    found = Found()
    for target in targets(world):
        place = copy(target, folder)
        drawn = list(damages(target.root, target.files, round(SHARES[target.name] * bits), seed))
        found.add(target, drawn, outcomes(target, place, drawn))
        if target.name in ("store", "store3"):
            few = random.Random(seed).sample(drawn, -(-len(drawn) // WRITERS))
            found.add(target, few, continued(target, place, few), "-continued")
    return {
        "counts": {name: dict(count) for name, count in found.counts.items()},
        "faults": found.faults,
    }


class Found:
    """What came of damages: counts by target, and the faults."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {}
        self.faults: list[dict[str, str]] = []

    def add(
        self,
        target: Target,
        drawn: list[Damage],
        outcomes: Iterable[tuple[Damage, str]],
        suffix: str = "",
    ) -> None:
        """Count a target's damages and what came of them."""
        name = f"{target.name}{suffix}"
        self.counts[name] = Counter(PLURAL[damage.how] for damage in drawn)
        for damage, said in outcomes:
            self.counts[name][said if said in FINE else "faults"] += 1
            if said not in FINE:
                self.faults.append({"what": name, "damage": str(damage), "fault": said})
                logger.info("%s: %s: %s", name, damage, said)
