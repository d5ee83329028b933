"""What a Gymnasium environment keeps beside MuJoCo's state: numbers in Python, random numbers.

Goals, distances that the last step measured and the like are attributes of the environment, or of
an environment that it holds. They go into the saved state as numbers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
from jaxtyping import Float

Env = Any  # Gymnasium's environments declare none of what is read here.

GENERATOR = "_np_random"
WORD_BITS, WORDS = 32, 4  # PCG64 has two numbers of 128 bits; a float64 holds 53 exactly.


@dataclass(frozen=True)
class Attribute:
    """A number or an array that an environment keeps.

    Attributes:
        owner: The environment.
        name: Of the attribute.
        like: A value of it: its shape and type.
    """

    owner: Env
    name: str
    like: Any

    def read(self) -> Float[np.ndarray, " number"]:
        """Copy it out."""
        return np.asarray(getattr(self.owner, self.name), np.float64).ravel()

    def write(self, values: Float[np.ndarray, " number"]) -> None:
        """Put it back."""
        if isinstance(self.like, np.ndarray):
            value: Any = values.reshape(self.like.shape).astype(self.like.dtype)
        else:
            value = type(self.like)(values[0])
        setattr(self.owner, self.name, value)


@dataclass(frozen=True)
class Randomness:
    """The random numbers of an environment: those of some are drawn in the midst of episodes."""

    owner: Env

    def read(self) -> Float[np.ndarray, " number"]:
        """Copy the state of the generator out."""
        state = self.owner.np_random.bit_generator.state
        words = [_words(state["state"][key]) for key in ("state", "inc")]
        return np.array([*words[0], *words[1], state["has_uint32"], state["uinteger"]], np.float64)

    def write(self, values: Float[np.ndarray, " number"]) -> None:
        """Put it back."""
        whole = [int(value) for value in values]
        self.owner.np_random.bit_generator.state = {
            "bit_generator": "PCG64",
            "state": {"state": _number(whole[:WORDS]), "inc": _number(whole[WORDS : 2 * WORDS])},
            "has_uint32": whole[-2],
            "uinteger": whole[-1],
        }


class Memory:
    """All that some environments keep in Python.

    Args:
        envs: The environment and those that it holds, after a step: some fill their memory then.
        data: MuJoCo's; what only looks into its memory is no memory of theirs.
    """

    def __init__(self, envs: Sequence[Env], data: mujoco.MjData) -> None:
        self._parts: list[Attribute | Randomness] = []
        for env in envs:
            self._parts += _attributes(env, data)
            if isinstance(vars(env).get(GENERATOR), np.random.Generator):
                self._parts.append(Randomness(env))
        self._sizes = [len(part.read()) for part in self._parts]

    @property
    def size(self) -> int:
        """How many numbers it takes."""
        return sum(self._sizes)

    def read(self) -> Float[np.ndarray, " number"]:
        """Copy everything out."""
        return np.concatenate([np.zeros(0), *(part.read() for part in self._parts)])

    def write(self, values: Float[np.ndarray, " number"]) -> None:
        """Put everything back."""
        pieces = np.split(values, np.cumsum(self._sizes))
        for part, piece in zip(self._parts, pieces, strict=False):  # The last piece is empty.
            part.write(piece)


def with_inner(env: Env) -> list[Env]:
    """List an environment and those that it holds."""
    inner = [value for value in vars(env).values() if isinstance(value, gym.Env)]
    return [env, *inner]


def _attributes(env: Env, data: mujoco.MjData) -> Iterator[Attribute]:
    views = [getattr(data, name) for name in ("qpos", "qvel", "ctrl", "xpos", "site_xpos")]
    for name, value in sorted(vars(env).items()):
        if name == f"{GENERATOR}_seed":  # May have 128 bits, and nothing depends on it.
            continue
        if isinstance(value, bool | int | float | np.number):
            yield Attribute(env, name, value)
        elif isinstance(value, np.ndarray) and value.dtype.kind in "fib":
            own = not any(np.shares_memory(value, view) for view in views)
            yield from [Attribute(env, name, value.copy())] * own


def _words(number: int) -> list[int]:
    return [number >> (WORD_BITS * word) & (2**WORD_BITS - 1) for word in range(WORDS)]


def _number(words: Sequence[int]) -> int:
    return sum(word << (WORD_BITS * place) for place, word in enumerate(words))
