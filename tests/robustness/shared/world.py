"""One small thing of every kind that the commands read: stores, foreign files, a run."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from configs.command import compose
from datasets.collection.collector import CollectConfig, collect
from datasets.formats.converter import convert
from datasets.store.store import EpisodeStore
from policy.pipeline.config import TrainConfig
from policy.pipeline.stages import train
from tests.helpers.foreign_data import (
    convert_config,
    write_d4rl,
    write_dapg,
    write_dp3,
    write_minari,
    write_robomimic,
)

# As small as a planner can be and still act.
SEEN = ("env.episode_steps=12", "points=32", "env.view.image_size=32")
PLANNER = (
    "denoiser.widths=[16,32,48]",
    "denoiser.step_features=16",
    "planner.sampling_steps=2",
    "planner.denoising_steps=10",
    "threads=1",
    "envs=1",
    "workers=0",
    "episodes=1",
    "pretrain.batch=8",
    "pretrain.log_every=2",
    "pretrain.save_every=2",
)
OF_PRETRAINING = ("denoiser.", "planner.", "pretrain.")  # Refused where that is over.
PLAYED = tuple(part for part in PLANNER if not part.startswith(OF_PRETRAINING))
FINETUNING = (
    "finetune.episodes=4",
    "finetune.initial_episodes=1",
    "finetune.initial_limit=2",
    "finetune.gradient_steps=2",
    "finetune.algorithm.batch=8",
    "finetune.evaluate_every=2",
    "finetune.evaluate_episodes=1",
)


@dataclass(frozen=True)
class World:
    """Where each input lies.

    Attributes:
        folder: Holds all of them, by the names that `path` takes.
    """

    folder: Path

    def path(self, name: str) -> Path:
        """Give an input's place."""
        return self.folder / NAMES[name]


NAMES = {
    "store": "store.zarr",  # Collected, Zarr v2.
    "store3": "store3.zarr",  # The same as Zarr v3.
    "shard": "shard.zarr",  # Of another seed.
    "filmed": "filmed.zarr",  # Clouds recorded elsewhere, with pictures.
    "dp3": "dp3.zarr",
    "d4rl": "door.hdf5",
    "dapg": "demos.pickle",
    "minari": "tiny/door-v0",
    "robomimic": "lift.hdf5",
    "run": "run",  # Pre-trained, its state still there.
}


def make_world(folder: Path, episodes: int = 4) -> World:
    """Make all of them."""
    world = World(folder)
    for name, own in (("store", "seed=0"), ("store3", "zarr_format=3"), ("shard", "seed=1")):
        out = f"out={world.path(name)}"
        given = [*SEEN, out, f"episodes={episodes}", "workers=0", own]
        collect(compose(CollectConfig, "collect", given))
    write_d4rl(world.path("d4rl"), EpisodeStore.open(world.path("store")))
    write_dapg(world.path("dapg"), "door", episodes=episodes)
    write_dp3(world.path("dp3"))
    write_robomimic(world.path("robomimic"))
    with pytest.MonkeyPatch.context() as patch:
        write_minari(patch, folder, steps=12, with_states=True)
    filmed = ("points=null", "task=mine", "images=[img]")
    convert(convert_config(world.path("dp3"), world.path("filmed"), *filmed))
    run = (f"data={world.path('store')}", f"out={world.path('run')}", "pretrain.steps=4")
    train(compose(TrainConfig, "train", [*PLANNER, *run, "stage=pretrain"]))
    return world
