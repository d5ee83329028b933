"""The early (or late) part of the replay buffers of agents that learn, as SODP's data is."""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch

from configs.build import Inline
from configs.progress import progress
from configs.ranges import Rate, between
from configs.stopping import StoppedError, stop_request
from datasets.behaviours.behaviour import Collection, EpisodeSource
from datasets.behaviours.demonstrator import DemonstratorConfig, make_demonstrator
from datasets.behaviours.rl_agent import LearningConfig, RLAgent
from datasets.behaviours.training_state import fitting, load_state, save_state
from datasets.episode import Recording
from datasets.recorder import make_finish
from datasets.store.chunk_codecs import StoreFormat
from datasets.store.provenance import as_json
from datasets.store.store import EpisodeStore
from datasets.worker_pool import parallel_map
from envs.config import EnvConfig
from envs.make import make_simulator
from envs.seeding import derive_seed
from envs.simulator import Simulator
from perception.errors import InputError

logger = logging.getLogger(__name__)

RECENT_EPISODES = 100


@dataclass(frozen=True)
class ReplayConfig:
    """Which part of the training of which agents is data.

    Attributes:
        logs: Folder that keeps every step of every agent, and its checkpoint.
        agents: How many agents, each trained by itself.
        fraction: Share of each training that is kept.
        quality: The first part of it (`suboptimal`) or the last (`near_optimal`).
        learning: How they are trained.
    """

    logs: Path
    agents: Annotated[int, between(1, 1000)]
    fraction: Rate
    quality: Literal["suboptimal", "near_optimal"]
    learning: LearningConfig


@dataclass(frozen=True)
class Config:
    """Who learns, from whom, and what is kept of it.

    Attributes:
        kind: `rl_replay`.
        demonstrator: Who shows the agents success.
        replay: How they are trained, and which part of it is data.
    """

    kind: str
    demonstrator: Annotated[DemonstratorConfig, Inline()]
    replay: ReplayConfig


def make(config: Config, env: EnvConfig, simulator: Simulator) -> "RLReplay":
    """Make the behaviour; who shows success must exist for the task.

    Raises:
        InputError: Nobody can show success in this task.
    """
    make_demonstrator(config.demonstrator, env, simulator)
    return RLReplay(config)


@dataclass(frozen=True)
class RLReplay:
    """Agents that learn, and the part of their training that is wanted; see `Behaviour`."""

    config: Config

    def episodes(self, collection: Collection) -> EpisodeSource:
        """Train the agents, then draw what is wanted of their episodes."""
        logs = TrainingLogs(
            collection.env, self.config, seed=collection.seed, zarr_format=collection.zarr_format
        )
        logs.train(workers=collection.workers, launcher=collection.launcher)
        places = logs.places()[: collection.episodes]
        make_work = partial(make_finish, collection.env, collection.images)
        return EpisodeSource(lambda first: logs.recordings(places[first:]), len(places), make_work)


@dataclass(frozen=True)
class Place:
    """Where an episode is: in which agent's log, and at which of its steps it began."""

    agent_step: int
    agent: int
    index: int


class TrainingLogs:
    """The logs of all agents of a task: every episode of their training.

    Args:
        env: The task.
        config: How they are trained.
        seed: Agent number i has its randomness from (seed, i).
        zarr_format: Of the logs.
    """

    def __init__(self, env: EnvConfig, config: Config, *, seed: int, zarr_format: int) -> None:
        self.env, self.demonstrator, self.replay = env, config.demonstrator, config.replay
        self.seed, self.zarr_format = seed, zarr_format

    def train(self, *, workers: int, launcher: str) -> None:
        """Train each agent to its end, from where it was; several at a time.

        Raises:
            StoppedError: Somebody asked to stop; each agent goes on from what it saved last.
        """
        agents = range(self.replay.agents)
        make_work = partial(_make_work, self)
        workers = min(workers, len(agents))
        if workers == 0:  # In this process Ctrl-C ends a training at once.
            self._tell(parallel_map(make_work, agents, workers=0))
            return
        with stop_request() as stop:
            self._tell(
                parallel_map(make_work, agents, workers=workers, launcher=launcher, stop=stop)
            )
            if stop.requested:
                raise StoppedError(
                    f"stopped while agents were trained, whose logs are in {self.replay.logs};"
                    " the same command goes on"
                )

    @staticmethod
    def _tell(logs: Iterable[Path]) -> None:
        for log in logs:
            logger.info("%s is whole", log)

    def log(self, agent: int) -> Path:
        """Name the log of an agent."""
        return self.replay.logs / f"agent{agent}.zarr"

    def places(self) -> list[Place]:
        """List the kept episodes of all agents, those that began early in the training first."""
        steps, share = self.replay.learning.steps, self.replay.fraction
        low, high = (
            (0, share * steps)
            if self.replay.quality == "suboptimal"
            else ((1 - share) * steps, steps)
        )
        places = []
        for agent in range(self.replay.agents):
            began = EpisodeStore.open(self.log(agent)).read("meta/agent_step")
            kept = np.flatnonzero((began >= low) & (began < high))
            places += [Place(int(began[index]), agent, int(index)) for index in kept]
        return sorted(places, key=lambda place: (place.agent_step, place.agent))

    def recordings(self, places: list[Place]) -> Iterator[Recording]:
        """Read episodes."""
        logs = [EpisodeStore.open(self.log(agent)) for agent in range(self.replay.agents)]
        return (logs[place.agent].read_recording(place.index) for place in places)

    def attributes(self, agent: int) -> dict[str, Any]:
        """Say what a log is; "identity" is what must agree to go on with it."""
        env, learning = asdict(self.env), asdict(self.replay.learning)
        del env["view"]  # Agents see the state.
        for passing in ("steps", "save_every"):  # A training can be made longer.
            del learning[passing]
        identity = {
            "env": env,
            "demonstrator": asdict(self.demonstrator),
            "learning": learning,
            "seed": self.seed,
        }
        return {"identity": as_json(identity), "task": self.env.name, "agent": agent}


def _make_work(logs: TrainingLogs) -> Callable[[int], Path]:
    """Prepare a process to train agents."""
    torch.set_num_threads(1)  # Small networks; and the same numbers on every machine alike.
    return partial(_train, logs)


def _train(logs: TrainingLogs, agent: int) -> Path:
    """Train an agent to its end, from its last checkpoint."""
    config, path = logs.replay.learning, logs.log(agent)
    format_ = StoreFormat(logs.zarr_format, 0.0)
    with EpisodeStore.writing(path, format_, logs.attributes(agent)) as log:
        if log.steps >= config.steps:
            return path
        trained = _make_agent(logs, agent)
        saved = path.with_suffix(".state")
        if (state := load_state(saved)) is not None:
            with fitting(saved):
                trained.load(state)
        if trained.episodes > log.episodes:
            raise InputError(f"{path} is shorter than {saved} knows: delete both, and begin again")
        log.keep(trained.episodes)
        name = f"{logs.env.name}, agent {agent}"
        shown = progress(
            None, name, config.steps, initial=trained.step, unit="step", position=agent
        )
        recent: list[bool] = []
        while trained.step < config.steps:
            before = trained.step
            recording = trained.episode()
            log.append(recording)
            recent = [*recent, bool(recording.succeeded(logs.env.success_at))][-RECENT_EPISODES:]
            shown.update(trained.step - before)
            shown.set_postfix(success=f"{np.mean(recent):.0%}")
            due = trained.step // config.save_every > before // config.save_every
            if due or trained.step >= config.steps:
                save_state(trained.state(), saved)
        shown.close()
    return path


def _make_agent(logs: TrainingLogs, agent: int) -> RLAgent:
    simulator = make_simulator(logs.env)
    return RLAgent(
        simulator,
        make_demonstrator(logs.demonstrator, logs.env, simulator),
        logs.replay.learning,
        episode_steps=logs.env.episode_steps,
        success_at=logs.env.success_at,
        agent=agent,
        seed=derive_seed("agent", logs.seed, agent),
    )
