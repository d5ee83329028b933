"""Probes: small networks that predict directions and places from a planner's frozen features."""

from collections.abc import Callable, Iterable
from pathlib import Path

import mujoco
import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from datasets.store.store import EpisodeStore
from envs.simulator import Simulator
from envs.state import SCENE
from perception.encoders.dp3 import POINT_FEATURES, PointNet
from policy.planner.checkpoint import load_planner
from policy.planner.planner import Planner
from policy.reports.result import ROOT

STEPS, BATCH = 3000, 128

Truth = Callable[[mujoco.MjModel, mujoco.MjData], np.ndarray]
# What is to be predicted of some steps of a store, (step, truth).
Truths = Callable[[EpisodeStore, Int[np.ndarray, " step"]], np.ndarray]


def planner_of(run: str, stage: str) -> Planner:
    """Read the planner that a stage of a run under outputs/ ended with."""
    return load_planner(ROOT / "outputs" / run / "checkpoints" / f"{stage}.safetensors")[0]


def read_off(
    simulator: Simulator, states: Iterable[np.ndarray], truth: Truth
) -> Float[np.ndarray, "state truth"]:
    """Restore each recorded state, and read a truth off the simulator."""
    model, data, found = simulator.model, simulator.data, []
    for state in states:
        simulator.layout.write(model, data, SCENE, state=state)
        mujoco.mj_kinematics(model, data)
        found.append(truth(model, data))
    return np.stack(found)


def of_scenes(simulator: Simulator, truth: Truth) -> Truths:
    """Read a truth off the simulator for steps of a store."""
    return lambda store, rows: read_off(simulator, store.read("sim_state")[rows], truth)


def pointing(model: mujoco.MjModel, data: mujoco.MjData, body: str) -> Float[np.ndarray, " 3"]:
    """Give along what a body points, its own z axis in the world frame."""
    found: np.ndarray = data.xmat[model.body(body).id].reshape(3, 3)[:, 2].copy()
    return found


class Frames:
    """Recorded frames, sampled at random, with what is to be predicted of each.

    Args:
        store: A store with clouds and simulator states.
        count: How many frames.
        truths: What to predict of them.

    Attributes:
        held_out: Whether each is of every fifth episode.
    """

    def __init__(self, store: Path, count: int, truths: Truths) -> None:
        opened = EpisodeStore.open(store)
        rows = np.sort(np.random.default_rng(0).choice(opened.steps, count, replace=False))
        episodes = np.searchsorted(opened.episode_ends, rows, side="right")
        self.held_out = torch.from_numpy(episodes % 5 == 0)
        self.clouds = torch.from_numpy(opened.read("point_cloud")[rows])
        self.robot_state = torch.from_numpy(opened.read("state")[rows])
        self.truth = torch.tensor(truths(opened, rows), dtype=torch.float32)

    @torch.no_grad()
    def features(self, planner: Planner) -> Float[Tensor, "frame feature"]:
        """Give what the planner's encoder makes of each cloud alone."""
        return torch.cat([planner.visual(part) for part in self.clouds.split(500)])


def predict(
    inputs: Float[Tensor, "frame ..."],
    wanted: Float[Tensor, "frame truth"],
    held_out: Bool[Tensor, " frame"],
    encoder: PointNet | None = None,
    steps: int = STEPS,
) -> Float[Tensor, "held truth"]:
    """Train a small network on the other frames; give its predictions for those held out.

    Args:
        inputs: Numbers of each frame, or its normalised cloud if there is an encoder.
        wanted: What to predict.
        held_out: Which frames are not trained on.
        encoder: Trained along, before the network.
        steps: Gradient steps.
    """
    torch.manual_seed(0)
    if encoder is None:
        inputs = _standard(inputs, held_out)[0]
    targets, scale, middle = _standard(wanted, held_out)
    width = inputs.shape[1] if encoder is None else POINT_FEATURES
    network = nn.Sequential(
        nn.Linear(width, 256),
        nn.ReLU(),
        nn.Linear(256, 256),
        nn.ReLU(),
        nn.Linear(256, targets.shape[1]),
    )
    if encoder is not None:
        network = nn.Sequential(encoder, network)
    _train(network, inputs[~held_out], targets[~held_out], steps)
    with torch.no_grad():
        predicted = torch.cat([network(part) for part in inputs[held_out].split(500)])
    return predicted * scale + middle


def _train(network: nn.Module, inputs: Tensor, targets: Tensor, steps: int) -> None:
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        batch = torch.randint(len(inputs), (BATCH,))
        optimizer.zero_grad()
        (network(inputs[batch]) - targets[batch]).square().mean().backward()
        optimizer.step()
        rates.step()


def _standard(values: Tensor, held_out: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Give values with mean 0 and std 1 over the frames trained on, then std and mean."""
    trained_on = values[~held_out]
    scale, middle = trained_on.std(0) + 1e-4, trained_on.mean(0)
    return (values - middle) / scale, scale, middle
