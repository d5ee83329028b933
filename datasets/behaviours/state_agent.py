"""A small network that sees the simulator's state, made worse by noise: it makes data only."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from configs.ranges import Shares, Spread
from datasets.behaviours.noisy import NoisyBehaviour
from envs.config import EnvConfig
from envs.simulator import Simulator
from perception.errors import InputError

AGENTS = Path(__file__).resolve().parent / "agents"


@dataclass(frozen=True)
class Config:
    """Which agent acts, and how badly.

    Attributes:
        kind: `state_agent`.
        path: An agent's file; null takes the one shipped for the task.
        noise: Range of the standard deviation of the Gaussian noise added to each action, in
            units of the agent's own spread of actions.
        random_share: Range of the share of actions replaced by uniformly random ones.
    """

    kind: str
    path: Path | None
    noise: Spread
    random_share: Shares


@dataclass(frozen=True)
class StateAgent:
    """A tanh network with two hidden layers, scaled inputs and outputs.

    Actions are `out_scale * network((features - in_shift) / in_scale) + out_shift`, clipped to
    [-1, 1]. The layout is that of the policies of DAPG (Rajeswaran et al., RSS 2018).
    """

    w0: Float[np.ndarray, "hidden feature"]
    b0: Float[np.ndarray, " hidden"]
    w1: Float[np.ndarray, "hidden2 hidden"]
    b1: Float[np.ndarray, " hidden2"]
    w2: Float[np.ndarray, "action hidden2"]
    b2: Float[np.ndarray, " action"]
    in_shift: Float[np.ndarray, " feature"]
    in_scale: Float[np.ndarray, " feature"]
    out_shift: Float[np.ndarray, " action"]
    out_scale: Float[np.ndarray, " action"]

    @classmethod
    def load(cls, path: Path) -> "StateAgent":
        """Read an agent from an `.npz` file of plain arrays.

        Raises:
            InputError: There is no such file, or an array is missing.
        """
        if not path.exists():
            shipped = ", ".join(sorted(p.stem for p in AGENTS.glob("*.npz")))
            raise InputError(f"There is no agent {path}; shipped are {shipped}")
        with np.load(path, allow_pickle=False) as arrays:
            missing = set(cls.__dataclass_fields__) - set(arrays)
            if missing:
                raise InputError(f"{path} is no agent: it lacks {sorted(missing)}")
            return cls(**{n: arrays[n].astype(np.float32) for n in cls.__dataclass_fields__})

    def save(self, path: Path) -> None:
        """Write the agent as an `.npz` file."""
        np.savez_compressed(path, **asdict(self))

    def act(
        self, features: Float[np.ndarray, "*lead feature"]
    ) -> Float[np.ndarray, "*lead action"]:
        """Choose the action, without noise."""
        hidden = (features - self.in_shift) / (self.in_scale + 1e-8)
        hidden = np.tanh(hidden @ self.w0.T + self.b0)
        hidden = np.tanh(hidden @ self.w1.T + self.b1)
        output = self.out_scale * (hidden @ self.w2.T + self.b2) + self.out_shift
        return np.asarray(np.clip(output, -1, 1), np.float32)


def make(config: Config, env: EnvConfig, simulator: Simulator) -> NoisyBehaviour:
    """Make the agent of a file, or the one shipped for the task.

    Raises:
        InputError: There is no such file, or none is shipped for this task.
    """
    if config.path is None and not shipped(env.name).exists():
        raise InputError(f"No agent is shipped for {env.name}; choose behaviour=scripted or random")
    agent = StateAgent.load(config.path or shipped(env.name))
    return NoisyBehaviour(
        lambda simulator: agent.act(simulator.features()),
        agent.out_scale,
        config.noise,
        config.random_share,
    )


def shipped(task: str) -> Path:
    """Name the file of the agent that this project brings for a task, where it brings one."""
    return AGENTS / f"{task}.npz"
