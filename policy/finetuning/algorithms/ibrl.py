"""IBRL (Hu et al., RSS 2024): an imitator proposes beside a reinforced actor, critics choose.

The imitator learns the recorded episodes first, and stays as it is; they are in the replay from
the beginning. What follows is worth the better of both proposals. `ibrl.yaml` has the settings that
SODP compares with (DPPO's repository), `ibrl_authors.yaml` those of the paper.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from jaxtyping import Float
from torch import Tensor

from configs.progress import progress
from configs.ranges import Positive, Rate, Share, Whole, between
from datasets.behaviours.critics import follow
from policy.finetuning.config import FinetuneConfig
from policy.finetuning.diverging import Watched, finite, means
from policy.finetuning.guided.actor_critic import ActorCritic, beside
from policy.finetuning.guided.actor_critic_config import ActorCriticConfig
from policy.finetuning.guided.decisions import Decided
from policy.planner.decision import Decide
from policy.planner.planner import Planner
from policy.planner.policies import ibrl


@dataclass(frozen=True)
class Config(ActorCriticConfig):
    """How to learn.

    Attributes:
        heads: Target critics drawn for each step, the least of whose values counts.
        imitation: Gradient steps of the imitator, before anything else.
        imitation_ema: Share that its average keeps in each; the average acts.
        actor_tau: Step of the target actor towards the actor, after each gradient step.
        beta: How sharply one of both proposals is chosen while learning.
        choosing: See `policies.ibrl.Better`.
    """

    heads: Annotated[int, between(1, 16)]
    imitation: Whole
    imitation_ema: Share
    actor_tau: Rate
    beta: Positive
    choosing: ibrl.Choosing

    @property
    def learns_first(self) -> bool:
        """Whether there is something to learn before anything is played."""
        return bool(self.offline or self.imitation)


def make(config: Config, planner: Planner, finetune: FinetuneConfig, seed: int) -> "IBRL":
    """Make the algorithm."""
    return IBRL(config, planner, finetune, seed)


class IBRL(ActorCritic):
    """Acts by the better of two proposals, and reinforces one of them; see `Algorithm`."""

    policy: ibrl.IBRL

    def __init__(
        self, config: Config, planner: Planner, finetune: FinetuneConfig, seed: int
    ) -> None:
        own = config.critic
        form = {"hidden": own.hidden, "layers": own.layers, "critics": own.count}
        policy = beside(planner, ibrl.Config, seed, kind="ibrl", actor=config.actor, **form)
        super().__init__(config, policy, finetune, seed)
        self._config = config
        self.policy.critics = self.critics.online  # One and the same: they choose, as they learn.
        self._target_actor = deepcopy(self.policy.actor)

    def prepare(self) -> bool:
        """Let the imitator learn, and put what was recorded into the replay; then learn from it."""
        recorded = self._prior.decided
        if recorded is None or len(self.decisions):
            return super().prepare()
        self._imitate(recorded)
        self.decisions.add(recorded)
        return True

    def decide(self, *, explore: bool) -> Decide:
        """How to play: mostly by the better proposal to explore, always to be judged."""
        self.policy.eval()
        config = self._config
        return ibrl.Better(self.policy, config.beta if explore else None, config.choosing)

    def _imitate(self, recorded: Decided) -> None:
        imitator, rate = self.policy.imitator, self._finetune.learning_rate
        watched = list[Watched]()
        learning = deepcopy(imitator).train()
        optimizer = torch.optim.Adam(learning.parameters(), rate)
        with torch.random.fork_rng():  # Of what is left out of its layers.
            torch.manual_seed(int(torch.randint(2**31, (), generator=self._generator)))
            for _ in progress(range(self._config.imitation), "imitate", unit="step"):
                drawn = self._some(recorded)
                done = self.policy.executed(drawn.candidates[:, -1]).flatten(1)
                loss = -learning.log_density(drawn.contexts, done).mean()
                watched.append({"imitator_loss": finite(loss, "the imitator's loss")})
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                follow(imitator, learning, 1 - self._config.imitation_ema)
        means(watched)

    def _some(self, recorded: Decided) -> Decided:
        count = (self._shared.batch,)
        index = torch.randint(len(recorded), count, generator=self._generator)
        return recorded[index].to(self._device)

    @torch.no_grad()
    def _value_of(self, following: Decided) -> Float[Tensor, " batch"]:
        reinforced, _ = self._drawn(following.contexts, actor=self._target_actor)
        both = torch.cat([self._imitated(following.contexts)[:, None], reinforced], dim=1)
        return self._values(following, both, heads=self._config.heads).amin(dim=0).amax(dim=1)

    def _imitated(self, contexts: Float[Tensor, "batch context"]) -> Tensor:
        """Give what the imitator proposes, with nothing left out of its layers."""
        return self.policy.imitator.eval().mode(contexts)

    def _actor_step(self, now: Decided) -> Watched:
        done, _ = self._drawn(now.contexts)
        loss = self._descend(-self._values(now, done).amin(dim=0).mean())
        follow(self._target_actor, self.policy.actor, self._config.actor_tau)
        return {"actor_loss": loss}

    def state(self) -> dict[str, Any]:
        """Everything but the planner that the next update depends on."""
        own = {"imitator": self.policy.imitator, "target_actor": self._target_actor}
        return {**super().state(), **{name: net.state_dict() for name, net in own.items()}}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        super().load(state)
        self.policy.imitator.load_state_dict(state["imitator"])
        self._target_actor.load_state_dict(state["target_actor"])
