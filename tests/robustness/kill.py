"""Kill every command that writes a store, by SIGKILL at 30 random moments.

    .venv/bin/python tests/robustness/kill.py

A moment lies between the start of a process and the time that the command takes uninterrupted.
After a kill the store must open, or say that it holds no whole episode, or not exist; each of its
episodes must be that of an uninterrupted store. Then the same command goes on and is killed again,
four times in a row at most; then it finishes, its store is compared array by array, and a new one
is begun. Writes results/robustness/kill.json; every failure ends the script.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import argparse
import datetime
import json
import logging
import random
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass

from datasets.store.store import EpisodeStore
from policy.reports.result import ROOT, machine
from tests.formats.test_convert_in_simulated import write_d4rl
from tests.helpers.commands import succeed
from tests.helpers.killing import assert_equal, stop, whole_episodes

logger = logging.getLogger(__name__)

TINY = ("env.episode_steps=12", "points=64")
IN_A_ROW = 4  # Kills of one store before it may finish.


@dataclass(frozen=True)
class Killing:
    """What came of killing one command.

    Attributes:
        name: The command's.
        kills: How often it was killed while it ran.
        found_store: How many kills left a store with whole episodes.
        episodes: How many whole and right episodes there were after each kill; null: no store yet.
        of_episodes: How many an uninterrupted store holds.
        finished: How many stores were then finished, all equal to the uninterrupted one.
        equal: True (anything else ends the script).
        seconds: What the command takes uninterrupted; moments lie before.
        seed: Of the moments.
    """

    name: str
    kills: int
    found_store: int
    episodes: list[int | None]
    of_episodes: int
    finished: int
    equal: bool
    seconds: float
    seed: int
    command: str
    machine: str
    date: str


def commands(folder: Path, episodes: int) -> dict[str, tuple[str, ...]]:
    """Give every command that writes a store, up to its name; later ones read earlier ones'."""
    collected, bare = folder / "collect.zarr", "tests/robustness/write.py"
    return {
        "collect": ("datasets/collect.py", *TINY, "workers=1", f"episodes={episodes}", "out={}"),
        "render": ("datasets/render.py", f"data={collected}", "workers=1", "points=48", "out={}"),
        "merge": ("datasets/merge.py", f"data=[{collected},{folder / 'shard.zarr'}]", "out={}"),
        "convert": (
            "datasets/convert.py",
            f"from={folder / 'door.hdf5'}",
            "workers=1",
            "points=48",
            "to={}",
        ),
        "write-zarr2": (bare, f"{episodes}", "2", "out={}"),
        "write-zarr3": (bare, f"{episodes}", "3", "out={}"),
    }


def kill(name: str, command: tuple[str, ...], folder: Path, *, kills: int, seed: int) -> Killing:
    """Kill one command again and again.

    Args:
        name: The command's.
        command: Script and arguments, the store's place left open (`{}`) in the last.
        folder: Where to write; the uninterrupted store stays there as `<name>.zarr`.
        kills: How often.
        seed: Of the moments.
    """
    whole, out = folder / f"{name}.zarr", folder / f"{name}-killed.zarr"
    begun = time.monotonic()
    *given, last = command
    succeed(*given, last.format(whole), cold=True)
    seconds, reference = time.monotonic() - begun, EpisodeStore.open(whole)
    rng, finished, again = random.Random(seed), 0, (*given, last.format(out))
    found: list[int | None] = []
    while len(found) < kills:
        for _ in range(min(IN_A_ROW, kills - len(found))):
            if not stop(again, rng.uniform(0, seconds)):
                break
            found.append(whole_episodes(out, reference))
            logger.info("%s: kill %d left %s episodes", name, len(found), found[-1])
        succeed(*again)
        assert_equal(out, whole)
        shutil.rmtree(out)
        finished += 1
    return Killing(
        name=name,
        kills=len(found),
        found_store=sum(bool(episodes) for episodes in found),
        episodes=found,
        of_episodes=reference.episodes,
        finished=finished,
        equal=True,
        seconds=round(seconds, 1),
        seed=seed,
        command=" ".join(["tests/robustness/kill.py", *sys.argv[1:]]),
        machine=machine(),
        date=datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
    )


def make_inputs(name: str, folder: Path, episodes: int) -> None:
    """Make what a command reads beside the collected store."""
    if name == "merge":
        shard = (*TINY, "workers=0", "seed=1", f"episodes={episodes // 2}")
        succeed("datasets/collect.py", *shard, f"out={folder / 'shard.zarr'}")
    elif name == "convert":
        write_d4rl(folder / "door.hdf5", EpisodeStore.open(folder / "collect.zarr"))


def main() -> None:
    """Kill every command and write what came of it."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--episodes", type=int, default=240)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", help="which commands to kill")
    asked = parser.parse_args()
    path = ROOT / "results" / "robustness" / "kill.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    # Of commands that are not killed now, what was found before stays.
    found = {e["name"]: e for e in json.loads(path.read_text())} if path.exists() else {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        every = commands(folder, asked.episodes)
        chosen = asked.only or list(every)
        if "collect" not in chosen:  # Others read it.
            succeed(*every["collect"][:-1], f"out={folder / 'collect.zarr'}")
        for name in (name for name in every if name in chosen):
            make_inputs(name, folder, asked.episodes)
            killed = kill(name, every[name], folder, kills=asked.kills, seed=asked.seed)
            found[name] = asdict(killed)
            path.write_text(json.dumps(list(found.values()), indent=2) + "\n")


if __name__ == "__main__":
    main()
