"""Measure which pens fail: `python -m studies.pen_goals`.

By the direction along which the pen is wanted to point: how often the recorded data has it so, and
how often a fine-tuned planner does, each pen played with several noises. Needs
`data/adroit-pen-256.zarr` and the runs of `policy/experiment.py experiment=pen-repetition`. Writes
`results/pen-repetition/goals.json` and `docs/pictures/pen-goals.png`, in a quarter of an hour.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import mujoco
import numpy as np
import torch
from jaxtyping import Bool, Float

from configs.command import compose
from datasets.store.store import EpisodeStore
from envs.adroit.simulator import AdroitSimulator
from policy.pipeline.config import TrainConfig
from policy.reports.result import ROOT
from policy.rollouts.evaluation import evaluation_seeds
from studies.probes import planner_of, pointing, read_off
from studies.repeated_noise import Outcomes, repeat

STORE = Path("data/adroit-pen-256.zarr")
RUNS = tuple(
    f"pen-repetition/adroit-pen/{variant}/seed{seed}"
    for variant in ("two_steps", "compared")
    for seed in (0, 1)
)
EPISODES, DRAWS = 100, 4
EDGES = (-1.0, -0.5, 0.0, 0.5, 1.0)  # Of the wanted direction's x.

Shares = dict[str, list[float]]


def main() -> None:
    """Count and draw."""
    torch.set_num_threads(1)
    config = compose(TrainConfig, "train", ["env=adroit-pen", "env.view.points=256"])
    simulator = AdroitSimulator(config.task.config)
    seeds = evaluation_seeds(0, EPISODES)
    recorded, at_end, ever = of_data(simulator)
    wanted = np.stack([wanted_at_reset(simulator, seed) for seed in seeds])
    played = {run: repeat(planner_of(run, "finetune"), config, seeds, DRAWS) for run in RUNS}
    report = {
        "command": "python -m studies.pen_goals",
        "edges_of_x": EDGES,
        "data": {"pens": len(recorded), **shares(recorded[:, 0], at_end, ever)},
        "played": {
            run: {
                "pens": EPISODES,
                "draws": DRAWS,
                "by_times_won": outcomes.by_times_won,
                **shares(
                    wanted[:, 0], outcomes.at_end.numpy().mean(0), outcomes.ever.numpy().mean(0)
                ),
            }
            for run, outcomes in played.items()
        },
    }
    path = ROOT / "results" / "pen-repetition" / "goals.json"
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    draw(ROOT / "docs/pictures/pen-goals.png", recorded, at_end, wanted, played)


def of_data(
    simulator: AdroitSimulator,
) -> tuple[Float[np.ndarray, "pen 3"], Bool[np.ndarray, " pen"], Bool[np.ndarray, " pen"]]:
    """Give what each recorded episode wanted, and whether it was so at its end and at any step."""
    store = EpisodeStore.open(ROOT / STORE)
    ends = np.asarray(store.episode_ends)
    starts = np.concatenate([[0], ends[:-1]])
    states, success = store.read("sim_state")[starts], store.read("success")
    wanted = read_off(simulator, states, direction)
    return wanted, success[ends - 1], np.logical_or.reduceat(success, starts)


def wanted_at_reset(simulator: AdroitSimulator, seed: int) -> Float[np.ndarray, " 3"]:
    """Give what the episode of a seed wants."""
    simulator.reset(seed)
    mujoco.mj_kinematics(simulator.model, simulator.data)
    return direction(simulator.model, simulator.data)


def direction(model: mujoco.MjModel, data: mujoco.MjData) -> Float[np.ndarray, " 3"]:
    """Give along what the wanted pen points."""
    return pointing(model, data, "target")


def shares(
    x: Float[np.ndarray, " pen"],
    at_end: Sequence[float] | np.ndarray,
    ever: Sequence[float] | np.ndarray,
) -> Shares:
    """Average success within each interval of x."""
    within = np.digitize(x, EDGES[1:-1])
    found: Shares = {"pens_within": [int((within == k).sum()) for k in range(len(EDGES) - 1)]}
    for name, values in (("at_end", np.asarray(at_end)), ("ever", np.asarray(ever))):
        means = [float(values[within == k].mean()) for k in range(len(EDGES) - 1)]
        found[name] = [round(mean, 3) for mean in means]
    return found


def draw(
    path: Path,
    recorded: Float[np.ndarray, "pen 3"],
    at_end: Bool[np.ndarray, " pen"],
    wanted: Float[np.ndarray, "played 3"],
    played: dict[str, Outcomes],
) -> None:
    """Draw every wanted direction seen along y, coloured by how often it was reached at the end."""
    panels = {"recorded data": (recorded, at_end.astype(float))}
    for run, outcomes in played.items():
        share = outcomes.at_end.float().mean(0).numpy()
        panels[", ".join(run.split("/")[-2:])] = (wanted, share)
    figure = plt.figure(figsize=(12.6, 6.8), layout="constrained")
    axes = []
    for place, (title, (places, share)) in enumerate(panels.items(), start=1):
        axis = figure.add_subplot(2, 3, place)
        axes.append(axis)
        order = np.argsort(share)
        dots = axis.scatter(
            places[order, 0], places[order, 2], c=share[order], s=12, cmap="viridis", vmin=0, vmax=1
        )
        axis.set(title=title, xlabel="wanted direction, x", ylabel="z", xlim=(-1, 1))
    figure.colorbar(dots, ax=axes, label="success at the end")
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
