"""BC-RNN: an LSTM with a mixture of Gaussians, robomimic's (Mandlekar et al., CoRL 2021).

It learns from sequences of single observations, each with the action taken then. While it acts, its
hidden state is carried along, and forgotten as often as its sequences were long; each action is the
mean of a mode that is drawn, as robomimic evaluates it (its std of 1e-4 is left out).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from configs.ranges import Width, between
from perception.errors import InputError
from policy.planner.config import PolicyConfig, Sizes
from policy.planner.decision import Decision
from policy.planner.policy import Draws, Policy

LEAST_STD = 1e-4


@dataclass(frozen=True, kw_only=True)
class Config(PolicyConfig):
    """Sizes of the network; `horizon` is the length of a sequence.

    Attributes:
        hidden: Width of the LSTM.
        layers: How many there are.
        modes: Gaussians of the mixture.
    """

    kind: Literal["bcrnn"]
    hidden: Width
    layers: Annotated[int, between(1, 8)]
    modes: Annotated[int, between(1, 100)]

    @property
    def observed(self) -> int:
        """Every step of a sequence is observed."""
        return self.horizon

    @property
    def padded(self) -> int:
        """A sequence may begin at any step; behind its episode the last one is repeated."""
        return self.horizon

    def check(self) -> None:
        """Refuse what is no recurrent policy.

        Raises:
            InputError: It looks back or ahead by itself.
        """
        super().check()
        if (self.history, self.chunk) != (1, 1):
            raise InputError(
                f"planner.history={self.history} and planner.chunk={self.chunk}: a recurrent policy"
                " sees one observation and takes one action at a time; give 1 for both"
            )


class BcRnn(Policy):
    """The network; see `Policy`."""

    config: Config

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__(config, sizes)
        self.lstm = nn.LSTM(self.encoder.features, config.hidden, config.layers, batch_first=True)
        self.head = nn.Linear(config.hidden, config.modes * (2 * sizes.actions + 1))

    def draw(self, count: int, generator: torch.Generator | None = None) -> Draws:
        """Draw nothing."""
        return ()

    def loss_of(
        self,
        context: Float[Tensor, "batch context"],
        actions: Float[Tensor, "batch horizon action"],
        drawn: Draws,
    ) -> Float[Tensor, ""]:
        """Compute the mean negative log-likelihood of each action, given all seen until then."""
        seen = context.unflatten(1, (self.config.horizon, -1))
        hidden, _ = self.lstm(seen)
        likelihood: Tensor = self.mixture(hidden.float()).log_prob(actions)
        return -likelihood.mean()

    def mixture(self, hidden: Float[Tensor, "*lead hidden"]) -> MixtureSameFamily:
        """Give the distribution of the next action."""
        modes, actions = self.config.modes, self.sizes.actions
        means, stds, logits = self.head(hidden).split([modes * actions, modes * actions, modes], -1)
        shape = (modes, actions)
        std = F.softplus(stds.unflatten(-1, shape)) + LEAST_STD
        each = Independent(Normal(means.unflatten(-1, shape).tanh(), std), 1)
        return MixtureSameFamily(Categorical(logits=logits), each)

    def begin(self, count: int) -> "Recurrent":
        """Give what acts in new episodes, nothing being remembered."""
        return Recurrent(self)


class Recurrent:
    """Acts by what a policy remembers of each episode."""

    def __init__(self, policy: BcRnn) -> None:
        self._policy = policy
        self._memory: tuple[Tensor, Tensor] | None = None

    def __call__(
        self,
        contexts: Float[Tensor, "env context"],
        generators: Sequence[torch.Generator],
        elapsed: int,
        features: Float[Tensor, "env feature"] | None = None,
    ) -> Decision:
        """Take in an observation of each episode, and give its next action."""
        policy = self._policy
        if elapsed % policy.config.horizon == 0:
            self._memory = None
        hidden, self._memory = policy.lstm(contexts[:, None], self._memory)
        mixture = policy.mixture(hidden[:, 0])
        weights, means = mixture.mixture_distribution.probs, mixture.component_distribution.mean
        pairs = zip(weights.cpu(), generators, strict=True)
        drawn = [torch.multinomial(weight, 1, generator=own) for weight, own in pairs]
        mode = torch.cat(drawn).to(means.device)
        action = means[torch.arange(len(means), device=means.device), mode]
        # Only the first is executed: what comes after it is not known before it is observed.
        return Decision.of(action[:, None].expand(-1, policy.config.horizon, -1), None)


def make(config: Config, sizes: Sizes) -> BcRnn:
    """Make a policy without weights that mean anything."""
    return BcRnn(config, sizes)
