"""Environments on a node of a Ray cluster: what they see comes back with every answer."""

import logging
from functools import partial

import numpy as np

from envs.config import EnvConfig
from envs.vector.answers import EndedError
from envs.vector.ray_actor import Actor
from envs.vector.workers import Local, Shapes, Shared, as_array, refusal, shared_array
from perception.errors import InputError

logger = logging.getLogger(__name__)

Sizes = dict[str, tuple[tuple[int, ...], str]]
Request = tuple[str, dict[int, int | None], np.ndarray]  # Command, seeds by environment, chunks.
Told = tuple[str | None, dict[str, np.ndarray]]  # Why it cannot be done, and what is seen now.


class OnRay:
    """The environments of one process on the cluster, and in a new one when that is lost.

    Args:
        config: The task.
        shapes: See `Shapes`.
        buffers: Where what they see is put; the chunks to execute are read from there.
        share: The numbers of its environments.
    """

    def __init__(
        self, config: EnvConfig, shapes: Shapes, buffers: dict[str, Shared], share: list[int]
    ) -> None:
        self.share = share
        self._arrays = {name: as_array(shared) for name, shared in buffers.items()}
        sizes = {name: (shape, kind) for name, (_, shape, kind) in buffers.items()}
        self._make = partial(_Far, config, shapes, sizes, share)
        self._actor = Actor(self._make)

    def send(self, command: str, envs: dict[int, int | None]) -> None:
        """Ask for a command."""
        self._asked = list(envs)
        self._actor.ask((command, envs, self._arrays["chunks"][self._asked]))

    def wait(self) -> bool:
        """Wait until it is done; False: the process was lost, and a new one stands in its place.

        Raises:
            InputError: What it was asked for cannot be done.
        """
        try:
            refused, seen = self._actor.answer()
        except EndedError as ended:
            logger.warning(
                "The worker of environments %s was lost (%s); a new one takes its place",
                self.share, ended,
            )  # fmt: skip
            self._actor.end()
            self._actor = Actor(self._make)
            return False
        if refused is not None:
            raise InputError(refused)
        for name, rows in seen.items():
            self._arrays[name][self._asked] = rows
        return True

    def close(self) -> None:
        """End the process."""
        self._actor.end()


class _Far:
    """The other side: the environments, with memory of their own to show what they see in."""

    def __init__(self, config: EnvConfig, shapes: Shapes, sizes: Sizes, share: list[int]) -> None:
        buffers = {name: shared_array(*size) for name, size in sizes.items()}
        self._arrays = {name: as_array(shared) for name, shared in buffers.items()}
        self._local = Local(config, shapes, buffers, share)

    def __call__(self, request: Request) -> Told:
        command, envs, chunks = request
        rows = list(envs)
        self._arrays["chunks"][rows] = chunks
        refused = refusal(self._local, command, envs)
        return refused, {n: a[rows] for n, a in self._arrays.items() if n != "chunks"}
