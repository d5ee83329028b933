"""What a planner's eye makes of every cloud of a store, kept beside the clouds."""

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from datasets.store import EpisodeStore
from perception.errors import InputError
from policy.checkpoint import load_planner
from policy.device import DeviceName, prepare
from policy.planner import Planner

logger = logging.getLogger(__name__)

NAME = "visual_feature"
STEPS = 500  # Clouds encoded at a time.


@dataclass(frozen=True)
class EncodeConfig:
    """Whose eye looks at which store; every key is explained in configs/encode.yaml."""

    data: Path
    checkpoint: Path
    device: DeviceName
    threads: int


def encode(config: EncodeConfig) -> None:
    """Write `data/visual_feature` (step, 64) float32; one that is there is made anew.

    Raises:
        InputError: The store or the planner is missing, or they are of other kinds of clouds.
    """
    device = prepare(config.device, config.threads)
    store = EpisodeStore.open(config.data)
    planner, _ = load_planner(config.checkpoint)
    channels = store.read("point_cloud", slice(0, 1)).shape[-1]
    if channels != planner.sizes.channels:
        raise InputError(
            f"{config.checkpoint} sees points of {planner.sizes.channels} numbers;"
            f" {config.data} has {channels}"
        )
    about = {"eye_sha256": eye_sha256(planner), "checkpoint": str(config.checkpoint)}
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


def check_eye(store: EpisodeStore, checkpoint: Path) -> None:
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
