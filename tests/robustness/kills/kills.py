"""Kill every stage at random moments: `python -m tests.robustness.run kills`.

A moment lies between the start of a command and the time that it takes uninterrupted. After a kill
a store must open, or say that it holds no whole episode, or not exist, and each of its episodes
must be that of an uninterrupted one; processes that the command had started must end by themselves.
Then the same command goes on and is killed again, three times in a row at most; then it finishes,
and its result is compared to the uninterrupted one.
"""

import logging
import random
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from datasets.store.store import EpisodeStore
from tests.helpers.killing import whole_episodes
from tests.robustness.shared.equal import differences
from tests.robustness.shared.judged import begin, descendants, fault_of, finish, orphans, run
from tests.robustness.shared.stages import Stage
from tests.robustness.shared.world import World

logger = logging.getLogger(__name__)

IN_A_ROW = 3


@dataclass
class Killed:
    """What came of killing one stage.

    Attributes:
        stage: Its name.
        seconds: What it takes uninterrupted.
        kills: How often it was killed while it ran.
        finished: How often it was then finished.
        faults: Each with what was found.
    """

    stage: str
    seconds: float
    kills: int
    finished: int
    faults: list[str]


def kill_all(
    world: World, folder: Path, stages: Sequence[Stage], kills: int, seed: int
) -> dict[str, Any]:
    """Kill stages, each so often; give what came of it."""
    found = []
    for stage in stages:
        found.append(kill(world, folder / stage.name, stage, kills, seed))
        logger.info("%s", found[-1])
    faults = [f"{one.stage}: {fault}" for one in found for fault in one.faults]
    total = sum(one.kills for one in found)
    return {"kills": total, "stages": [asdict(one) for one in found], "faults": faults}


def kill(world: World, folder: Path, stage: Stage, kills: int, seed: int) -> Killed:
    """Kill one stage again and again."""
    whole = stage.out(folder / "whole")
    whole.parent.mkdir(parents=True)
    stage.prepare(world, whole)
    started = time.monotonic()
    outcome = run(stage.command(world, whole), folder)
    killed = Killed(stage.name, round(time.monotonic() - started, 1), 0, 0, [])
    if outcome.code != 0:
        killed.faults.append(f"does not run: {fault_of(outcome) or outcome.message}")
        return killed
    rng = random.Random(f"{seed}:{stage.name}")
    while killed.kills < kills and len(killed.faults) < kills:
        before = killed.kills
        _kill_and_finish(world, folder / "killed", stage, whole, killed, rng, kills)
        if killed.kills == before:
            killed.seconds *= 0.8  # The machine has become faster.
    return killed


def _kill_and_finish(
    world: World,
    folder: Path,
    stage: Stage,
    whole: Path,
    killed: Killed,
    rng: random.Random,
    kills: int,
) -> None:
    """Kill a command some times in a row, let it finish, and compare."""
    out = stage.out(folder)
    folder.mkdir()
    stage.prepare(world, out)
    command = stage.command(world, out)
    for _ in range(min(IN_A_ROW, kills - killed.kills)):
        if not _stopped(command, folder, rng.uniform(0, killed.seconds), killed):
            break
        killed.kills += 1
        if stage.makes_store:
            _look(out, whole, killed)
    outcome = run(command, folder)
    if fault := fault_of(outcome) or (outcome.code != 0 and outcome.message):
        killed.faults.append(f"does not go on: {fault}")
    elif unequal := differences(out, whole):
        killed.faults.append(f"ends otherwise: {', '.join(unequal[:5])}")
    else:
        killed.finished += 1
    shutil.rmtree(folder)


def _stopped(command: tuple[str, ...], folder: Path, seconds: float, killed: Killed) -> bool:
    """Start a command and kill it; tell whether it was still at work."""
    process = begin(command, folder)
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
    running, family = process.poll() is None, descendants(process.pid)
    process.kill()
    if alive := orphans(family):
        killed.faults.append(f"{len(alive)} processes live on after a kill")
    finish(process, command)
    return running


def _look(out: Path, whole: Path, killed: Killed) -> None:
    """Look into a store that was left by a kill."""
    try:
        whole_episodes(out, EpisodeStore.open(whole))
    except Exception as error:  # A reader that fails in any way is what is looked for.
        killed.faults.append(f"leaves what does not open: {type(error).__name__}: {error}"[:200])
