"""What the numbers of a planner must be to each other."""

from typing import Protocol

from configs.kinds import Kind
from perception.errors import InputError


class Planning(Protocol):
    """The numbers of a planner's configuration that depend on each other."""

    @property
    def history(self) -> int:
        """Observations it takes."""

    @property
    def horizon(self) -> int:
        """Actions it plans."""

    @property
    def chunk(self) -> int:
        """Actions it executes."""

    @property
    def denoising_steps(self) -> int:
        """K."""

    @property
    def sampling_steps(self) -> int:
        """How many of them are taken when acting."""

    @property
    def denoiser(self) -> Kind:
        """Which network denoises."""


def check_agreement(config: Planning) -> None:
    """Refuse numbers that do not go together, once all are decided.

    Raises:
        InputError: The plan is shorter than what is executed of it, the network cannot halve it, or
            sampling cannot visit the denoising steps evenly.
    """
    least = config.history + config.chunk - 1
    if config.horizon < least:
        raise InputError(
            f"planner.horizon={config.horizon} must be at least planner.history +"
            f" planner.chunk - 1 = {least}"
        )
    multiple = getattr(config.denoiser, "horizon_multiple", 1)
    if config.horizon % multiple:
        raise InputError(
            f"planner.horizon={config.horizon} must be a multiple of {multiple}: the denoiser"
            " halves it between its levels"
        )
    if config.denoising_steps % config.sampling_steps:
        raise InputError(
            f"planner.sampling_steps={config.sampling_steps} must divide"
            f" planner.denoising_steps={config.denoising_steps}"
        )
