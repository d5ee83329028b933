"""What off-policy actor-critics share: an actor that sees a frozen encoder's contexts, and critics.

They start from a planner's encoder and from recorded episodes, not from its plans: a Gaussian over
the executed chunk acts, by itself from the first episode on (Cal-QL, IBRL, RLPD).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from configs.progress import progress
from envs.seeding import derive_seed
from perception.transfer import moved
from policy.finetuning.config import FinetuneConfig
from policy.finetuning.diverging import Watched, finite, means
from policy.finetuning.guided.actor_critic_config import ActorCriticConfig
from policy.finetuning.guided.critics import ChunkCritics, CriticConfig, Penalty
from policy.finetuning.guided.decisions import Decided, Decisions, Source
from policy.finetuning.guided.prior import Prior
from policy.planner.actor import Actor
from policy.planner.building import make_policy
from policy.planner.config import PolicyConfig
from policy.planner.decision import Decide
from policy.planner.planner import Planner
from policy.planner.policies.gaussian import ByMode, Drawing
from policy.planner.policy import Policy
from policy.rollouts.rollout import Rollout

PIECE = 1000  # Rounds offline between two saves.
SAME = ("hidden", "count", "learning_rate", "discount", "tau", "beyond_limit")  # As CriticConfig's.


@runtime_checkable
class Acting(Protocol):
    """A policy that has an actor."""

    actor: Actor


class ActorCritic(ABC):
    """An `Algorithm` with a policy of its own, once it is said what actor and critics aim at.

    Args:
        config: See `ActorCriticConfig`.
        policy: What it teaches; see `beside`.
        finetune: See `FinetuneConfig`; its learning rate is the actor's.
        seed: Of everything random here.

    Raises:
        InputError: What only a planner has is asked for, or there is nothing to learn from offline.
    """

    keep_observations = False
    kept: type[Decided] = Decided
    policy: Policy

    def __init__(
        self, config: ActorCriticConfig, policy: Policy, finetune: FinetuneConfig, seed: int
    ) -> None:
        config.check(finetune)
        assert isinstance(policy, Acting)
        self._shared, self.policy, self._finetune = config, policy, finetune
        self._actor, self._device = policy.actor, policy.device
        own = config.critic
        known = {name: getattr(own, name) for name in SAME}
        form = CriticConfig(**known, steps=config.critic_steps, batch=config.batch)
        self.critics = ChunkCritics(form, policy, seed, layers=own.layers, timed=False)
        self.decisions = Decisions(config.capacity, self.kept, self._device)
        self._prior = Prior(config.prior, policy, change=self._remembered)
        self._optimizer = torch.optim.Adam(self._actor.parameters(), finetune.learning_rate)
        self._generator = torch.Generator().manual_seed(derive_seed("finetune-draws", seed, 0))
        self.gradient_steps, self._prepared, self._due = 0, 0, 0.0

    def prepare(self) -> bool:
        """Learn a while from recorded episodes alone; False: that is over."""
        first, last = self._prepared, min(self._prepared + PIECE, self._shared.offline)
        if first >= last:
            return False
        rounds = progress(range(first, last), f"offline, from {first}", unit="round")
        self._prepared = last
        return bool(means(self._learn(rounds, self._finetune.learning_rate)))

    def decide(self, *, explore: bool) -> Decide:
        """How to play: by draws to explore, without noise to be judged."""
        self.policy.eval()
        return (Drawing if explore else ByMode)(self.policy, self._actor)

    def observe(self, rollout: Rollout) -> None:
        """Remember every decision."""
        decided = self._remembered(Decided.of(rollout))
        self._due += self._shared.rounds * len(decided)
        self.decisions.add(decided)

    def update(self, episodes: int, learning_rate: float) -> dict[str, float]:
        """Take the rounds that are due; give means over their steps.

        Raises:
            DivergedError: A loss is not finite.
        """
        rounds = int(self._due)
        self._due -= rounds
        watched = means(self._learn(range(rounds), learning_rate))
        return {f"finetune/{name}": value for name, value in watched.items()}

    def finish(self) -> None:
        """Learn nothing more: everything was learned along the way."""
        self.policy.eval()

    def summary(self) -> dict[str, float]:
        """Say how much is remembered."""
        return {"finetune/decisions": float(len(self.decisions))}

    def load_experience(self, path: Path) -> None:
        """Refuse it; see `ActorCriticConfig.check`."""
        raise ValueError(f"{path}: an actor-critic was made for offline experience")

    @abstractmethod
    def _value_of(self, following: Decided) -> Float[Tensor, " batch"]:
        """Value what follows; see `ChunkCritics.learn`."""

    @abstractmethod
    def _actor_step(self, now: Decided) -> Watched:
        """Take a step of the actor; give what to watch of it."""

    def _penalty(self) -> Penalty | None:
        """Give what is added to the critics' loss."""
        return None

    def _remembered(self, decided: Decided) -> Decided:
        """Add to decisions what the algorithm wants to know beside."""
        return decided

    def _source(self) -> Source:
        """Give what is learned from."""
        return self.decisions

    def _learn(self, rounds: Iterable[int], learning_rate: float) -> Iterator[Watched]:
        """Take rounds of updates; give what to watch of each step."""
        source = self._source()
        self.critics.measure(source)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self.policy.train()
        with torch.random.fork_rng():  # Of what is left out of the actor's layers.
            torch.manual_seed(int(torch.randint(2**31, (), generator=self._generator)))
            for _ in rounds:
                for _ in range(self._shared.critic_steps):
                    loss = self.critics.step(
                        source, self._generator, self._value_of, self._penalty()
                    )
                    yield {"critic_loss": loss}
                now, _ = source.sample(self._shared.batch, self._generator)
                yield self._actor_step(now.to(self._device))
        self.policy.eval()

    def _descend(self, loss: Float[Tensor, ""]) -> Tensor:
        """Take a step of the actor alone down a loss; give it.

        Raises:
            DivergedError: It is not finite.
        """
        value = finite(loss, "the actor's loss")
        weights = list(self._actor.parameters())
        gradients = torch.autograd.grad(loss, weights)
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient
        self._optimizer.step()
        self.gradient_steps += 1
        return value

    def _drawn(
        self, contexts: Float[Tensor, "batch context"], count: int = 1, actor: Actor | None = None
    ) -> tuple[Float[Tensor, "batch count number"], Float[Tensor, "batch count"]]:
        """Draw what an actor does in each situation, so often; and the log-densities."""
        noise = torch.randn(len(contexts), count, self._actor.numbers, generator=self._generator)
        seen = contexts[:, None].expand(-1, count, -1)
        done, densities = (actor or self._actor)(seen, moved(noise, contexts.device))
        return done, densities

    def _values(
        self, now: Decided, done: Float[Tensor, "batch count number"], *, heads: int = 0
    ) -> Float[Tensor, "critic batch count"]:
        """Value what might be done by every critic; by so many random target critics, if given."""
        critics = self.critics.targets if heads else self.critics.online
        values = critics.of_candidates(self.critics.situations(now), done)
        if not heads:
            return values
        order = torch.randperm(len(values), generator=self._generator)
        return values[moved(order[:heads], values.device)]

    def state(self) -> dict[str, Any]:
        """Everything but the planner that the next update depends on."""
        return {
            "gradient_steps": self.gradient_steps,
            "prepared": self._prepared,
            "due": self._due,
            "actor": self._actor.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "critics": self.critics.state(),
            "decisions": self.decisions.state(),
            "generator": self._generator.get_state(),
            "prior": self._prior.held,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave.

        Raises:
            InputError: The stores that are learned from have changed.
        """
        self._prior.check(state["prior"])
        self.gradient_steps, self._due = state["gradient_steps"], state["due"]
        self._prepared = state["prepared"]
        self._actor.load_state_dict(state["actor"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.critics.load(state["critics"])
        self.decisions.load(state["decisions"])
        self._generator.set_state(state["generator"])


def beside(planner: Planner, of: type[PolicyConfig], seed: int, **keys: object) -> Policy:
    """Make a policy that sees with a planner's encoder, and has its history, horizon and chunk."""
    plan = planner.config
    config = of(
        history=plan.history, horizon=plan.horizon, chunk=plan.chunk, encoder=plan.encoder,
        **cast(Any, keys),
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed("actor", seed, 0))
        policy = make_policy(config, planner.sizes)
    policy.encoder.load_state_dict(planner.encoder.state_dict())
    policy.normalizer.load_state_dict(planner.normalizer.state_dict())
    policy.encoder.requires_grad_(requires_grad=False)
    policy.task = planner.task
    return policy.to(planner.device).eval()
