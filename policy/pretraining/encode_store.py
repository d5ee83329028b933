"""What a planner's eye makes of every cloud of a store, or the simulator's features, kept in it."""

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from tqdm import tqdm

from datasets.collection.state_features import STATE_FEATURE, state_features
from datasets.store.store import EpisodeStore
from perception.errors import InputError
from policy.planner.checkpoint import load_planner
from policy.planner.planner import Planner
from policy.runs.device import DeviceName, prepare

logger = logging.getLogger(__name__)

NAME = "visual_feature"
STEPS = 500  # Clouds encoded at a time.


@dataclass(frozen=True)
class EncodeConfig:
    """What to make of which store; every key is explained in configs/scripts/encode.yaml."""

    data: Path
    what: Literal["visual", "state"]
    checkpoint: Path | None
    device: DeviceName
    threads: int


def encode(config: EncodeConfig) -> None:
    """Write `data/visual_feature` (step, 64) or `data/state_feature` (step, feature), float32.

    One that is there is made anew.

    Raises:
        InputError: The store or the planner is missing, they are of other kinds of clouds, or the
            store's episodes cannot be acted again.
    """
    store = EpisodeStore.open(config.data)
    if config.what == "state":
        store.add_array(STATE_FEATURE, state_features(store), {})
        logger.info("written to %s", config.data / "data" / STATE_FEATURE)
        return
    if config.checkpoint is None:
        raise InputError("what=visual needs checkpoint=<a planner's file>")
    _encode_clouds(store, config, config.checkpoint)


def _encode_clouds(store: EpisodeStore, config: EncodeConfig, checkpoint: Path) -> None:
    device = prepare(config.device, config.threads)
    planner, _ = load_planner(checkpoint)
    channels = store.read("point_cloud", slice(0, 1)).shape[-1]
    if channels != planner.sizes.channels:
        raise InputError(
            f"{checkpoint} sees points of {planner.sizes.channels} numbers;"
            f" {config.data} has {channels}"
        )
    about = {"eye_sha256": eye_sha256(planner), "checkpoint": str(checkpoint)}
    store.add_array(NAME, _encoded(store, planner.to(device)), about)
    logger.info("written to %s", config.data / "data" / NAME)


def _encoded(store: EpisodeStore, planner: Planner) -> Iterator[np.ndarray]:
    for start in tqdm(range(0, store.steps, STEPS), "encode", unit=f"{STEPS} clouds"):
        points = torch.from_numpy(store.read("point_cloud", slice(start, start + STEPS)))
        with torch.no_grad():
            features = planner.visual(points.to(planner.device))
        yield features.cpu().numpy()


def eye_sha256(planner: Planner) -> str:
    """Identify the part of a planner that sees clouds, with its normaliser."""
    found = hashlib.sha256()
    for module in (planner.normalizer.points, planner.encoder.cloud):
        for name, values in sorted(module.state_dict().items()):
            found.update(name.encode() + values.cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def check_encoder(store: EpisodeStore, checkpoint: Path) -> None:
    """Refuse features that another planner has made.

    Raises:
        InputError: The checkpoint is missing, or is not the one.
    """
    planner, _ = load_planner(checkpoint)
    made = store.about(NAME)
    if made.get("eye_sha256") != eye_sha256(planner):
        raise InputError(
            f"The features of {store.path} were made by {made.get('checkpoint')}, not by"
            f" {checkpoint}: give that checkpoint=, or encode again"
        )
