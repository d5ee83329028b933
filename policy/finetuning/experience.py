"""What is learned from: chunks with their histories, and the chains behind them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from perception.transfer import home, moved
from policy.rollouts.rollout import Rollout


@dataclass(frozen=True)
class Chunks:
    """Plans and what they were made from; clouds and robot states only where they are kept."""

    contexts: Float[Tensor, "chunk context"]
    points: Float[Tensor, "chunk history point channel"]
    robot_state: Float[Tensor, "chunk history reading"]
    plans: Float[Tensor, "chunk horizon action"]

    @classmethod
    def of(cls, rollout: Rollout, episodes: int | slice) -> "Chunks":
        """Take the chunks that were played in one or several episodes of a rollout."""
        data = rollout.chunks
        valid = data.valid[:, episodes]
        return cls(
            contexts=data.contexts[:, episodes][valid],
            points=data.points[:, episodes][valid],
            robot_state=data.robot_state[:, episodes][valid],
            plans=data.plans[:, episodes][valid].clamp(-1, 1),
        )

    @property
    def nbytes(self) -> int:
        """Bytes of all parts."""
        return sum(part.nbytes for part in vars(self).values())

    def kept_on(self, device: torch.device) -> "Chunks":
        """Keep everything on a device, if it fits there."""
        place = home(device, self.nbytes)
        return Chunks(**{name: moved(part, place) for name, part in vars(self).items()})

    def __getitem__(self, index: Int[Tensor, " batch"]) -> "Chunks":
        return Chunks(**{name: part[index] for name, part in vars(self).items()})

    @classmethod
    def join(cls, parts: Sequence["Chunks"]) -> "Chunks":
        """Put chunks behind each other."""
        names = vars(parts[0])
        return cls(**{name: torch.cat([getattr(part, name) for part in parts]) for name in names})


@dataclass(frozen=True)
class Experience:
    """Chunks of recent rollouts, flat, with the chains behind them and their advantages."""

    chunks: Chunks
    means: Float[Tensor, "chunk S horizon action"]
    samples: Float[Tensor, "chunk S+1 horizon action"]
    advantages: Float[Tensor, " chunk"]

    @classmethod
    def of(cls, rollout: Rollout, advantages: Float[Tensor, "time env"]) -> "Experience":
        """Flatten the chunks that were played."""
        data = rollout.chunks
        return cls(
            Chunks.of(rollout, slice(None)),
            data.means[data.valid],
            data.samples[data.valid],
            advantages[data.valid],
        )

    def kept_on(self, device: torch.device) -> "Experience":
        """Keep everything on a device, if it fits there."""
        own = (self.means, self.samples, self.advantages)
        place = home(device, self.chunks.nbytes + sum(part.nbytes for part in own))
        return Experience(self.chunks.kept_on(place), *(moved(part, place) for part in own))

    def __len__(self) -> int:
        return len(self.advantages)

    def sample(
        self, count: int, generator: torch.Generator
    ) -> tuple[Int[Tensor, " batch"], Int[Tensor, " batch"]]:
        """Choose pairs of a chunk and a denoising step, with replacement."""
        chunk = torch.randint(len(self), (count,), generator=generator)
        step = torch.randint(self.means.shape[1], (count,), generator=generator)
        device = self.advantages.device
        return moved(chunk, device), moved(step, device)
