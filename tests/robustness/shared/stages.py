"""Every command that writes, made small: what is killed, and what meets a full disk."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tests.robustness.shared.world import FINETUNING, PLANNER, PLAYED, SEEN, World

ADROIT = ("points=32", "env.view.image_size=32", "workers=0")
FOREIGN = ("task=mine", "workers=0", "zarr_format=3")


def nothing(_: World, __: Path) -> None:
    """Put nothing there beforehand."""


def copied(name: str) -> Callable[[World, Path], None]:
    """Put a copy of an input where the command writes into it."""

    def put(world: World, out: Path) -> None:
        shutil.copytree(world.path(name), out)

    return put


@dataclass(frozen=True)
class Stage:
    """A command that writes.

    Attributes:
        name: Of it.
        script: The script.
        arguments: Its arguments; inputs as `<store>`, where it writes as `<out>`.
        ending: Of the name that it writes to.
        prepare: Puts there what the command needs to find.
        makes_store: Whether it writes a store of this project's.
    """

    name: str
    script: str
    arguments: tuple[str, ...]
    ending: str = ""
    prepare: Callable[[World, Path], None] = nothing
    makes_store: bool = False

    def command(self, world: World, out: Path) -> tuple[str, ...]:
        """Give the command that writes to a place."""
        inputs = {f"<{name}>": str(world.path(name)) for name in INPUTS}
        return (self.script, *(_put({**inputs, "<out>": str(out)}, a) for a in self.arguments))

    def out(self, folder: Path) -> Path:
        """Give the place to write to, below a folder."""
        return folder / f"out{self.ending}"


INPUTS = ("store", "shard", "filmed", "dp3", "d4rl", "dapg", "minari", "robomimic", "run")


def _put(places: dict[str, str], argument: str) -> str:
    for mark, place in places.items():
        argument = argument.replace(mark, place)
    return argument


PRETRAIN = ("data=<store>", "out=<out>", "stage=pretrain", "pretrain.steps=12", *PLANNER)
FINETUNE = ("init_from=<run>", "out=<out>", "stage=finetune", *PLAYED, *FINETUNING)
COLLECT, CONVERT, ENCODE = "datasets/collect.py", "datasets/convert.py", "policy/encode.py"
EIGHT = ("episodes=8", "out=<out>")
EVALUATE = ("checkpoint=<run>", "out=<out>", "episodes=3", "envs=1", "threads=1")
RECORD = ("checkpoint=<run>", "out=<out>", "episodes=3", "workers=0")

_STORES = (  # They write a store of this project's.
    Stage("collect", COLLECT, (*SEEN, "workers=0", *EIGHT)),
    Stage("collect-workers", COLLECT, (*SEEN, "workers=1", *EIGHT, "zarr_format=3")),
    Stage("convert-dp3", CONVERT, ("from=<dp3>", "to=<out>", *FOREIGN, "images=[img]")),
    Stage("convert-robomimic", CONVERT, ("from=<robomimic>", "to=<out>", *FOREIGN)),
    Stage("convert-d4rl", CONVERT, ("from=<d4rl>", "to=<out>", *ADROIT)),
    Stage("convert-dapg", CONVERT, ("from=<dapg>", "to=<out>", *ADROIT)),
    Stage("convert-minari", CONVERT, ("from=<minari>", "to=<out>", *ADROIT)),
    Stage("merge", "datasets/merge.py", ("data=[<store>,<shard>]", "out=<out>")),
    Stage("render", "datasets/render.py", ("data=<store>", "out=<out>", "workers=0", "points=48")),
    Stage(
        "encode", ENCODE, ("data=<out>", "checkpoint=<run>", "threads=1"), prepare=copied("store")
    ),
    Stage("encode-state", ENCODE, ("data=<out>", "what=state"), prepare=copied("store")),
    Stage("record", "policy/record.py", RECORD),
    Stage("write-zarr2", "tests/robustness/write.py", ("120", "2", "out=<out>")),
    Stage("write-zarr3", "tests/robustness/write.py", ("120", "3", "out=<out>")),
)
STAGES = (
    *(replace(stage, ending=".zarr", makes_store=True) for stage in _STORES),
    Stage("pretrain", "policy/train.py", PRETRAIN),
    Stage("finetune", "policy/train.py", FINETUNE),
    Stage("evaluate", "policy/evaluate.py", (*EVALUATE, "workers=1")),
    Stage("export-lerobot", CONVERT, ("from=<filmed>", "to=<out>", "target=lerobot")),
    Stage("export-dp3", CONVERT, ("from=<store>", "to=<out>", "target=dp3"), ".zarr"),
    Stage("export-robomimic", CONVERT, ("from=<store>", "to=<out>"), ".hdf5"),
)
