"""Measure what the pen's planner sees and what noise costs: `python -m studies.pen_probe`.

Needs `data/adroit-pen-256.zarr` and the planner of `policy/experiment.py experiment=adroit-images
only=planners`. Writes `results/pen-repetition/probe.json`, in some minutes.
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
from policy.pipeline.config import TrainConfig
from policy.planner.checkpoint import load_planner
from policy.planner.planner import FirstPlan, Planner
from policy.reports.result import ROOT
from policy.rollouts.evaluation import evaluation_seeds
from policy.rollouts.loading import make_envs
from policy.rollouts.rollout import roll_out
from studies.probes import Frames, of_scenes, pointing, predict

CHECKPOINT = Path("outputs/planners/adroit-pen/checkpoints/pretrain.safetensors")
STORE = Path("data/adroit-pen-256.zarr")
MIN_STDS = (0.0, 0.03, 0.05, 0.1)
EPISODES, SIDE_BY_SIDE, FRAMES = 50, 10, 24_000


def main() -> None:
    """Evaluate with each least std, then predict directions from what the planner sees."""
    torch.set_num_threads(1)
    config = compose(TrainConfig, "train", ["env=adroit-pen", "env.view.points=256"])
    planner, _ = load_planner(ROOT / CHECKPOINT)
    report = {
        "command": "python -m studies.pen_probe",
        "planner": str(CHECKPOINT),
        "episodes_each": EPISODES,
        "success_by_least_deviation": success_by_min_std(planner, config),
        "frames": FRAMES,
        "median_angle_deg": angles(planner, AdroitSimulator(config.task.config)),
    }
    path = ROOT / "results" / "pen-repetition" / "probe.json"
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def success_by_min_std(planner: Planner, config: TrainConfig) -> dict[str, float]:
    """Evaluate with noise added as when exploring."""
    envs = make_envs(config.task.config, planner, envs=SIDE_BY_SIDE, workers=config.machine.workers)
    seeds, found = evaluation_seeds(0, EPISODES), {}
    for min_std in MIN_STDS:
        parts = (seeds[i : i + SIDE_BY_SIDE] for i in range(0, EPISODES, SIDE_BY_SIDE))
        won = [
            roll_out(
                planner, envs, p, success_at="end", decide=FirstPlan(planner, min_std)
            ).episodes.successes
            for p in parts
        ]
        found[str(min_std)] = round(torch.cat(won).float().mean().item(), 3)
    envs.close()
    return found


def angles(planner: Planner, simulator: AdroitSimulator) -> dict[str, dict[str, float]]:
    """Predict the wanted direction and the pen's on held-out episodes (every fifth).

    From nothing (the mean), the robot's state, and the planner's features of the cloud.
    """
    frames = Frames(ROOT / STORE, FRAMES, of_scenes(simulator, directions))
    features = frames.features(planner)
    sources = {
        "mean of all": torch.zeros(FRAMES, 1),
        "robot_state": frames.robot_state,
        "features": features,
    }
    return {name: median_angles(frames, source) for name, source in sources.items()}


def directions(model: mujoco.MjModel, data: mujoco.MjData) -> Float[np.ndarray, " 6"]:
    """Give along what the wanted pen and the real one point."""
    return np.concatenate([pointing(model, data, body) for body in ("target", "Object")])


def median_angles(frames: Frames, inputs: Float[Tensor, "frame number"]) -> dict[str, float]:
    """Give the median angle between predictions and the truth, in degrees."""
    predicted = predict(inputs, frames.truth, frames.held_out)
    pairs = (part.unflatten(1, (2, 3)) for part in (predicted, frames.truth[frames.held_out]))
    cosines = torch.cosine_similarity(*pairs, dim=-1)
    medians = torch.rad2deg(cosines.clamp(-1, 1).acos()).median(dim=0).values
    return {name: round(m.item(), 1) for name, m in zip(("wanted", "pen"), medians, strict=True)}


if __name__ == "__main__":
    main()
