"""The plan-act loop: look, plan a chunk, execute it, and again until the episode is over."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from envs.config import EnvConfig
from envs.seeding import derive_seed
from envs.vector.vector_env import Shapes, VectorOutcome
from perception.errors import InputError
from perception.observation import Observation
from policy.planner.config import Sizes
from policy.planner.decision import Decide, Decision
from policy.planner.policy import Policy
from policy.planner.schedule import Chain


@runtime_checkable
class World(Protocol):
    """Environments that are stepped together, a chunk of actions at a time.

    `VectorEnv` has many; `RecordedEnv` has one and keeps every frame of it.
    """

    @property
    def shapes(self) -> Shapes:
        """How many environments there are, and the sizes of histories and chunks."""

    @property
    def features(self) -> Float[np.ndarray, "env feature"]:
        """The simulator's features of this moment; of no width where nobody asked for them."""

    def reset(self, seeds: Sequence[int]) -> Observation[np.ndarray]:
        """Start an episode for each seed, in the first environments."""

    def step(self, chunks: Float[np.ndarray, "env chunk action"]) -> VectorOutcome:
        """Execute a chunk in each environment whose episode is not over."""


@dataclass(frozen=True)
class Plan:
    """What was seen, and what was decided.

    Attributes:
        observations: Histories; leading axes env, history.
        contexts: What the encoder made of them.
        features: The simulator's, of no width where the world was not asked for them.
        decision: The plans.
    """

    observations: Observation[Tensor]
    contexts: Float[Tensor, "env context"]
    features: Float[Tensor, "env feature"]
    decision: Decision

    @property
    def chain(self) -> Chain:
        """How the plans came out of noise."""
        if self.decision.chain is None:
            raise ValueError("These plans were chosen or changed: no chain leads to them")
        return self.decision.chain


@dataclass(frozen=True)
class ChunkStep:
    """One round of the loop: the plans, and what executing their chunks brought.

    Attributes:
        plan: Of every episode, those that were over included.
        valid: Whether each episode was not over before.
        outcome: Of all environments of the world; the first ones are the episodes'.
    """

    plan: Plan
    valid: Bool[Tensor, " env"]
    outcome: VectorOutcome


class Episodes:
    """Episodes of a planner, played side by side; iterating plays them to their ends.

    The planner's noise in an episode follows from the episode's seed, not from what is played
    beside it. `plan` and `act` are the two halves of a round, for whoever looks at a plan before it
    is executed.

    Args:
        planner: Acts.
        world: Its task.
        seeds: One for each episode; at most as many as the world has environments.
        starts: The seed that each episode begins from, where that is not its own.
        decide: Decides what to do; without it the planner does, by itself.
    """

    def __init__(
        self,
        planner: Policy,
        world: World,
        seeds: Sequence[int],
        *,
        starts: Sequence[int] | None = None,
        decide: Decide | None = None,
    ) -> None:
        self._planner, self._world = planner, world
        self._decide, self._rounds = decide or planner.begin(len(seeds)), 0
        self._generators = [
            torch.Generator().manual_seed(derive_seed("noise", seed, 0)) for seed in seeds
        ]
        self._observations = world.reset(starts or seeds)
        self._not_done = torch.ones(len(seeds), dtype=torch.bool)

    @property
    def done(self) -> bool:
        """Whether all episodes are over."""
        return not self._not_done.any()

    def __iter__(self) -> Iterator[ChunkStep]:
        """Plan and act until all episodes are over."""
        while not self.done:
            yield self.act(self.plan())

    @torch.no_grad()
    def plan(self) -> Plan:
        """Plan in every episode from what is seen now; draws from the episodes' noise."""
        seen = self._seen()
        contexts = self._planner.encode(seen)
        features = torch.from_numpy(self._world.features[: len(contexts)]).to(contexts.device)
        decision = self._decide(contexts, self._generators, self._rounds, features)
        return Plan(seen, contexts, features, decision)

    @torch.no_grad()
    def act(self, plan: Plan) -> ChunkStep:
        """Execute the chunks of plans, as far as each episode goes."""
        planner, shapes, count = self._planner, self._world.shapes, len(self._not_done)
        chunks = np.zeros((shapes.envs, shapes.chunk, planner.sizes.actions), np.float32)
        chunks[:count] = planner.to_actions(plan.decision.plans).cpu().numpy()
        outcome = self._world.step(chunks)
        valid, self._not_done = self._not_done, ~torch.from_numpy(outcome.done[:count])
        self._observations, self._rounds = outcome.observations, self._rounds + 1
        return ChunkStep(plan, valid, outcome)

    def _seen(self) -> Observation[Tensor]:
        """Move the episodes' observations to the planner's device."""
        count, device = len(self._not_done), self._planner.device
        points, robot_state = (
            torch.from_numpy(part[:count]).to(device)
            for part in (self._observations.points, self._observations.robot_state)
        )
        return Observation(points, robot_state)


def check_sizes(planner: Policy, sizes: Sizes, env: EnvConfig) -> None:
    """Refuse a task whose data have other dimensions than the planner was made for.

    Raises:
        InputError: They have.
    """
    if sizes != planner.sizes:
        raise InputError(
            f"The planner was made for {planner.sizes}; {env.name} has {sizes}. Leave env= out for"
            " the planner's own task"
        )
