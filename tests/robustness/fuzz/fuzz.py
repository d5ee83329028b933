"""Draw command lines and run them: `python -m tests.robustness.run --only fuzz`."""

import logging
import shlex
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.robustness.fuzz.grammar import draw
from tests.robustness.fuzz.judging import judge
from tests.robustness.shared.world import World

logger = logging.getLogger(__name__)


def fuzz(world: World, folder: Path, numbers: Iterable[int], seed: int) -> dict[str, Any]:
    """Run commands of the grammar; give how they ended, and every fault.

    Args:
        world: The inputs.
        folder: Where to run, one command at a time.
        numbers: Which commands of the seed to run.
        seed: Of the commands.
    """
    codes: Counter[str] = Counter()
    faults: list[dict[str, Any]] = []
    for number in numbers:
        case = draw(seed, number)
        verdict = judge(case, world, folder / "sandbox")
        codes[str(verdict.code)] += 1
        if codes.total() % 50 == 0:
            logger.info("%d commands, %d faults", codes.total(), len(faults))
        if verdict.fault:
            command = shlex.join([case.base.script, *case.arguments])
            told = {"number": number, "command": command, "fault": verdict.fault}
            faults.append({**told, "said": verdict.said})
            logger.info("%d %s\n  %s\n  %s", number, command, verdict.fault, verdict.said)
    return {"commands": codes.total(), "codes": dict(sorted(codes.items())), "faults": faults}
