"""Measure what a planner's frozen features know of hand, object and goal.

    python -m studies.eye checkpoint=outputs/mt10 data=[data/a.zarr,data/b.zarr]

For each store, a small network learns from the features of single clouds where the three are, and
is judged on every fifth episode. Beside it stand the mean of all places, which needs no eye, and
with `taught=true` an encoder of the same kind that learns nothing else.
"""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from configs.command import script
from configs.files import write_text_whole
from configs.ranges import Count, Output, Stores
from datasets.collection.places import places_at
from datasets.store.store import EpisodeStore
from perception.encoders.dp3 import PointNet
from perception.errors import InputError
from policy.planner.checkpoint import load_planner
from policy.planner.planner import Planner
from policy.runs.run import find_checkpoint
from studies.probes import Frames, predict

logger = logging.getLogger(__name__)

THINGS = ("hand", "object", "goal")


@dataclass(frozen=True)
class EyeConfig:
    """Whose eye is tested, on what; every key is explained in configs/scripts/studies/eye.yaml."""

    checkpoint: Path
    data: Stores
    frames: Count
    steps: Count
    taught: bool
    out: Output


@script("studies/eye", EyeConfig)
def main(config: EyeConfig) -> None:
    """Probe the planner on every store, and write the errors."""
    torch.set_num_threads(1)
    path = find_checkpoint(config.checkpoint)
    planner, about = load_planner(path)
    if planner.observes != "points":
        raise InputError(f"{path} sees no clouds: there is no eye to test")
    found = []
    for store in config.data:
        found.append(probe(planner, store, config))
        logger.info("%s: %s", store, found[-1]["median_error_cm"])
    report = {
        "command": "python -m studies.eye",
        "planner": str(config.checkpoint),
        "made_for": about["task"],
        "probe_steps": config.steps,
        "stores": found,
    }
    write_text_whole(config.out, json.dumps(report, indent=1) + "\n")
    logger.info("written to %s", config.out)


def probe(planner: Planner, path: Path, config: EyeConfig) -> dict[str, Any]:
    """Give the errors on one store, and how its clouds were made.

    Raises:
        InputError: It holds no clouds like the planner's, no simulator states, or too few episodes;
            its simulator does not say where things are.
    """
    store = EpisodeStore.open(path)
    check(store, planner)
    frames = Frames(path, min(config.frames, store.steps), places)
    view = store.env.view
    errors = {
        "mean of all": error_cm(frames, torch.zeros(len(frames.truth), 1), config.steps),
        "features": error_cm(frames, frames.features(planner), config.steps),
    }
    if config.taught:
        clouds, encoder = planner.normalizer.points(frames.clouds), PointNet(planner.sizes.channels)
        errors["an encoder taught to"] = error_cm(frames, clouds, config.steps, encoder)
    return {
        "store": path.name,
        "task": store.env.name,
        "points": view.points,
        "image_size": view.image_size,
        "box": [list(view.crop_low), list(view.crop_high)],
        "frames": len(frames.truth),
        "median_error_cm": errors,
    }


def check(store: EpisodeStore, planner: Planner) -> None:
    """Refuse a store that cannot be probed.

    Raises:
        InputError: Why.
    """
    missing = {"point_cloud", "sim_state"} - set(store.names)
    if missing or "env" not in store.identity:
        what = " and ".join(sorted(missing)) or "description of its task"
        raise InputError(f"{store.path} holds no {what}: places cannot be read off a simulator")
    channels = store.read("point_cloud", slice(0, 1)).shape[-1]
    if channels != planner.sizes.channels:
        raise InputError(
            f"{store.path} has points of {channels} numbers, the planner takes"
            f" {planner.sizes.channels}"
        )
    if store.episodes < 2:
        raise InputError(f"{store.path} holds one episode: some are to be held out")


def places(store: EpisodeStore, rows: Int[np.ndarray, " step"]) -> Float[np.ndarray, "step 9"]:
    """Give where hand, object and goal are at some steps of a store, ascending; world metres.

    Raises:
        InputError: The simulator does not say.
    """
    found = [
        np.concatenate([getattr(where, thing) for thing in THINGS])
        for where in places_at(store, rows)
    ]
    return np.stack(found)


def error_cm(
    frames: Frames, inputs: Float[Tensor, "frame ..."], steps: int, encoder: PointNet | None = None
) -> dict[str, float]:
    """Give the median distance between predicted and true places, on what was held out."""
    predicted = predict(inputs, frames.truth, frames.held_out, encoder, steps)
    off = (predicted - frames.truth[frames.held_out]).unflatten(1, (len(THINGS), 3))
    medians = off.norm(dim=-1).median(dim=0).values * 100
    return {thing: round(m.item(), 2) for thing, m in zip(THINGS, medians, strict=True)}


if __name__ == "__main__":
    main()
