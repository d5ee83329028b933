"""Features kept in a store: those of every cloud by a planner's encoder, or the simulator's."""

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from configs.progress import progress
from configs.ranges import Processes
from datasets.collection.state_features import STATE_FEATURE, state_features
from datasets.store.store import EpisodeStore
from perception.errors import InputError
from policy.planner.checkpoint import load_policy
from policy.planner.policy import Policy
from policy.runs.device import DeviceName, prepare
from policy.runs.run import find_checkpoint

logger = logging.getLogger(__name__)

NAME = "visual_feature"
STEPS = 500  # Clouds encoded at a time.


@dataclass(frozen=True)
class EncodeConfig:
    """What to write into which store; every key is explained in configs/scripts/encode.yaml."""

    data: Path
    what: Literal["visual", "state"]
    checkpoint: Path | None
    device: DeviceName
    threads: Processes


def encode(config: EncodeConfig) -> None:
    """Write `data/visual_feature` (step, 64) or `data/state_feature` (step, feature), float32.

    An array that is there already is replaced.

    Raises:
        InputError: The store or the planner is missing, their clouds are of other kinds, the
            planner encodes no clouds, or the store's episodes cannot be acted again.
    """
    store = EpisodeStore.open(config.data)
    if config.what == "state":
        store.add_array(STATE_FEATURE, state_features(store), {})
        logger.info("written to %s", config.data / "data" / STATE_FEATURE)
        return
    if config.checkpoint is None:
        raise InputError("what=visual needs checkpoint=<a planner's file>")
    _encode_clouds(store, config, find_checkpoint(config.checkpoint))


def _encode_clouds(store: EpisodeStore, config: EncodeConfig, checkpoint: Path) -> None:
    device = prepare(config.device, config.threads)
    planner, _ = load_policy(checkpoint)
    channels = store.read("point_cloud", slice(0, 1)).shape[-1]
    if channels != planner.sizes.channels:
        raise InputError(
            f"{checkpoint} encodes points of {planner.sizes.channels} numbers;"
            f" {config.data} has {channels}"
        )
    about = {"encoder_sha256": encoder_sha256(planner), "checkpoint": str(checkpoint)}
    store.add_array(NAME, _encoded(store, planner.to(device)), about)
    logger.info("written to %s", config.data / "data" / NAME)


def _encoded(store: EpisodeStore, planner: Policy) -> Iterator[np.ndarray]:
    for start in progress(range(0, store.steps, STEPS), "encode", unit=f"{STEPS}-cloud part"):
        points = torch.from_numpy(store.read("point_cloud", slice(start, start + STEPS)))
        with torch.no_grad():
            features = planner.visual(points.to(planner.device))
        yield features.cpu().numpy()


def encoder_sha256(planner: Policy) -> str:
    """Identify the part of a planner that encodes clouds, with its normaliser.

    Raises:
        InputError: Its encoder has no such part.
    """
    digest = hashlib.sha256()
    for module in (planner.normalizer.points, planner.encoder.visual_part):
        for name, values in sorted(module.state_dict().items()):
            digest.update(name.encode() + values.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def check_encoder(store: EpisodeStore, checkpoint: Path) -> None:
    """Refuse features that another planner's encoder has computed.

    Raises:
        InputError: The checkpoint is missing, or is not the one.
    """
    planner, _ = load_policy(checkpoint)
    about = store.about(NAME)
    written = about.get("encoder_sha256", about.get("eye_sha256"))  # The second in older stores.
    if written != encoder_sha256(planner):
        raise InputError(
            f"The features of {store.path} were made by {about.get('checkpoint')}, not by"
            f" {checkpoint}: give that one, or encode again"
        )


def copy_visual_part(source: Policy, target: Policy) -> None:
    """Give a planner another one's part that encodes clouds, with its normaliser, frozen.

    Raises:
        InputError: Their encoders differ, or have no such part.
    """
    if source.config.encoder != target.config.encoder:
        raise InputError(
            f"The features were made by an encoder {source.config.encoder}; this run has"
            f" {target.config.encoder}"
        )
    visual = target.encoder.visual_part
    visual.load_state_dict(source.encoder.visual_part.state_dict())
    visual.requires_grad_(requires_grad=False)
    target.normalizer.points.load_state_dict(source.normalizer.points.state_dict())
