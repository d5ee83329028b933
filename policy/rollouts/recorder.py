"""A planner's episodes as data: recorded like any other behaviour's, with the chains behind them.

Two arrays come on top of a store's own: `data/chain` (step, S+1, horizon, action), the whole
denoising of the plan made at that step, normalised, and zeros between plans; `data/planned`
(step,), whether one was made.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from datasets.behaviours.behaviour import EpisodeSource
from datasets.collection.collector import CollectConfig, Making, describe, fill
from datasets.episode import Episode, Provenance
from datasets.recorder import render, walk
from datasets.store.store import EpisodeStore
from envs.config import with_view
from envs.make import make_scene, make_simulator, settled
from envs.rendering.scene import Scene
from envs.seeding import derive_seed
from envs.simulator import Simulator
from perception.observation import Observation
from policy.planner.checkpoint import load_planner
from policy.planner.planner import Planner


class Acting:
    """A planner in one episode: sees, plans, and executes its chunks.

    Args:
        planner: Plans.
        simulator: Has been reset.
        scene: How it is seen.
        seed: The noise of the plans follows from it, as in an evaluation.
    """

    def __init__(self, planner: Planner, simulator: Simulator, scene: Scene, seed: int) -> None:
        self._planner, self._simulator, self._scene = planner, simulator, scene
        self._generator = torch.Generator().manual_seed(derive_seed("noise", seed, 0))
        self._moments: list[tuple[np.ndarray, np.ndarray]] = []
        self._waiting: list[np.ndarray] = []
        self.chains: list[Tensor | None] = []

    def act(self) -> Float[np.ndarray, " action"]:
        """Give the next action; plan, where none is waiting."""
        self._moments.append((self._simulator.scene_state(), self._simulator.robot_state()))
        chain = None
        if not self._waiting:
            chain = self._plan()
            actions = self._planner.to_actions(chain[:, -1])[0]
            self._waiting = list(actions.numpy())
        self.chains.append(None if chain is None else chain[0])
        return self._waiting.pop(0)

    def _plan(self) -> Float[Tensor, "1 level horizon action"]:
        context = self._planner.encode(self._history())
        return self._planner.sample(context, self._planner.noises([self._generator])).samples

    def _history(self) -> Observation[Tensor]:
        """Look at the last moments; before there are enough, the first stands for those missing."""
        history = self._planner.config.history
        missing = max(history - len(self._moments), 0)
        moments = [self._moments[0]] * missing + self._moments[-history:]
        points = np.stack([self._scene.points(state) for state, _ in moments])
        robot_state = np.stack([robot_state for _, robot_state in moments])
        return Observation(torch.from_numpy(points)[None], torch.from_numpy(robot_state)[None])


def record(config: CollectConfig, checkpoint: Path, episodes: int) -> None:
    """Record a planner until the store holds so many episodes."""
    env = with_view(config.env, config.points, config.cameras, config.colour)
    behaviour = {"kind": "planner", "checkpoint": str(checkpoint)}
    stored = (config.images, config.zarr_format, config.error_mm)
    making = Making(env, behaviour, config.seed, *stored)
    make = partial(make_planner_work, checkpoint, replace(config, env=settled(env)))

    def seeds(first: int) -> list[int]:
        return [derive_seed("data", config.seed, index) for index in range(first, episodes)]

    attributes = describe(making, make_simulator(env))
    with EpisodeStore.writing(config.out, making.format, attributes) as store:
        source = EpisodeSource(seeds, episodes, make)
        fill(store, source, env, workers=config.workers, launcher=config.launcher)


def make_planner_work(checkpoint: Path, config: CollectConfig) -> Callable[[int], Episode]:
    """Prepare a process to record a planner, one episode a seed.

    Raises:
        InputError: There is no such planner, or it is another task's.
    """
    torch.set_num_threads(1)
    planner, _ = load_planner(checkpoint)
    simulator = make_simulator(config.env)
    scene = make_scene(simulator, config.env)

    @torch.no_grad()
    def work(seed: int) -> Episode:
        simulator.reset(seed)
        acting = Acting(planner, simulator, scene, seed)
        provenance = Provenance(seed, 0.0, 0.0, simulator.save_state())
        steps = config.env.episode_steps
        recording = walk(simulator, acting.act, steps=steps, provenance=provenance)
        episode = render(recording, scene, config.images)
        return replace(episode, further={**episode.further, **_chains(acting.chains)})

    return work


def _chains(chains: list[Tensor | None]) -> dict[str, np.ndarray]:
    """Lay the chains beside the steps."""
    made = [chain for chain in chains if chain is not None]
    nothing = torch.zeros_like(made[0])
    laid = torch.stack([nothing if chain is None else chain for chain in chains])
    return {
        "chain": laid.numpy(),
        "planned": np.array([chain is not None for chain in chains]),
    }
