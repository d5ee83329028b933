"""Run every stage where the space ends: `python -m tests.robustness.run full`.

At many sizes of a file system, and of single files: the command must say so in one line, with exit
code 2, and once there is space, the same command must finish with the uninterrupted result.
"""

import logging
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from tests.robustness.full.disks import (
    ROOMY,
    Space,
    can_mount,
    files,
    limit_files,
    mount,
    small_disk,
    used,
)
from tests.robustness.shared.equal import differences
from tests.robustness.shared.judged import Outcome, begin, fault_of, finish, run
from tests.robustness.shared.stages import Stage
from tests.robustness.shared.world import World

logger = logging.getLogger(__name__)

PAGE = 4096


def fill_all(world: World, folder: Path, stages: Sequence[Stage], sizes: int) -> dict[str, Any]:
    """Run stages in little space; give what came of it.

    Args:
        world: The inputs.
        folder: Where to run.
        stages: What to run.
        sizes: At how many sizes of a file system; half as many of single files.
    """
    counts: dict[str, dict[str, int]] = {}
    faults = []
    for stage in stages:
        counted: Counter[str] = Counter()
        for space, said in fill(world, folder / stage.name, stage, sizes):
            counted[said if said in ("refused", "fits") else "faults"] += 1
            if said not in ("refused", "fits"):
                faults.append(f"{stage.name}, {space.amount} {space.of}: {said}")
                logger.info("%s", faults[-1])
        counts[stage.name] = dict(counted)
        logger.info("%s: %s", stage.name, counts[stage.name])
    mounted = can_mount(folder / "trial")
    runs = sum(sum(count.values()) for count in counts.values())
    return {"runs": runs, "file systems": mounted, "stages": counts, "faults": faults}


def fill(world: World, folder: Path, stage: Stage, sizes: int) -> Iterator[tuple[Space, str]]:
    """Run one stage in ever more space; give what came of it each time."""
    whole = stage.out(folder / "whole")
    whole.parent.mkdir(parents=True)
    mounted = can_mount(folder / "trial")
    with small_disk(folder / "whole") if mounted else nullcontext():
        stage.prepare(world, whole)
        before = [measure(folder / "whole").amount for measure in (used, files)]
        outcome = run(stage.command(world, whole), folder)
        after = [measure(folder / "whole").amount for measure in (used, files)]
        if outcome.code != 0:
            yield Space("bytes", after[0]), f"does not run: {fault_of(outcome) or outcome.message}"
            return
        largest = max(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        spaces = [Space("file", largest * k // (sizes // 2 + 1)) for k in range(sizes // 2 + 1)]
        if mounted:
            spaces += [Space("bytes", n) for n in _between(before[0], after[0], sizes, PAGE)]
            spaces += [Space("files", n) for n in _between(before[1], after[1], sizes // 2, 1)]
        for space in spaces:
            yield space, _try(world, folder / "small", stage, whole, space)


def _between(low: int, high: int, count: int, step: int) -> list[int]:
    """Give some numbers between two, the lower one's next first."""
    return sorted({max(low + (high - low) * k // count, low + step) for k in range(count)})


def _try(world: World, folder: Path, stage: Stage, whole: Path, space: Space) -> str:
    """Run a stage in little space, then with enough; say what came of it."""
    folder_only = nullcontext(folder)
    if space.of == "file":
        folder.mkdir()
    with folder_only if space.of == "file" else small_disk(folder):
        out = stage.out(folder)
        stage.prepare(world, out)
        command = stage.command(world, out)
        outcome = _run_within(command, folder, space)
        said = fault_of(outcome)
        if space.of != "file":
            mount(folder, f"remount,{ROOMY}")
        if not said and outcome.refused:
            again = run(command, folder.parent)
            said = fault_of(again) or (again.message if again.code else "")
            said = f"does not go on: {said}" if said else "refused"
        if said in ("refused", "") and (unequal := differences(out, whole)):
            said = f"ends otherwise: {', '.join(unequal[:5])}"
    shutil.rmtree(folder, ignore_errors=True)
    return said or "fits"


def _run_within(command: tuple[str, ...], folder: Path, space: Space) -> Outcome:
    if space.of != "file":
        mount(folder, f"remount,{space.options}")
        return run(command, folder.parent)
    process = begin(command, folder.parent)
    limit_files(process.pid, space.amount)
    return finish(process, command)
