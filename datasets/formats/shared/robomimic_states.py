"""robomimic's demonstrations of robosuite's tasks: every recorded state is restored and drawn.

    data/demo_0/{states, actions[, rewards, obs/robot0_eef_pos]}; states are time, qpos and qvel

Nothing is acted again. The scene is ours of the task: the cube of `Lift`, whose size robosuite drew
for each demonstration (`model_file`), has one size here, up to a millimetre off.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from datasets.episode import Provenance, Recording
from datasets.formats.shared.hdf5 import entries, folder, numbered, reading, rows, shape
from datasets.formats.shared.layouts import Rules, Shape, require_alike
from datasets.formats.shared.outcomes import SUCCESS, read_successes
from datasets.formats.shared.resimulate import LARGEST
from datasets.formats.shared.source import Drift, ReadOptions, Source
from envs.config import EnvConfig
from envs.robosuite.simulator import RobosuiteSimulator
from perception.errors import InputError

HAND = "obs/robot0_eef_pos"
SOLVED = 1.0  # robosuite's reward from which its task is solved.
RULES = Rules(
    tables=frozenset({"actions", "states", HAND}), columns=frozenset({"rewards", SUCCESS})
)


@dataclass(frozen=True)
class Restored:
    """A demonstration whose every state was recorded.

    Attributes:
        where: Which one, for errors.
        states: Before each action.
        actions: As they were recorded.
        rewards: As recorded, if they were.
        reward_scale: The task's factor on them.
        successes: As recorded, if they were; else the simulator is asked.
        hands: Where the hand was recorded to be, if it was.
        terminals: Nobody knows: `dones` mean several things.
    """

    where: str
    states: Float[np.ndarray, "time number"]
    actions: Float[np.ndarray, "time action"]
    rewards: Float[np.ndarray, " time"] | None
    reward_scale: float
    successes: Bool[np.ndarray, " time"] | None
    hands: Float[np.ndarray, "time 3"] | None
    terminals: None = None

    def check(self, simulator: RobosuiteSimulator, _task: str) -> None:
        """Refuse what cannot be restored, by its first state.

        Raises:
            InputError: A size is not this task's, or a state is out of bounds.
        """
        if self.actions.shape[1] != simulator.action_size:
            raise InputError(
                f"{self.where}: actions of {self.actions.shape[1]} numbers are not the task's,"
                f" which has {simulator.action_size}"
            )
        if not (np.abs(self.states) < LARGEST).all():
            raise InputError(f"{self.where}: states holds numbers beyond {LARGEST:g}")
        self._place(simulator, self.states[0])

    def record(self, simulator: RobosuiteSimulator, task: str) -> tuple[Recording, Drift | None]:
        """Restore every state; an action succeeds if the state after it has reached the goal.

        Raises:
            InputError: A size is not this task's.
        """
        self.check(simulator, task)
        start = simulator.save_state()
        states, scenes, hands, reached = [], [], [], []
        for state in self.states:
            self._place(simulator, state)
            states.append(simulator.robot_state())
            scenes.append(simulator.scene_state())
            hands.append(simulator.hand())
            reached.append(simulator.reached())
        recording = Recording(
            np.array(states, np.float32),
            np.clip(self.actions, -1, 1).astype(np.float32),
            self._scaled(),
            self._judged(reached) if self.successes is None else self.successes,
            np.array(scenes, np.float64),
            Provenance(seed=-1, noise=0.0, random_share=0.0, start=start),
        )
        return recording, self._drift(np.array(hands))

    def _place(self, simulator: RobosuiteSimulator, state: Float[np.ndarray, " number"]) -> None:
        try:
            simulator.place(state.astype(np.float64))
        except InputError as error:
            raise InputError(f"{self.where}: {error}") from error

    def _scaled(self) -> Float[np.ndarray, " time"] | None:
        return None if self.rewards is None else (self.rewards * self.reward_scale).astype("f4")

    def _judged(self, reached: list[bool]) -> Bool[np.ndarray, " time"]:
        """Tell of each action whether it succeeded; of the last one its reward does."""
        solved = reached[-1] if self.rewards is None else bool(self.rewards[-1] >= SOLVED)
        return np.array([*reached[1:], solved], bool)

    def _drift(self, hands: Float[np.ndarray, "time 3"]) -> Drift | None:
        if self.hands is None:
            return None
        apart = np.abs(hands - self.hands).max(axis=1)
        return Drift(float(np.median(apart)), float(apart.max()), float(apart[-1]))


def has_states(path: Path, point_key: str) -> bool:
    """Tell whether a file's first demonstration holds simulator states, and no cloud."""
    demos = [name for name in entries(path, "data") if name.startswith("demo_")]
    if not demos:
        return False
    first = f"data/{demos[0]}"
    return "states" in entries(path, first) and point_key not in entries(path, f"{first}/obs")


def open_states(path: Path, env: EnvConfig, options: ReadOptions) -> Source:
    """Open a file of one of robosuite's tasks.

    Args:
        path: The HDF5 file.
        env: The task.
        options: None of them matters to how states are read.

    Raises:
        InputError: It is damaged, lacks an array, or its demonstrations differ.
    """
    if options.state_keys is not None:
        raise InputError("state_keys= does not apply where states are restored: leave it out")
    with reading(path) as file:
        data = folder(file, "data")
        demos = numbered(data, "demo_")
        shapes = {name: _shapes(folder(data, name)) for name in demos}
        require_alike(path.name, shapes, RULES)
        told = SUCCESS in data[demos[0]] or SUCCESS in data[demos[0]].attrs
    first = shapes[demos[0]]
    return Source(
        format="robomimic",
        lengths=tuple(one["actions"][0] for one in shapes.values()),
        read=partial(_read, path, demos, env.reward_scale),
        simulated=True,
        action_size=first["actions"][1],
        options={"reward_scale": env.reward_scale},
        about={
            "states": "as recorded",
            "rewards": f"as recorded, times the task's reward_scale ({env.reward_scale:g})"
            if "rewards" in first
            else "not recorded",
            "successes": "as recorded" if told else "by robosuite, at the state after the action",
        },
    )


def _shapes(demo: Any) -> Mapping[str, Shape]:  # noqa: ANN401 (h5py has no types)
    keys = ["actions", "states", *(key for key in ("rewards", SUCCESS) if key in demo)]
    return {key: shape(demo, key) for key in keys + [HAND] * _says_hand(demo)}


def _says_hand(demo: Any) -> bool:  # noqa: ANN401
    return "obs" in demo and HAND.partition("/")[2] in folder(demo, "obs")


def _read(path: Path, demos: list[str], reward_scale: float, index: int) -> Restored:
    with reading(path) as file:
        demo = file["data"][demos[index]]
        actions = rows(demo, "actions")
        return Restored(
            f"{path.name}, {demos[index]}",
            rows(demo, "states"),
            actions,
            rows(demo, "rewards").ravel() if "rewards" in demo else None,
            reward_scale,
            read_successes(demo, len(actions)),
            rows(demo, HAND) if _says_hand(demo) else None,
        )
