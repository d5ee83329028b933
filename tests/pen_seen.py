"""Ask what the pen's planner sees and what noise does to it: `python -m tests.pen_seen`.

Needs `data/adroit-pen-256.zarr` and the planner of `policy/experiment.py experiment=adroit-images
only=planners`. Writes `results/pen-repetition/looked.json`, in some minutes.
"""

import json
from pathlib import Path

import mujoco
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from configs.schema import compose
from datasets.store import EpisodeStore
from envs.adroit import AdroitSimulator
from envs.state import SCENE
from policy.checkpoint import load_planner
from policy.evaluation import evaluation_seeds
from policy.judging import make_envs
from policy.planner import Planner
from policy.results import ROOT
from policy.rollout import roll_out
from policy.training import TrainConfig

CHECKPOINT = Path("outputs/planners/adroit-pen/checkpoints/pretrain.safetensors")
STORE = Path("data/adroit-pen-256.zarr")
FLOORS = (0.0, 0.03, 0.05, 0.1)
EPISODES, SIDE_BY_SIDE, FRAMES, STEPS = 50, 10, 24_000, 3000


def main() -> None:
    """Play with each least deviation, then guess directions from what the planner sees."""
    torch.set_num_threads(1)
    config = compose(TrainConfig, "train", ["env=adroit-pen", "env.view.points=256"])
    planner, _ = load_planner(ROOT / CHECKPOINT)
    told = {
        "command": "python -m tests.pen_seen",
        "planner": str(CHECKPOINT),
        "episodes_each": EPISODES,
        "success_by_least_deviation": success_by_floor(planner, config),
        "frames": FRAMES,
        "median_angle_deg": angles(planner, AdroitSimulator(config.env)),
    }
    path = ROOT / "results" / "pen-repetition" / "looked.json"
    path.write_text(json.dumps(told, indent=2) + "\n")


def success_by_floor(planner: Planner, config: TrainConfig) -> dict[str, float]:
    """Evaluate with noise added as when exploring."""
    envs = make_envs(config.env, planner, envs=SIDE_BY_SIDE, workers=config.workers)
    seeds, found = evaluation_seeds(0, EPISODES), {}
    for floor in FLOORS:
        parts = (seeds[i : i + SIDE_BY_SIDE] for i in range(0, EPISODES, SIDE_BY_SIDE))
        won = [roll_out(planner, envs, p, success_at="end", floor=floor).successes for p in parts]
        found[str(floor)] = round(torch.cat(won).float().mean().item(), 3)
    envs.close()
    return found


def angles(planner: Planner, simulator: AdroitSimulator) -> dict[str, dict[str, float]]:
    """Guess the wanted direction and the pen's on held-out episodes (every fifth), from each of:
    nothing (the mean), the robot's readings, and the planner's features of the cloud.
    """
    torch.manual_seed(0)
    store = EpisodeStore.open(ROOT / STORE)
    rows = np.sort(np.random.default_rng(0).choice(store.steps, FRAMES, replace=False))
    held_out = torch.from_numpy(np.searchsorted(store.episode_ends, rows, side="right") % 5 == 0)
    clouds = torch.from_numpy(store.read("point_cloud")[rows])
    readings = torch.from_numpy(store.read("state")[rows])
    wanted = directions(simulator, store.read("sim_state")[rows])
    with torch.no_grad():
        features = torch.cat([planner.visual(part) for part in clouds.split(500)])
    sources = {"mean of all": torch.zeros(FRAMES, 1), "readings": readings, "features": features}
    return {name: guess(source, wanted, held_out) for name, source in sources.items()}


def directions(
    simulator: AdroitSimulator, states: Float[np.ndarray, "frame number"]
) -> Float[Tensor, "frame 6"]:
    """Give along what the wanted pen and the real one point."""
    model, data = simulator.model, simulator.data
    bodies = [model.body(name).id for name in ("target", "Object")]
    found = []
    for state in states:
        simulator.layout.write(model, data, SCENE, state=state)
        mujoco.mj_kinematics(model, data)
        found.append(np.concatenate([data.xmat[body].reshape(3, 3)[:, 2] for body in bodies]))
    return torch.tensor(np.array(found), dtype=torch.float32)


def guess(
    seen: Float[Tensor, "frame number"],
    wanted: Float[Tensor, "frame 6"],
    held_out: Tensor,
) -> dict[str, float]:
    """Teach a network of two layers; give the median angle between its guesses and the truth."""
    network = nn.Sequential(nn.Linear(seen.shape[1], 256), nn.ReLU(), nn.Linear(256, 6))
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    known = (~held_out).nonzero()[:, 0]
    for _ in range(STEPS):
        batch = known[torch.randint(len(known), (256,))]
        optimizer.zero_grad()
        (network(seen[batch]) - wanted[batch]).square().mean().backward()
        optimizer.step()
    with torch.no_grad():
        made = network(seen[held_out]).unflatten(1, (2, 3))
    cosines = torch.cosine_similarity(made, wanted[held_out].unflatten(1, (2, 3)), dim=-1)
    medians = torch.rad2deg(cosines.clamp(-1, 1).acos()).median(dim=0).values
    return {name: round(m.item(), 1) for name, m in zip(("wanted", "pen"), medians, strict=True)}


if __name__ == "__main__":
    main()
