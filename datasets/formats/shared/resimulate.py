"""Episodes without clouds: Adroit's are acted again from their start, or restored."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from datasets.episode import Provenance, Recording
from datasets.formats.shared.source import Converted, Drift
from datasets.recorder import render
from envs.adroit.recovery import recover
from envs.adroit.restore import DRAWN, AdroitState, apart, check_sizes, place
from envs.adroit.simulator import AdroitSimulator
from envs.config import EnvConfig
from envs.make import make_scene, make_simulator
from perception.errors import InputError

LARGEST = 1e10  # MuJoCo's mjMAXVAL: beyond it, a state is set back without a word.


@dataclass(frozen=True)
class Acted:
    """An episode whose start and actions were recorded.

    Attributes:
        where: Which one, for errors.
        start: The simulator's state before the first action, if that was recorded.
        posed: Whether to start from the pose that the first observation shows.
        observations: Before each action, and after the last if there is one more.
        actions: Beyond [-1, 1] they are clipped, as they were when they were recorded.
        terminals: After which of them nothing could follow, if that was recorded.
    """

    where: str
    start: AdroitState | None
    posed: bool
    observations: Float[np.ndarray, "state feature"]
    actions: Float[np.ndarray, "time action"]
    terminals: Bool[np.ndarray, " time"] | None = None

    def check(self, simulator: AdroitSimulator, task: str) -> None:
        """Refuse what cannot be acted, without acting it.

        Raises:
            InputError: The start or a size is not this task's, or the start is out of bounds.
        """
        check_sizes(task, self.observations.shape[1], self.actions.shape[1], self.where)
        if self.start is not None:
            with _named(self.where):
                place(simulator, self.start)

    def record(self, simulator: AdroitSimulator, task: str) -> tuple[Recording, Drift]:
        """Act it again; rewards, successes and states are ours.

        Raises:
            InputError: The start or a size is not this task's.
        """
        check_sizes(task, self.observations.shape[1], self.actions.shape[1], self.where)
        self._begin(simulator, task)
        start = simulator.save_state()
        drifts = [apart(task, simulator.observation(), self.observations[0])]
        actions = np.clip(self.actions, -1, 1).astype(np.float32)
        states, scenes, outcomes = [], [], []
        for step, action in enumerate(actions):
            states.append(simulator.robot_state())
            scenes.append(simulator.scene_state())
            outcomes.append(simulator.step(action))
            if step + 1 < len(self.observations):
                drifts.append(apart(task, simulator.observed, self.observations[step + 1]))
        recording = Recording(
            np.array(states, np.float32),
            actions,
            np.array([outcome.reward for outcome in outcomes], np.float32),
            np.array([outcome.success for outcome in outcomes], bool),
            np.array(scenes, np.float64),
            _unseeded(start),
        )
        return recording, _drift(drifts)

    def _begin(self, simulator: AdroitSimulator, task: str) -> None:
        start = self.start
        with _named(self.where):
            if start is not None:
                place(simulator, start)
            if start is None or self.posed:
                first = self.observations[0].astype(np.float64)
                place(simulator, recover(simulator, task, first, near=start))


@dataclass(frozen=True)
class Placed:
    """An episode whose every state was recorded.

    Attributes:
        where: Which one, for errors.
        states: Before each action, and after the last.
        observations: At each state.
        actions: Between the states.
        rewards: As recorded, times the task's scale.
        terminals: After which actions nothing could follow, if that was recorded.
        successes: Whether the state after each action has reached the goal; None asks
            the simulator.
    """

    where: str
    states: tuple[AdroitState, ...]
    observations: Float[np.ndarray, "state feature"]
    actions: Float[np.ndarray, "time action"]
    rewards: Float[np.ndarray, " time"]
    terminals: Bool[np.ndarray, " time"] | None = None
    successes: Bool[np.ndarray, " time"] | None = None

    def check(self, simulator: AdroitSimulator, task: str) -> None:
        """Refuse what cannot be restored, by its first state.

        Raises:
            InputError: A size is not this task's, or a state is out of bounds.
        """
        check_sizes(task, self.observations.shape[1], self.actions.shape[1], self.where)
        with _named(self.where):
            place(simulator, self.states[0])

    def record(self, simulator: AdroitSimulator, task: str) -> tuple[Recording, Drift]:
        """Restore every state; an action succeeds if the state after it has reached the goal.

        Raises:
            InputError: A size is not this task's.
        """
        check_sizes(task, self.observations.shape[1], self.actions.shape[1], self.where)
        starts: list[np.ndarray] = []
        states, scenes, reached, drifts = [], [], [], []
        for state, observation in zip(self.states, self.observations, strict=True):
            with _named(self.where):
                place(simulator, state)
            starts = starts or [simulator.save_state()]
            states.append(simulator.robot_state())
            scenes.append(simulator.scene_state())
            if self.successes is None:
                reached.append(simulator.reached())
            drifts.append(apart(task, simulator.observation(), observation))
        recording = Recording(
            np.array(states[:-1], np.float32),
            np.clip(self.actions, -1, 1).astype(np.float32),
            self.rewards.astype(np.float32),
            np.array(reached[1:], bool) if self.successes is None else self.successes,
            np.array(scenes[:-1], np.float64),
            _unseeded(starts[0]),
        )
        return recording, _drift(drifts)


Job = Acted | Placed


def require_adroit(env: EnvConfig, format_: str) -> None:
    """Refuse a task that is none of Adroit's.

    Raises:
        InputError: It is another simulator's.
    """
    if env.simulator != "adroit":
        raise InputError(f"{format_} is data of Adroit; choose env=adroit-door, -hammer or -pen")


def require_judgeable(env: EnvConfig) -> None:
    """Refuse to tell success by a rule that a recorded state alone does not answer.

    Raises:
        InputError: It is gymnasium-robotics' own.
    """
    if env.success != "dp3":
        raise InputError("Recorded states are judged by DP3's rule: choose env.success=dp3")


def state_of(state: Any, task: str, where: str) -> AdroitState:  # noqa: ANN401 (a foreign file)
    """Read a state with care.

    Raises:
        InputError: It is no dictionary, lacks a part, or one holds no numbers within reason.
    """
    if not isinstance(state, Mapping):
        raise InputError(f"{where} is no dictionary of qpos, qvel and {DRAWN[task]}")
    for name in {"qpos", "qvel", DRAWN[task]}.intersection(state):  # What is missing: below.
        values = np.asarray(state[name])
        if values.dtype.kind not in "biuf":
            raise InputError(f"{where}: {name} holds no numbers, but {values.dtype}")
        if not (np.abs(values) < LARGEST).all():
            raise InputError(f"{where}: {name} holds NaN or numbers beyond {LARGEST:g}")
    return AdroitState.read(state, task, where)


def states_of(state: dict[str, np.ndarray], task: str, where: str) -> tuple[AdroitState, ...]:
    """Cut arrays over time into states."""
    steps = min(len(values) for values in state.values())
    return tuple(
        state_of({key: values[i] for key, values in state.items()}, task, f"{where}, state {i}")
        for i in range(steps)
    )


@runtime_checkable
class Replayed(Protocol):
    """An episode that a simulator of its own family makes whole; see `Acted`."""

    @property
    def terminals(self) -> Bool[np.ndarray, " time"] | None:
        """After which actions nothing could follow, if that was recorded."""

    def check(self, simulator: Any, task: str) -> None:  # noqa: ANN401
        """Refuse what cannot be made whole."""

    def record(self, simulator: Any, task: str) -> tuple[Recording, Drift | None]:  # noqa: ANN401
        """Make it whole, and say how far it is from what was recorded."""


def make_work(env: EnvConfig, images: tuple[str, ...]) -> Callable[[Replayed], Converted]:
    """Prepare a process to replay and render episodes."""
    simulator = make_simulator(env)
    scene = make_scene(simulator, env)

    def work(job: Replayed) -> Converted:
        recording, drift = job.record(simulator, env.task)
        episode = render(recording, scene, images)
        if job.terminals is not None:
            episode = replace(episode, further={**episode.further, "terminal": job.terminals})
        return Converted(episode, drift)

    return work


@contextmanager
def _named(where: str) -> Iterator[None]:
    """Say of which episode an error is."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _unseeded(start: Float[np.ndarray, " number"]) -> Provenance:
    return Provenance(seed=-1, noise=0.0, random_share=0.0, start=start)


def _drift(drifts: list[float]) -> Drift:
    return Drift(float(np.median(drifts)), float(np.max(drifts)), drifts[-1])
