"""How far critics are trusted: by decisions that they have not learned from yet."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from jaxtyping import Float
from torch import Tensor

from configs.ranges import Count, between
from policy.finetuning.guided.calibration import Calibration
from policy.finetuning.guided.decisions import Decided


@dataclass(frozen=True)
class TrustConfig:
    """When critics have earned their edits.

    Attributes:
        correlation: The least, of values with what came, over the newest episodes: each before it
            is learned from, and compared with what others had at the same time.
        episodes: How many of the newest.
        rise: Trusted episodes until edits are whole.
    """

    correlation: Annotated[float, between(-1, 1)]
    episodes: Annotated[int, between(2, 2**16)]
    rise: Count


class Trust:
    """Grows with episodes in which critics expected what came, and is gone where they do not.

    Args:
        config: See `TrustConfig`.
        discount: Of what follows a chunk, as in the values.
    """

    def __init__(self, config: TrustConfig, discount: float) -> None:
        self._config, self._calibration = config, Calibration(discount, config.episodes)
        self._risen = 0.0

    @property
    def share(self) -> float:
        """Which share of an edit is used: none while the critics are not trusted."""
        return self._risen if self.correlation >= self._config.correlation else 0.0

    @property
    def correlation(self) -> float:
        """See `Calibration`."""
        return self._calibration.correlation

    def note(self, decided: Decided, values: Float[Tensor, " decision"]) -> None:
        """Note whole episodes that critics valued and have not learned from; see `Calibration`."""
        self._calibration.note(decided, values)
        if self.correlation >= self._config.correlation:
            self._risen = min(1.0, self._risen + float(decided.last.sum()) / self._config.rise)

    def state(self) -> dict[str, Any]:
        """Plain values and tensors, for a checkpoint."""
        return {"risen": self._risen, **self._calibration.state()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        self._risen = state["risen"]
        self._calibration.load(state)
