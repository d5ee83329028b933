"""What a behaviour is: whatever a store's episodes come from.

Each module of this folder with a `Config` is one behaviour; its `make(config, env, simulator)`
gives a `Behaviour`. Most are policies that act each episode anew from a seed: they inherit from
`SeededBehaviour` and say only how they act.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from configs.kinds import Kind, make_kind
from datasets.episode import Episode, Provenance, Recording
from datasets.recorder import make_finish, walk
from envs.config import EnvConfig
from envs.make import make_simulator
from envs.seeding import derive_seed
from envs.simulator import Simulator
from perception.errors import InputError

BEHAVIOURS = "datasets.behaviours"  # The package whose modules are the choices.
DEFAULT_EPISODES = 100
ATTEMPTS = 100  # At one success.


@dataclass(frozen=True)
class Collection:
    """Which episodes are wanted, and what may be used to make them.

    Attributes:
        env: The task, and how it is seen.
        behaviour: The configuration of who acts.
        episodes: How many; None leaves it to the behaviour.
        seed: Episode number i has its randomness from (seed, i).
        images: Pictures to keep beside the clouds: `img`, `depth`.
        workers: Processes; 0 works in this one.
        launcher: `process` or `ray`.
        zarr_format: Of stores that a behaviour keeps for itself.
        keep: `all` episodes, or `successes` alone: what fails is acted anew from another seed.
    """

    env: EnvConfig
    behaviour: Kind
    episodes: int | None
    seed: int
    images: tuple[str, ...]
    workers: int
    launcher: str
    zarr_format: int
    keep: Literal["all", "successes"] = "all"


@dataclass(frozen=True)
class EpisodeSource:
    """Where episodes come from.

    Attributes:
        jobs: What to make each of them from, in order, beginning with the episode of a number.
        total: How many there are.
        make: Prepares a process to make them; picklable.
    """

    jobs: Callable[[int], Iterable[Any]]
    total: int
    make: Callable[[], Callable[[Any], Episode | Recording]]


@runtime_checkable
class Behaviour(Protocol):
    """Whatever a store's episodes come from."""

    def episodes(self, collection: Collection) -> EpisodeSource:
        """Say where the wanted episodes come from; may work for hours before it answers."""


@runtime_checkable
class EpisodePolicy(Protocol):
    """A policy as it acts in one episode."""

    @property
    def noise(self) -> float:
        """Standard deviation of the noise on its actions, to be recorded."""

    @property
    def random_share(self) -> float:
        """Share of its actions that are random, to be recorded."""

    def act(self, simulator: Simulator, rng: np.random.Generator) -> Float[np.ndarray, " action"]:
        """Choose an action in [-1, 1]."""


@runtime_checkable
class SeededBehaviour(Behaviour, Protocol):
    """A policy that acts each episode anew; everything random about it follows from a seed."""

    def draw(self, rng: np.random.Generator) -> EpisodePolicy:
        """Choose how the next episode is acted."""

    def episodes(self, collection: Collection) -> EpisodeSource:
        """Act each episode from its own seed, in processes that each make this behaviour again."""
        return from_seeds(collection, partial(make_work, collection))


def from_seeds(
    collection: Collection, make: Callable[[], Callable[[int], Episode | Recording]]
) -> EpisodeSource:
    """Make each episode from its own seed.

    Args:
        collection: How many are wanted, and the seed that theirs follow from.
        make: Prepares a process to make an episode out of a seed; picklable.
    """
    total = DEFAULT_EPISODES if collection.episodes is None else collection.episodes

    def jobs(first: int) -> list[int]:
        return [derive_seed("data", collection.seed, index) for index in range(first, total)]

    return EpisodeSource(jobs, total, make)


def make_work(collection: Collection) -> Callable[[int], Episode | Recording]:
    """Prepare a process to make episodes out of their seeds."""
    env = collection.env
    simulator = make_simulator(env)
    finish = make_finish(env, collection.images, simulator)
    behaviour = make_kind(BEHAVIOURS, collection.behaviour, env, simulator)

    def recorded(seed: int) -> Recording:
        return act(simulator, behaviour, steps=env.episode_steps, seed=seed)

    def work(seed: int) -> Episode | Recording:
        if collection.keep == "all":
            return finish(recorded(seed))
        tries = (seed, *(derive_seed("again", seed, attempt) for attempt in range(1, ATTEMPTS)))
        for one in tries:
            recording = recorded(one)
            if recording.succeeded(env.success_at):
                return finish(recording)
        raise InputError(
            f"keep=successes: {ATTEMPTS} episodes of {env.name} in a row failed; give keep=all, or"
            " who acts better (behaviour=expert)"
        )

    return work


def act(simulator: Simulator, behaviour: SeededBehaviour, *, steps: int, seed: int) -> Recording:
    """Act one episode; everything random about it follows from the seed."""
    rng = np.random.default_rng(seed)
    simulator.reset(seed)
    policy = behaviour.draw(rng)
    provenance = Provenance(seed, policy.noise, policy.random_share, simulator.save_state())
    return walk(simulator, lambda: policy.act(simulator, rng), steps=steps, provenance=provenance)
