"""Measure what limits the door's planners: `python -m studies.door_limits`.

Whether the same doors stay shut with other denoising noise, and how exactly the frozen encoder
locates handle and palm. Needs `data/adroit-door-256.zarr`, the
planners of `policy/experiment.py experiment=encoders` and the runs of `experiment=door-repetition`.
Writes `results/encoders/door_limits.json`, in a quarter of an hour.
"""

import json
from pathlib import Path

import mujoco
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from configs.command import compose
from envs.adroit.simulator import AdroitSimulator
from perception.encoders.dp3 import PointNet
from policy.pipeline.config import TrainConfig
from policy.reports.result import ROOT
from policy.rollouts.evaluation import evaluation_seeds
from studies.probes import Frames, of_scenes, planner_of, predict
from studies.repeated_noise import repeat

RUNS = (
    "door-repetition/adroit-door/four_steps/seed0",
    "door-repetition/adroit-door/searched/seed0",
)
PLANNERS = ("adroit-door", "adroit-door-3000")
STORE = Path("data/adroit-door-256.zarr")
EPISODES, DRAWS, FRAMES = 60, 4, 24_000


def main() -> None:
    """Evaluate, probe, and write both."""
    torch.set_num_threads(1)
    config = compose(TrainConfig, "train", ["env=adroit-door", "env.view.points=256"])
    seeds = evaluation_seeds(0, EPISODES)
    truths = of_scenes(AdroitSimulator(config.task.config), places)
    frames = Frames(ROOT / STORE, FRAMES, truths)
    planners = {name: planner_of(f"planners/{name}", "pretrain") for name in PLANNERS}
    clouds = planners["adroit-door"].normalizer.points(frames.clouds)
    report = {
        "command": "python -m studies.door_limits",
        "episodes": EPISODES,
        "draws": DRAWS,
        "doors_by_times_opened": {
            run: repeat(planner_of(run, "finetune"), config, seeds, DRAWS).by_times_won
            for run in RUNS
        },
        "frames": FRAMES,
        "median_error_mm": {
            "mean of all": errors(frames, torch.zeros(FRAMES, 1)),
            "robot_state": errors(frames, frames.robot_state),
            **{name: errors(frames, frames.features(one)) for name, one in planners.items()},
            "an encoder trained to": errors(frames, clouds, PointNet(3)),
        },
    }
    path = ROOT / "results" / "encoders" / "door_limits.json"
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def places(model: mujoco.MjModel, data: mujoco.MjData) -> Float[np.ndarray, " 9"]:
    """Give where the handle is, where the palm is, and the way between, in decimetres."""
    handle, palm = (data.site(name).xpos.copy() for name in ("S_handle", "S_grasp"))
    return np.concatenate([handle, palm, handle - palm]) * 10


def errors(
    frames: Frames, inputs: Float[Tensor, "frame ..."], encoder: PointNet | None = None
) -> dict[str, float]:
    """Give the median distance between predictions and the truth, in millimetres."""
    predicted = predict(inputs, frames.truth, frames.held_out, encoder)
    off = predicted - frames.truth[frames.held_out]
    medians = off.unflatten(1, (3, 3)).norm(dim=-1).median(dim=0).values * 100
    names = ("handle", "palm", "palm to handle")
    return {name: round(m.item(), 1) for name, m in zip(names, medians, strict=True)}


if __name__ == "__main__":
    main()
