"""How a policy plans, how the planner denoises, and the dimensions of its data."""

from dataclasses import dataclass
from typing import Annotated, Literal, cast

from configs.kinds import Kind, OneOf, find_kind
from configs.ranges import Share, Steps, between
from datasets.collection.further import Asked
from perception.encoders import dp3
from perception.errors import InputError
from perception.observation import Observes

ENCODERS, DENOISERS = "perception.encoders", "policy.planner.denoisers"
POLICIES = "policy.planner.policies"
DP3 = dp3.Config("dp3")  # The encoder of every file that is older than the choice.


@dataclass(frozen=True, kw_only=True)
class PolicyConfig:
    """How a policy looks back and ahead; every kind adds keys of its own.

    Attributes:
        kind: The module's name, among the policies (`policy/planner/policies/`).
        history: Observations it takes, T_o.
        horizon: Actions it plans, T_p.
        chunk: Actions it executes before it plans again, T_a.
        encoder: Which network encodes observations, and its sizes.
    """

    kind: str
    history: Steps
    horizon: Steps
    chunk: Steps
    encoder: Annotated[Kind, OneOf(ENCODERS)] = DP3

    @property
    def observed(self) -> int:
        """Steps of a training window whose observations the loss takes."""
        return self.history

    @property
    def asked(self) -> Asked:
        """What training windows tell beside observations and actions."""
        return Asked()

    def of_tasks(self, names: tuple[str, ...]) -> "PolicyConfig":
        """Give the same for data of these tasks; they are known where a prompt is asked for."""
        return self

    @property
    def padded(self) -> int:
        """Steps by which a training window may leave the end of an episode, and one more."""
        return self.chunk

    def check(self) -> None:
        """Refuse numbers that do not go together, once all are decided.

        Raises:
            InputError: The plan is shorter than what is executed of it.
        """
        least = self.history + self.chunk - 1
        if self.horizon < least:
            raise InputError(
                f"planner.horizon={self.horizon} must be at least planner.history +"
                f" planner.chunk - 1 = {least}"
            )


@dataclass(frozen=True, kw_only=True)
class PlannerConfig(PolicyConfig):
    """How the diffusion planner denoises.

    Attributes:
        prediction: What the network predicts: the `noise` (the paper) or the clean `start` (DP3).
        denoising_steps: K.
        sampling_steps: DDIM steps taken when acting.
        eta: Share of DDPM's noise in them.
        spacing: Where they lie; see `Schedule.cosine`.
        denoiser: Which network denoises, and its sizes.
        use_clipped_model_output: Whether the noise of a step follows from the clipped prediction;
            see `Schedule.step`. Files from before the choice do so.
        temperature: What the noise is multiplied by from which the planner plans as it acts alone,
            that of sampling steps included: 1 draws from what was learned, 0 always plans the same
            (low-temperature sampling: Diffuser, Janner et al., ICML 2022; Decision Diffuser, Ajay
            et al., ICLR 2023). Files from before the choice have 1.
    """

    kind: Literal["diffusion"] = "diffusion"
    prediction: Literal["noise", "start"]
    denoising_steps: Annotated[int, between(1, 10_000)]
    sampling_steps: Annotated[int, between(1, 10_000)]
    eta: Share
    spacing: Literal["trailing", "leading"]
    denoiser: Annotated[Kind, OneOf(DENOISERS)]
    use_clipped_model_output: bool = True
    temperature: Share = 1.0

    def check(self) -> None:
        """Refuse numbers that do not go together, once all are decided.

        Raises:
            InputError: The plan is shorter than what is executed of it, the network cannot halve
                it, or sampling cannot visit the denoising steps evenly.
        """
        super().check()
        check_halved(self.horizon, self.denoiser)
        if self.denoising_steps % self.sampling_steps:
            raise InputError(
                f"planner.sampling_steps={self.sampling_steps} must divide"
                f" planner.denoising_steps={self.denoising_steps}"
            )


def check_halved(horizon: int, denoiser: Kind) -> None:
    """Refuse plans that a network cannot halve between its levels.

    Raises:
        InputError: It cannot.
    """
    multiple = getattr(denoiser, "horizon_multiple", 1)
    if horizon % multiple:
        raise InputError(
            f"planner.horizon={horizon} must be a multiple of {multiple}: the"
            " denoiser halves it between its levels"
        )


@dataclass(frozen=True)
class Sizes:
    """The dimensions of a task's data; `channels` are those of a point, or of a pixel."""

    channels: int
    robot_state: int
    actions: int


def observed_by(encoder: Kind) -> Observes:
    """Tell what an encoder will observe, before there is one; see `Encoder.observes`."""
    choice = find_kind(ENCODERS, encoder.kind)
    own = getattr(choice.make, "observes", "points")
    return cast(Observes, getattr(choice.config, "observes", own))
