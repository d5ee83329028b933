"""What fine-tuning learns from: episodes of the planner, with the chains behind its plans."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from envs.success import counts_as_success
from envs.vector.vector_env import VectorEnv
from policy.planner.decision import Decide, Decision
from policy.planner.policy import Policy
from policy.rollouts.episode import ChunkStep, Episodes

ATTEMPTS = 3  # Where all episodes are lost with their workers; more would only repeat the cause.

PartT = TypeVar("PartT", "ChunkData", "EpisodeData")


@dataclass(frozen=True)
class ChunkData:
    """What there is of every chunk.

    Attributes:
        contexts: What the encoder made of each history.
        features: The simulator's, of no width where they were not asked for.
        points: The clouds of each history; of no history where they are not kept.
        robot_state: The robot's state beside them.
        plans: What was followed, normalised.
        candidates: All plans that it was chosen from; see `Decision`.
        means: The mean of each denoising step; of no step where no chain leads to the plan.
        samples: The chains, from noise to plan; likewise.
        rewards: Sum of the rewards of each executed chunk (Section 3.2: gamma = 1).
        valid: Whether the episode was not over before it.
    """

    contexts: Float[Tensor, "time env context"]
    features: Float[Tensor, "time env feature"]
    points: Float[Tensor, "time env history point channel"]
    robot_state: Float[Tensor, "time env history reading"]
    plans: Float[Tensor, "time env horizon action"]
    candidates: Float[Tensor, "time env candidate horizon action"]
    means: Float[Tensor, "time env S horizon action"]
    samples: Float[Tensor, "time env link horizon action"]
    rewards: Float[Tensor, "time env"]
    valid: Bool[Tensor, "time env"]


@dataclass(frozen=True)
class EpisodeData:
    """What there is of every episode.

    Attributes:
        successes: Whether it succeeded under its task's rule.
        ever: Whether it reached the goal at any step.
        at_end: Whether it had reached it at its last one.
        lengths: Its agent steps.
        starts: The seed that it began from.
        until_success: Its chunks that led to its success: where any step decides, those up to the
            first in which the goal was reached; otherwise, and in a failure, all that were played.
    """

    successes: Bool[Tensor, " env"]
    ever: Bool[Tensor, " env"]
    at_end: Bool[Tensor, " env"]
    lengths: Int[Tensor, " env"]
    starts: Int[Tensor, " env"]
    until_success: Int[Tensor, " env"]


@dataclass(frozen=True)
class Rollout:
    """Episodes played side by side; time counts chunks."""

    chunks: ChunkData
    episodes: EpisodeData

    @classmethod
    def stack(
        cls,
        steps: Sequence[ChunkStep],
        *,
        starts: Sequence[int],
        success_at: str,
        keep_observations: bool = False,
    ) -> "Rollout":
        """Join the rounds of the loop; episodes that were lost with their worker are left out.

        Args:
            steps: Of the same episodes, from beginning to end.
            starts: The seed that each episode began from.
            success_at: The task's rule, `end` or `ever`.
            keep_observations: Keep what was seen, too.
        """
        whole = ~torch.from_numpy(steps[-1].outcome.lost[: len(starts)])
        chunks = ChunkData(
            **_planned(steps, keep_observations),
            rewards=_stacked(steps, lambda step: step.outcome.rewards.sum(axis=1)),
            valid=torch.stack([step.valid for step in steps]),
        )
        episodes = _ends(steps, chunks.valid, torch.tensor(starts), success_at)
        return cls(
            _combined([chunks], lambda parts: parts[0][:, whole]),
            _combined([episodes], lambda parts: parts[0][whole]),
        )

    @classmethod
    def load(cls, state: Mapping[str, Any]) -> "Rollout":
        """Take back what `state` gave."""
        return cls(ChunkData(**state["chunks"]), EpisodeData(**state["episodes"]))

    def state(self) -> dict[str, Any]:
        """Tensors by name, for a checkpoint."""
        return {"chunks": dict(vars(self.chunks)), "episodes": dict(vars(self.episodes))}

    def __len__(self) -> int:
        return len(self.episodes.lengths)

    @property
    def steps(self) -> int:
        """Agent steps of all episodes together."""
        return int(self.episodes.lengths.sum())

    @property
    def returns(self) -> Float[Tensor, " env"]:
        """Sum of all rewards of each episode."""
        return self.chunks.rewards.sum(dim=0)

    def newest(self, episodes: int) -> "Rollout":
        """Keep the last episodes."""
        return Rollout(
            _combined([self.chunks], lambda parts: parts[0][:, -episodes:]),
            _combined([self.episodes], lambda parts: parts[0][-episodes:]),
        )


def join(first: Rollout, second: Rollout) -> Rollout:
    """Put episodes beside others; shorter ones are filled up with chunks that are not valid."""
    length = max(len(first.chunks.valid), len(second.chunks.valid))
    return Rollout(
        _combined(
            [first.chunks, second.chunks],
            lambda parts: torch.cat([_lengthened(part, length) for part in parts], dim=1),
        ),
        _combined([first.episodes, second.episodes], torch.cat),
    )


def roll_out(
    planner: Policy,
    envs: VectorEnv,
    seeds: Sequence[int],
    *,
    success_at: str,
    starts: Sequence[int] | None = None,
    decide: Decide | None = None,
    whole: bool = False,
    keep_observations: bool = False,
) -> Rollout:
    """Play one episode for each seed, at most as many as there are environments.

    Episodes lost with a killed worker are left out, also of `steps`, and change nothing in the
    others; where none is left, all are played again.

    Args:
        planner: Acts.
        envs: Its task.
        seeds: One for each episode.
        success_at: Whether an episode succeeds by its last step (`end`) or by any (`ever`).
        starts: The seed that each episode begins from, where that is not its own.
        decide: See `Episodes`.
        whole: Play all again until none is lost: the numbers are those of an undisturbed rollout.
        keep_observations: Keep what was seen too, for an encoder that learns from it.

    Raises:
        RuntimeError: Too many were lost each time.
    """
    starts = starts or seeds
    for _ in range(ATTEMPTS):
        with planner.fixed_weights():
            steps = list(Episodes(planner, envs, seeds, starts=starts, decide=decide))
        rollout = Rollout.stack(
            steps, starts=starts, success_at=success_at, keep_observations=keep_observations
        )
        if len(rollout) >= (len(seeds) if whole else 1):
            return rollout
    raise RuntimeError(f"Workers were killed in each of {ATTEMPTS} attempts at seeds {list(seeds)}")


def _planned(steps: Sequence[ChunkStep], keep_observations: bool) -> dict[str, Tensor]:
    """Collect what was seen and planned, on the CPU."""
    history = slice(None if keep_observations else 0)  # All frames of it, or none.
    plans = [step.plan for step in steps]
    parts = {
        "contexts": [plan.contexts for plan in plans],
        "features": [plan.features for plan in plans],
        "points": [plan.observations.points[:, history] for plan in plans],
        "robot_state": [plan.observations.robot_state[:, history] for plan in plans],
        "plans": [plan.decision.plans for plan in plans],
        "candidates": [plan.decision.candidates for plan in plans],
        "means": [links(plan.decision)[0] for plan in plans],
        "samples": [links(plan.decision)[1] for plan in plans],
    }
    return {name: torch.stack(part).cpu() for name, part in parts.items()}


def links(decision: Decision) -> tuple[Tensor, Tensor]:
    """Give the means and samples of a chain; empty ones where there is none."""
    if decision.chain is None:
        none = decision.plans[:, None][:, :0]
        return none, none
    return decision.chain.means, decision.chain.samples


def _ends(
    steps: Sequence[ChunkStep], valid: Tensor, starts: Tensor, success_at: str
) -> EpisodeData:
    """Work out how each episode went and ended."""
    reached = _stacked(steps, lambda step: step.outcome.reached)
    touched = valid & _stacked(steps, lambda step: step.outcome.touched)
    ever, played = touched.any(dim=0), valid.sum(dim=0)
    at_end = reached.gather(0, played[None] - 1)[0]  # An episode's chunks come first.
    decided = ever if success_at == "ever" else torch.zeros_like(ever)
    return EpisodeData(
        successes=counts_as_success(at_end, ever, success_at),
        ever=ever,
        at_end=at_end,
        lengths=_stacked(steps, lambda step: step.outcome.taken).sum(dim=0),
        starts=starts,
        until_success=torch.where(decided, touched.int().argmax(dim=0) + 1, played),
    )


def _stacked(steps: Sequence[ChunkStep], part: Callable[[ChunkStep], Any]) -> Tensor:
    """Stack arrays of all environments over time, for the episodes alone."""
    return torch.stack([torch.from_numpy(part(step)[: len(step.valid)]) for step in steps])


def _combined(parts: Sequence[PartT], combine: Callable[[list[Tensor]], Tensor]) -> PartT:
    """Combine the tensors of the same name of one or several parts."""
    kind = type(parts[0])
    names = [field.name for field in fields(kind)]
    return kind(**{name: combine([getattr(part, name) for part in parts]) for name in names})


def _lengthened(part: Tensor, chunks: int) -> Tensor:
    return torch.cat([part, part.new_zeros(chunks - len(part), *part.shape[1:])])
