"""What algorithms share whose critics learn from every decision ever made."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from configs.ranges import Share, between
from datasets.behaviours.training_state import fitting
from envs.seeding import derive_seed
from perception.errors import InputError
from perception.transfer import moved
from policy.finetuning.buffers import TargetBuffer
from policy.finetuning.config import FinetuneConfig
from policy.finetuning.diverging import Watched, finite, means
from policy.finetuning.guided.critics import ChunkCritics, CriticConfig
from policy.finetuning.guided.decisions import Decided, Decisions
from policy.finetuning.guided.guide import ExploreConfig, Guide, spread
from policy.finetuning.guided.prior import Prior
from policy.finetuning.guided.saved_critics import SavedCritics
from policy.finetuning.states import read_decisions
from policy.planner.planner import Planner
from policy.rollouts.rollout import Rollout
from policy.runs.device import autocast


@dataclass(frozen=True)
class LearnerConfig:
    """What every algorithm with critics is told.

    Attributes:
        explore: How episodes are played.
        critic: How critics learn.
        imitates: What the target buffer holds while few episodes have succeeded: the `best` ones in
            their place (the paper), or `successes` alone, and nothing is imitated before the first.
        capacity: The newest decisions that are learned from.
        prior: Stores whose episodes critics learn from, too.
        prior_share: Of the decisions in a batch of theirs.
    """

    kind: str
    explore: ExploreConfig
    critic: CriticConfig
    imitates: Literal["best", "successes"]
    capacity: Annotated[int, between(1024, 2**24)]
    prior: tuple[Path, ...] = field(default=(), kw_only=True)
    prior_share: Share = field(default=0.5, kw_only=True)


def sees_state(algorithm: object) -> bool:
    """Tell whether the critics of an algorithm's configuration see the simulator's features."""
    return isinstance(algorithm, LearnerConfig) and algorithm.critic.sees != "context"


class CriticLearner(ABC):
    """Critics, the decisions that they learn from, the best episodes, and the planner's optimiser.

    An `Algorithm`, once it is said what a gradient step of the planner is, and what the last ones.

    Args:
        config: See `LearnerConfig`.
        planner: Learns; its encoder does not.
        finetune: See `FinetuneConfig`.
        seed: Of everything random here.
    """

    keep_observations = False

    def __init__(
        self, config: LearnerConfig, planner: Planner, finetune: FinetuneConfig, seed: int
    ) -> None:
        self._shared, self._finetune, self._planner = config, finetune, planner
        self._seed = seed
        planner.requires_grad_(requires_grad=False)
        planner.denoiser.requires_grad_(requires_grad=True)
        self._weights = list(planner.denoiser.parameters())
        self._optimizer = torch.optim.Adam(self._weights, fused=True)
        self.critics = ChunkCritics(config.critic, planner, seed)
        self.decisions = Decisions(config.capacity, device=planner.device)
        self._prior = Prior(
            config.prior, planner, copies=config.explore.candidates, features=sees_state(config)
        )
        top = finetune.target_top if config.imitates == "best" else 0
        self.target = TargetBuffer.of(finetune, top)
        self._generator = torch.Generator().manual_seed(derive_seed("finetune-draws", seed, 0))
        self.gradient_steps = 0
        self._observed = 0  # Episodes.
        self.motion: Tensor | None = None  # Measured before the first step.

    def see_state(self, features: int) -> None:
        """Make critics that see so many features of the simulator, where they are to see any.

        Raises:
            ValueError: The environments were made without.
        """
        if not sees_state(self._shared):
            return
        if features == 0:
            raise ValueError("These environments give no features: see envs.vector's Shapes")
        self.critics = ChunkCritics(self._shared.critic, self._planner, self._seed, features)

    def decide(self, *, explore: bool) -> Guide:
        """How to play: before the first critic's step by the first plan."""
        config, critics = self._shared.explore, self.critics
        guide = Guide(self._planner, critics.ready, config, explore=explore and self._exploring)
        return replace(guide, motion=self.motion, sight=critics.sight)

    @property
    def _exploring(self) -> bool:
        """Whether the next episodes explore at all; see `ExploreConfig.until`."""
        return self._observed < self._shared.explore.until * self._finetune.episodes

    def observe(self, rollout: Rollout) -> None:
        """Remember every decision, and the best episodes."""
        self._observed += len(rollout)
        played = Decided.of(rollout)
        self._foresee(played)
        self.decisions.add(played)
        self.target.add(rollout)

    def update(self, episodes: int, learning_rate: float) -> dict[str, float]:
        """Take the steps of critics, then those of the planner; give means over them.

        Raises:
            DivergedError: A loss or a gradient is not finite.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        if self._shared.explore.by_motion and self.motion is None:
            proposed = self.decisions.newest().candidates[:, :-1]
            self.motion = spread(self._planner.executed(proposed))
        steps = self._shared.critic.steps * episodes
        source = self._prior.beside(self.decisions, self._shared.prior_share)
        losses = self.critics.learn(source, steps, self._generator, self._value_of)
        watched: list[Watched] = [{"critic_loss": loss} for loss in losses]
        watched += [self._planner_step() for _ in range(self._finetune.gradient_steps * episodes)]
        return {f"finetune/{name}": value for name, value in means(watched).items()}

    def saved_critics(self) -> SavedCritics | None:
        """Give the critics; None before their first step."""
        return self.critics.saved(self._shared.explore.candidates)

    def _foresee(self, played: Decided) -> Float[Tensor, " decision"]:
        """Give what critics expect of new episodes; of nothing before they have learned."""
        return self.critics.foresee(played)

    @abstractmethod
    def finish(self) -> None:
        """Learn what is left once all episodes are played."""

    @abstractmethod
    def _planner_step(self) -> Watched:
        """Take one gradient step of the planner; give what to watch of it."""

    def _value_of(self, following: Decided) -> Float[Tensor, " batch"]:
        """Value what follows by its plans; see `ChunkCritics.learn`, and `backup` there."""
        if self._shared.critic.backup == "best":
            return self.critics.least(following, following.candidates, targets=True).amax(dim=1)
        proposed = following.candidates[:, :-1]  # The last is what was done, changed by noise.
        return self.critics.least(following, proposed, targets=True).mean(dim=1)

    def _drawn(self, count: int) -> Decided:
        """Draw decisions, on the planner's device."""
        return self.decisions.sample(count, self._generator)[0].to(self._planner.device)

    def _imitable(self, wanted: int) -> int:
        """Say how many chunks of the target buffer can be drawn: none while it is empty."""
        return wanted if len(self.target) else 0

    def _denoising_loss(self, imitated: int, *others: tuple[Tensor, Tensor]) -> Float[Tensor, ""]:
        """Compute the denoising loss on so many chunks to imitate, and on (contexts, plans)."""
        parts = list(others)
        if imitated:
            best = self.target.sample(imitated, self._generator)
            parts.append((best.contexts, best.plans))
        contexts, plans = (
            torch.cat([moved(part, self._planner.device) for part in of_all])
            for of_all in zip(*parts, strict=True)
        )
        with autocast(self._finetune.precision, self._planner.device):
            return self._planner.denoising_loss(contexts, plans, self._generator)

    def _descend(self, loss: Float[Tensor, ""]) -> Tensor:
        """Take a step of the planner down a loss; give it.

        Raises:
            DivergedError: It is not finite.
        """
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._weights, self._finetune.gradient_norm)
        self._optimizer.step()
        self.gradient_steps += 1
        return finite(loss, "the planner's loss")

    def summary(self) -> dict[str, float]:
        """Say how many episodes are imitated and succeeded, and how true critics are."""
        return {
            "finetune/target_episodes": float(len(self.target)),
            "finetune/target_successes": float(self.target.successes),
            "finetune/decisions": float(len(self.decisions)),
            **{f"finetune/{name}": v for name, v in self.critics.calibration.summary.items()},
        }

    def load_experience(self, path: Path) -> None:
        """Take over the decisions and the best episodes of a finished run.

        Raises:
            InputError: The file is missing, of another algorithm, or without what critics see.
        """
        with fitting(path):
            state = read_decisions(path)
            self.decisions.load(state["decisions"])
            self.target.load(state["target"])
        if sees_state(self._shared) and not self.decisions.newest().features.numel():
            raise InputError(
                f"{path} was played without the simulator's features, which critics with"
                f" finetune.algorithm.critic.sees={self._shared.critic.sees} learn from: play it"
                " with that key too, or leave it out here"
            )

    def state(self) -> dict[str, Any]:
        """Everything but the planner that the next update depends on."""
        return {
            "gradient_steps": self.gradient_steps,
            "optimizer": self._optimizer.state_dict(),
            "critics": self.critics.state(),
            "decisions": self.decisions.state(),
            "target": self.target.state(),
            "generator": self._generator.get_state(),
            "motion": self.motion,
            "observed": self._observed,
            "prior": self._prior.held,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        self._prior.check(state.get("prior", {}))
        self.gradient_steps = state["gradient_steps"]
        self._optimizer.load_state_dict(state["optimizer"])
        self.critics.load(state["critics"])
        self.decisions.load(state["decisions"])
        self.target.load(state["target"])
        self._generator.set_state(state["generator"])
        self.motion, self._observed = state["motion"], state["observed"]
