"""A small valid command line of every script: what the grammar spoils.

`<store>`, `<run>` and the like stand for inputs of `shared/world.py`; a command is given copies.
"""

from dataclasses import dataclass

from tests.robustness.shared.world import FINETUNING, PLANNER

EPISODE = "env.episode_steps=4"
CLOUD = ("points=32", "env.view.image_size=32")
PLAYED = ("episodes=1", "workers=0")
TRAINED = (*PLANNER, EPISODE, "pretrain.steps=1")
CONVERTED = ("datasets/convert.py", "to=new.zarr", "workers=0")


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
    weight: int = 1


BASES = (
    Base("datasets/collect.py", "collect", (EPISODE, *CLOUD, *PLAYED, "out=new.zarr"), 8),
    Base(
        "datasets/collect.py",
        "collect",
        ("env=metaworld", "env.task=reach", "behaviour=scripted", EPISODE, *CLOUD, *PLAYED, "out=new.zarr"),
        2,
    ),  # fmt: skip
    Base("datasets/collect.py", "collect", ("env=adroit", "behaviour=random", *PLAYED, "points=32"), 1),
    Base("datasets/collect.py", "collect", ("behaviour=random", EPISODE, "points=0", *PLAYED, "out=new.zarr")),
    Base("datasets/convert.py", "convert", ("from=<dp3>", "to=new.zarr", "task=mine", "workers=0"), 3),
    Base("datasets/convert.py", "convert", ("from=<robomimic>", "to=new.zarr", "task=mine", "workers=0"), 2),
    Base("datasets/convert.py", "convert", ("from=<d4rl>", "to=new.zarr", "workers=0", *CLOUD)),
    Base("datasets/convert.py", "convert", ("from=<dapg>", "to=new.zarr", "workers=0", *CLOUD)),
    Base("datasets/convert.py", "convert", ("from=<minari>", "to=new.zarr", "workers=0", *CLOUD)),
    Base("datasets/convert.py", "convert", ("from=<filmed>", "to=new", "target=lerobot")),
    Base("datasets/convert.py", "convert", ("from=<store>", "to=new.zarr", "target=dp3")),
    Base("datasets/convert.py", "convert", ("from=<store>", "to=new.hdf5"), 2),
    Base("datasets/merge.py", "merge", ("data=[<store>,<shard>]", "out=new.zarr"), 3),
    Base("datasets/render.py", "render", ("data=<store>", "out=new.zarr", "workers=0", "points=16"), 4),
    Base("datasets/summary.py", "summary", ("data=<store>", "out=new.json"), 2),
    Base("datasets/view.py", "view-data", ("data=<store>", "out=new.html"), 2),
    Base("policy/encode.py", "encode", ("data=<store>", "checkpoint=<run>", "threads=1"), 3),
    Base("policy/encode.py", "encode", ("data=<store>", "what=state", "threads=1")),
    Base("policy/train.py", "train", ("data=<store>", "out=new", "stage=pretrain", *TRAINED), 9),
    Base("policy/train.py", "train", ("init_from=<run>", "out=new", "stage=zero_shot", *TRAINED)),
    Base("policy/train.py", "train", ("init_from=<run>", "out=new", "stage=finetune", *TRAINED, *FINETUNING), 4),
    Base("policy/evaluate.py", "evaluate", ("checkpoint=<run>", "envs=1", "threads=1", "gallery=0", *PLAYED, "out=new"), 4),
    Base("policy/record.py", "record", ("checkpoint=<run>", *PLAYED, "out=new.zarr"), 3),
    Base("policy/view.py", "view-rollout", ("checkpoint=<run>", "episodes=1", "size=[32,32]", "out=new.html"), 2),
    Base("policy/report.py", "report", ("results=.", "docs=null", "paper=null")),
    Base("policy/experiment.py", "experiment", ("experiment=adroit-images", "list=true"), 2),
    Base("policy/demo.py", "demo", ("collect=[episodes=0]", "train=[]")),
)
