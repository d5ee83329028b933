"""A small valid command line of every script: what the grammar spoils.

`<store>`, `<run>` and the like stand for inputs of `shared/world.py`; a command is given copies.
"""

from dataclasses import dataclass

from tests.robustness.shared.world import FINETUNING, PLANNER, PLAYED


@dataclass(frozen=True)
class Base:
    """A command line that works.

    Attributes:
        script: The script.
        config: The name of its configuration in `configs/scripts`.
        arguments: What makes it small.
        weight: How often it is drawn, beside the others.
    """

    script: str
    config: str
    arguments: tuple[str, ...]
    weight: int


def _bases(script: str, config: str, *drawn: tuple[int, str, tuple[str, ...]]) -> tuple[Base, ...]:
    """Give command lines of one script: how often each is drawn, and its arguments."""
    return tuple(Base(script, config, (*text.split(), *more), n) for n, text, more in drawn)


SEEN = ("env.episode_steps=4", "points=32", "env.view.image_size=32")
TRAINED = ("out=new", *PLANNER, "env.episode_steps=4", "pretrain.steps=1")
TUNED = ("out=new", *PLAYED, "env.episode_steps=4")
ONE = ("episodes=1", "workers=0")

BASES = (
    *_bases(
        "datasets/collect.py",
        "collect",
        (8, "out=new.zarr", (*SEEN, *ONE)),
        (2, "out=new.zarr env=metaworld env.task=reach behaviour=scripted", (*SEEN, *ONE)),
        (1, "env=adroit points=32", ONE),
        (1, "out=new.zarr behaviour=random env.episode_steps=4 points=0", ONE),
    ),
    *_bases(
        "datasets/convert.py",
        "convert",
        (3, "from=<dp3> to=new.zarr task=mine workers=0", ()),
        (2, "from=<robomimic> to=new.zarr task=mine workers=0", ()),
        (1, "from=<d4rl> to=new.zarr workers=0", SEEN),
        (1, "from=<dapg> to=new.zarr workers=0", SEEN),
        (1, "from=<minari> to=new.zarr workers=0", SEEN),
        (1, "from=<filmed> to=new target=lerobot", ()),
        (1, "from=<store> to=new.zarr target=dp3", ()),
        (2, "from=<store> to=new.hdf5", ()),
    ),
    *_bases("datasets/merge.py", "merge", (3, "data=[<store>,<shard>] out=new.zarr", ())),
    *_bases(
        "datasets/render.py", "render", (4, "data=<store> out=new.zarr workers=0 points=16", ())
    ),
    *_bases("datasets/summary.py", "summary", (2, "data=<store> out=new.json", ())),
    *_bases("datasets/view.py", "views/data", (2, "data=<store> out=new.html", ())),
    *_bases(
        "policy/encode.py",
        "encode",
        (3, "data=<store> checkpoint=<run> threads=1", ()),
        (1, "data=<store> what=state threads=1", ()),
    ),
    *_bases(
        "policy/train.py",
        "train",
        (9, "data=<store> stage=pretrain", TRAINED),
        (1, "init_from=<run> stage=zero_shot", TUNED),
        (4, "init_from=<run> stage=finetune", (*TUNED, *FINETUNING)),
    ),
    *_bases(
        "policy/evaluate.py",
        "evaluate",
        (4, "checkpoint=<run> out=new envs=1 threads=1 gallery=0", ONE),
    ),
    *_bases("policy/record.py", "record", (3, "checkpoint=<run> out=new.zarr", ONE)),
    *_bases(
        "policy/view.py",
        "views/rollout",
        (2, "checkpoint=<run> out=new.html episodes=1 size=[32,32]", ()),
    ),
    *_bases("policy/report.py", "report", (1, "results=. docs=null paper=null", ())),
    *_bases("policy/experiment.py", "experiment", (2, "experiment=adroit-images list=true", ())),
    *_bases("policy/demo.py", "demo", (1, "collect=[episodes=0] train=[]", ())),
)
