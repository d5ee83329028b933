"""What a planner's frozen eye tells: directions and places guessed from its features."""

from collections.abc import Callable, Iterable
from pathlib import Path

import mujoco
import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from datasets.store.store import EpisodeStore
from envs.adroit.simulator import AdroitSimulator
from envs.state import SCENE
from perception.encoders.dp3 import POINT_FEATURES, PointNet
from policy.planner.checkpoint import load_planner
from policy.planner.planner import Planner
from policy.reports.result import ROOT

STEPS, BATCH = 3000, 128

Truth = Callable[[mujoco.MjModel, mujoco.MjData], np.ndarray]


def planner_of(run: str, stage: str) -> Planner:
    """Read the planner that a stage of a run under outputs/ ended with."""
    return load_planner(ROOT / "outputs" / run / "checkpoints" / f"{stage}.safetensors")[0]


def read_off(
    simulator: AdroitSimulator, states: Iterable[np.ndarray], truth: Truth
) -> Float[np.ndarray, "state truth"]:
    """Put each recorded state, and give what is then true of it."""
    model, data, found = simulator.model, simulator.data, []
    for state in states:
        simulator.layout.write(model, data, SCENE, state=state)
        mujoco.mj_kinematics(model, data)
        found.append(truth(model, data))
    return np.stack(found)


def pointing(model: mujoco.MjModel, data: mujoco.MjData, body: str) -> Float[np.ndarray, " 3"]:
    """Give along what a body points, its own z axis in the world frame."""
    found: np.ndarray = data.xmat[model.body(body).id].reshape(3, 3)[:, 2].copy()
    return found


class Frames:
    """Recorded frames, drawn by chance, with what is to be guessed of each.

    Args:
        store: A store of Adroit's.
        count: How many frames.
        simulator: Of its task.
        truth: What to guess, read off the simulator once a recorded state is put.
    """

    def __init__(
        self,
        store: Path,
        count: int,
        simulator: AdroitSimulator,
        truth: Truth,
    ) -> None:
        opened = EpisodeStore.open(store)
        rows = np.sort(np.random.default_rng(0).choice(opened.steps, count, replace=False))
        episodes = np.searchsorted(opened.episode_ends, rows, side="right")
        self.held_out = torch.from_numpy(episodes % 5 == 0)
        self.clouds = torch.from_numpy(opened.read("point_cloud")[rows])
        self.robot_state = torch.from_numpy(opened.read("state")[rows])
        true = read_off(simulator, opened.read("sim_state")[rows], truth)
        self.truth = torch.tensor(true, dtype=torch.float32)

    @torch.no_grad()
    def features(self, planner: Planner) -> Float[Tensor, "frame feature"]:
        """Give what the planner's encoder makes of each cloud alone."""
        return torch.cat([planner.visual(part) for part in self.clouds.split(500)])


def guess(
    seen: Float[Tensor, "frame ..."],
    wanted: Float[Tensor, "frame truth"],
    held_out: Bool[Tensor, " frame"],
    eye: PointNet | None = None,
) -> Float[Tensor, "held truth"]:
    """Teach a small network on the other frames; give its guesses for those held out.

    Args:
        seen: Numbers of each frame, or its normalised cloud if there is an eye.
        wanted: What to guess.
        held_out: Which frames are not learned from.
        eye: Learns along, before the network.
    """
    torch.manual_seed(0)
    if eye is None:
        seen = _standard(seen, held_out)[0]
    aims, scale, middle = _standard(wanted, held_out)
    width = seen.shape[1] if eye is None else POINT_FEATURES
    network = nn.Sequential(
        nn.Linear(width, 256),
        nn.ReLU(),
        nn.Linear(256, 256),
        nn.ReLU(),
        nn.Linear(256, aims.shape[1]),
    )
    if eye is not None:
        network = nn.Sequential(eye, network)
    _teach(network, seen[~held_out], aims[~held_out])
    with torch.no_grad():
        guesses = torch.cat([network(part) for part in seen[held_out].split(500)])
    return guesses * scale + middle


def _teach(network: nn.Module, seen: Tensor, aims: Tensor) -> None:
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for _ in range(STEPS):
        batch = torch.randint(len(seen), (BATCH,))
        optimizer.zero_grad()
        (network(seen[batch]) - aims[batch]).square().mean().backward()
        optimizer.step()
        rates.step()


def _standard(values: Tensor, held_out: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Give values with mean 0 and deviation 1 over the frames learned from, and both of these."""
    known = values[~held_out]
    scale, middle = known.std(0) + 1e-4, known.mean(0)
    return (values - middle) / scale, scale, middle
