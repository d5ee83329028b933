"""EXPO (arXiv 2507.07986): the planner imitates, and small edits of its plans climb on critics.

The planner learns by its own denoising loss alone, from its best episodes and its replay. A small
network edits executed chunks; the best by the critics of several plans and of their edits is
followed, and is what the critics' targets value. Edits begin at nothing, and grow only while
critics foretell what they have not learned from (`policy/finetuning/guided/trust.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import torch
from jaxtyping import Float
from torch import Tensor

from configs.ranges import Share, Whole, between
from perception.transfer import moved
from policy.finetuning.config import FinetuneConfig
from policy.finetuning.diverging import Watched
from policy.finetuning.guided.decisions import Decided
from policy.finetuning.guided.edits import EditConfig, Edits
from policy.finetuning.guided.guide import Guide
from policy.finetuning.guided.learner import CriticLearner, LearnerConfig
from policy.finetuning.guided.trust import Trust, TrustConfig
from policy.planner.planner import Planner


@dataclass(frozen=True)
class Config(LearnerConfig):
    """How to learn with edits.

    Attributes:
        sceptics: Target critics drawn anew for each step, the least of whose values counts; 0: all.
        edit: How chunks are edited.
        trust: When.
        batch: Chunks in a gradient step of the planner, and of the edits.
        imitated: Share of the planner's that are from the target buffer; the others were played.
    """

    sceptics: Whole
    edit: EditConfig
    trust: TrustConfig
    batch: Annotated[int, between(2, 2**20)]
    imitated: Share


def make(config: Config, planner: Planner, finetune: FinetuneConfig, seed: int) -> "EXPO":
    """Make the algorithm."""
    return EXPO(config, planner, finetune, seed)


class EXPO(CriticLearner):
    """Plays by the best plan or edit; the planner learns by imitation alone; see `Algorithm`."""

    def __init__(
        self, config: Config, planner: Planner, finetune: FinetuneConfig, seed: int
    ) -> None:
        super().__init__(config, planner, finetune, seed)
        self._config = config
        self.edits = Edits(config.edit, planner, self.critics.situation_size, seed)
        self.trust = Trust(config.trust, config.critic.discount)

    def see_state(self, features: int) -> None:
        """Make critics that see so many features, and edits that see what they see."""
        super().see_state(features)
        size = self.critics.situation_size
        self.edits = Edits(self._config.edit, self._planner, size, self._seed)

    def decide(self, *, explore: bool) -> Guide:
        """How to play: with random edits to explore, with mean ones to be judged."""
        share = self.trust.share

        def edit(
            situations: Tensor, plans: Tensor, generators: Sequence[torch.Generator]
        ) -> Tensor:
            draws = None
            if explore:
                draws = torch.stack([self.edits.draws(g, plans.shape[1]) for g in generators])
            return self.edits.edited(situations, plans, share, draws)

        guide = super().decide(explore=explore)
        return replace(guide, edit=edit) if share else guide

    def _foresee(self, played: Decided) -> Float[Tensor, " decision"]:
        """Trust critics as far as they expected what came."""
        expected = super()._foresee(played)
        if len(expected):
            self.trust.note(played, expected)
        return expected

    def summary(self) -> dict[str, float]:
        """Say also how far the critics are trusted."""
        trusted = {"correlation": self.trust.correlation, "edit_share": self.trust.share}
        return {**super().summary(), **{f"finetune/{k}": v for k, v in trusted.items()}}

    def _value_of(self, following: Decided) -> Float[Tensor, " batch"]:
        """Value what follows by its candidates and edits, by few target critics."""
        plans, share = following.candidates, self.trust.share
        if share:
            draws = self.edits.draws(self._generator, *plans.shape[:2])
            seen = self.critics.situations(following)
            plans = torch.cat([plans, self.edits.edited(seen, plans, share, draws)], dim=1)
        with torch.no_grad():
            values = self.critics.each(following, plans, targets=True)
        order = torch.randperm(len(values), generator=self._generator)
        least = values[order[: self._config.sceptics or None]].amin(dim=0)
        return least.amax(dim=1) if self._config.critic.backup == "best" else least.mean(dim=1)

    def finish(self) -> None:
        """Do nothing more: everything was learned along the way."""

    def _planner_step(self) -> Watched:
        config = self._config
        drawn = self._drawn(config.batch)
        imitated = self._imitable(int(config.batch * config.imitated))
        played = drawn[imitated:]
        loss = self._denoising_loss(imitated, (played.contexts, played.candidates[:, -1]))
        watched: Watched = {"planner_loss": self._descend(loss)}
        choice = torch.randint(
            drawn.candidates.shape[1], (config.batch,), generator=self._generator
        )
        choice = moved(choice, self._planner.device)
        plans = drawn.candidates[torch.arange(config.batch, device=self._planner.device), choice]
        seen = self.critics.situations(drawn)
        return {**watched, **self.edits.learn(seen, plans, self.critics.online, self._generator)}

    def state(self) -> dict[str, Any]:
        """Everything but the planner that the next update depends on."""
        return {**super().state(), "edits": self.edits.state(), "trust": self.trust.state()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        super().load(state)
        self.edits.load(state["edits"])
        self.trust.load(state["trust"])
