"""Recorded episodes as decisions: what off-policy learning mixes with what it has played.

A chunk begins at every step of a store: episodes are taken apart at each offset, so that what
follows a decision is a chunk later, as when playing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from datasets.collection.state_features import STATE_FEATURE
from datasets.store.decoding import decode
from datasets.store.store import EpisodeStore
from datasets.windows import Windows, load_windows
from perception.errors import InputError
from perception.observation import Observation
from policy.finetuning.guided.decisions import Decided, Decisions, Source
from policy.planner.config import Sizes
from policy.planner.policy import Policy

AT_A_TIME = 256  # Histories encoded together.


@dataclass(frozen=True)
class Mixed:
    """Decisions to learn from: so large a share of a batch was recorded, the others were played.

    Attributes:
        played: By the learner itself.
        recorded: By others.
        share: Of the recorded ones.
    """

    played: Decisions
    recorded: Decisions
    share: float

    def sample(self, count: int, generator: torch.Generator) -> tuple[Decided, Decided]:
        """Draw decisions of both with replacement, each with the one that followed."""
        theirs = round(count * self.share) if len(self.played) else count
        parts = [
            part.sample(number, generator)
            for part, number in ((self.played, count - theirs), (self.recorded, theirs))
            if number
        ]
        now, following = zip(*parts, strict=True)
        return Decided.join(now), Decided.join(following)

    def parts(self) -> list[Decided]:
        """Give everything that may be drawn."""
        return [part.newest() for part in (self.played, self.recorded) if len(part)]


class Prior:
    """Stores that are learned from beside what is played.

    Args:
        paths: Stores of the task; with none, what is played is all there is.
        policy: Encodes histories and normalises actions.
        copies: See `decisions_of`.
        features: Likewise.
        change: Adds to decisions what the learner wants to know beside.

    Attributes:
        held: What each store held, by its place: a training goes on only with the same.

    Raises:
        InputError: A store is missing, of another robot, or without rewards or features.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        policy: Policy,
        *,
        copies: int = 0,
        features: bool = False,
        change: Callable[[Decided], Decided] = lambda decided: decided,
    ) -> None:
        self.held = {str(path.resolve()): EpisodeStore.open(path).fingerprint for path in paths}
        self.decided: Decided | None = None
        if paths:
            self.decided = change(decisions_of(paths, policy, copies=copies, features=features))
            self._decisions = Decisions(len(self.decided), type(self.decided), policy.device)
            self._decisions.add(self.decided)

    def beside(self, played: Decisions, share: float) -> Source:
        """Give what is learned from: what was played, and so large a share of this."""
        return played if self.decided is None else Mixed(played, self._decisions, share)

    def check(self, before: Mapping[str, Any]) -> None:
        """Refuse to go on with other episodes than before.

        Raises:
            InputError: A store was changed.
        """
        if before != self.held:
            raise InputError(
                "finetune.algorithm.prior: the stores do not hold the episodes that this run began"
                " to learn from; choose another out="
            )


def check_task(paths: Sequence[Path], task: str) -> None:
    """Refuse the data of another task.

    Raises:
        InputError: They are.
    """
    for path in paths:
        found = EpisodeStore.open(path).attributes["task"]
        if found != task:
            raise InputError(f"finetune.algorithm.prior: {path} is of {found}, not of {task}")


def decisions_of(paths: Sequence[Path], policy: Policy, *, copies: int, features: bool) -> Decided:
    """Read stores into decisions, as a policy's encoder sees them.

    Args:
        paths: Stores of the task.
        policy: Encodes histories and normalises actions.
        copies: Of what was done, in place of the plans that it would have been chosen among.
        features: Whether the simulator's features are to be seen, which the stores then hold.

    Raises:
        InputError: A store is missing, of another robot, or without rewards or features.
    """
    stores = [EpisodeStore.open(path) for path in paths]
    plan, rewards = policy.config, decode(stores, "reward").reshape(-1)
    windows = load_windows(
        paths,
        history=plan.history,
        horizon=plan.horizon,
        chunk=plan.chunk,
        observes=policy.observes,
    )
    _check(windows, policy.sizes, paths)
    seen = decode(stores, STATE_FEATURE) if features else rewards.new_zeros(len(rewards), 0)
    steps = torch.cat(list(_chunk_starts(_spans(stores), plan.chunk)))
    now, first, end = steps.T
    rows = now[:, None] + torch.arange(plan.horizon) - (plan.history - 1)
    rows = torch.minimum(rows.clamp(min=first[:, None]), end[:, None] - 1)
    plans = policy.normalizer.actions(windows.actions.to(policy.device)).clamp(-1, 1).cpu()[rows]
    return Decided(
        contexts=_encoded(windows, rows[:, : plan.history], policy),
        features=seen[now],
        elapsed=(now - first) / plan.chunk,
        candidates=plans[:, None].expand(-1, copies + 1, -1, -1),
        rewards=_sums(rewards, now, torch.minimum(now + plan.chunk, end)),
        last=now + plan.chunk >= end,
    )


def _check(windows: Windows, sizes: Sizes, paths: Sequence[Path]) -> None:
    """Refuse the data of another robot.

    Raises:
        InputError: They are.
    """
    observed = windows.observations
    channels = observed.channels if isinstance(observed, Observation) else 0
    found = Sizes(channels, observed.robot_state.shape[-1], windows.actions.shape[-1])
    if found != sizes:
        raise InputError(
            f"finetune.algorithm.prior={', '.join(map(str, paths))}: data of {found}, and the"
            f" planner was made for {sizes}; give stores of its own task"
        )


def _spans(stores: Sequence[EpisodeStore]) -> Iterator[tuple[int, int]]:
    """Say where each episode begins and ends among the steps of all stores."""
    offset = 0
    for store in stores:
        ends = store.episode_ends.tolist()
        yield from ((offset + a, offset + b) for a, b in zip([0, *ends[:-1]], ends, strict=True))
        offset += store.steps


def _chunk_starts(spans: Iterator[tuple[int, int]], chunk: int) -> Iterator[Int[Tensor, "step 3"]]:
    """List the first steps of chunks, each with the beginning and the end of its episode."""
    for first, end in spans:
        for offset in range(min(chunk, end - first)):
            steps = torch.arange(first + offset, end, chunk)
            yield torch.stack(
                [steps, torch.full_like(steps, first), torch.full_like(steps, end)], 1
            )


def _sums(
    rewards: Float[Tensor, " step"], start: Int[Tensor, " decision"], end: Int[Tensor, " decision"]
) -> Float[Tensor, " decision"]:
    """Add up the rewards of each chunk."""
    until = torch.cat([rewards.new_zeros(1), rewards]).double().cumsum(0)
    return (until[end] - until[start]).float()


@torch.no_grad()
def _encoded(
    windows: Windows, rows: Int[Tensor, "decision history"], policy: Policy
) -> Float[Tensor, "decision context"]:
    """Encode histories, on the CPU in the end."""
    parts = []
    for some in rows.split(AT_A_TIME):
        seen = windows.steps(some).observations
        assert isinstance(seen, Observation)  # Features were not asked for.
        parts.append(policy.encode(seen.each(lambda part: part.to(policy.device))).cpu())
    return torch.cat(parts)
