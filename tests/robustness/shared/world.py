"""One small thing of every kind that the commands read: stores, foreign files, a run."""

from collections.abc import Callable
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
    "denoiser=unet-simple",
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
    "finetune=ppo_bc",
    "finetune.episodes=4",
    "finetune.initial_episodes=1",
    "finetune.initial_limit=2",
    "finetune.gradient_steps=2",
    "finetune.algorithm.batch=8",
    "finetune.evaluate_every=2",
    "finetune.evaluate_episodes=1",
)


EPISODES = 4


@dataclass(frozen=True)
class World:
    """Inputs by name, each made when it is asked for first.

    Attributes:
        folder: Holds all of them.
    """

    folder: Path

    def path(self, name: str) -> Path:
        """Give an input's place."""
        file, make = MADE[name]
        place = self.folder / file
        if not place.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            make(self, place)
        return place


def _collected(*own: str) -> "Make":
    def make(_: World, place: Path) -> None:
        given = [*SEEN, f"out={place}", f"episodes={EPISODES}", "workers=0", *own]
        collect(compose(CollectConfig, "collect", given))

    return make


def _as_d4rl(world: World, place: Path) -> None:
    write_d4rl(place, EpisodeStore.open(world.path("store")))


def _as_minari(world: World, _: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        write_minari(patch, world.folder, steps=12, with_states=True)


def _filmed(world: World, place: Path) -> None:
    own = ("points=null", "task=mine", "images=[img]")
    convert(convert_config(world.path("dp3"), place, *own))


def _pretrained(world: World, place: Path) -> None:
    own = [f"data={world.path('store')}", f"out={place}", "pretrain.steps=4", "stage=pretrain"]
    train(compose(TrainConfig, "train", [*PLANNER, *own]))


Make = Callable[[World, Path], object]
MADE: dict[str, tuple[str, Make]] = {
    "store": ("store.zarr", _collected()),  # Zarr v2.
    "store3": ("store3.zarr", _collected("zarr_format=3")),
    "shard": ("shard.zarr", _collected("seed=1")),
    "filmed": ("filmed.zarr", _filmed),  # Clouds recorded elsewhere, with pictures.
    "dp3": ("dp3.zarr", lambda _, place: write_dp3(place)),
    "d4rl": ("door.hdf5", _as_d4rl),
    "dapg": ("demos.pickle", lambda _, place: write_dapg(place, "door", episodes=EPISODES)),
    "minari": ("tiny/door-v0", _as_minari),
    "robomimic": ("lift.hdf5", lambda _, place: write_robomimic(place)),
    "run": ("run", _pretrained),  # Its training state is still there.
}
