"""What fine-tuning learns from: episodes of the planner, with the chains behind its plans."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from envs.seeding import derive_seed
from envs.vector.vector_env import VectorEnv
from perception.observation import Observation
from policy.planner.planner import Planner

ATTEMPTS = 3  # At episodes that are lost with their workers: what kills each time is no accident.
# Of a rollout, by leading axes.
PLAYED = ("contexts", "points", "state", "means", "samples", "rewards", "played")  # time, env
OF_EPISODES = ("successes", "ever", "at_end", "lengths", "starts")  # env


@dataclass(frozen=True)
class Rollout:
    """Episodes played side by side; time counts chunks.

    Attributes:
        contexts: What the encoder made of each history.
        points: The clouds of each history; of no history where they are not kept.
        state: The robot's state beside them.
        means: The mean of each denoising step.
        samples: The chains, from noise to plan.
        rewards: Sum of the rewards of each executed chunk (Section 3.2: gamma = 1).
        played: Whether the episode was still on.
        successes: Whether each episode succeeded under its task's rule.
        ever: Whether it reached the goal at any step.
        at_end: Whether it was reached at the last one.
        lengths: Agent steps of each.
        starts: The seed that each began from.
    """

    contexts: Float[Tensor, "time env context"]
    points: Float[Tensor, "time env history point channel"]
    state: Float[Tensor, "time env history reading"]
    means: Float[Tensor, "time env S horizon action"]
    samples: Float[Tensor, "time env S+1 horizon action"]
    rewards: Float[Tensor, "time env"]
    played: Bool[Tensor, "time env"]
    successes: Bool[Tensor, " env"]
    ever: Bool[Tensor, " env"]
    at_end: Bool[Tensor, " env"]
    lengths: Int[Tensor, " env"]
    starts: Int[Tensor, " env"]

    @property
    def steps(self) -> int:
        """Agent steps of all episodes together."""
        return int(self.lengths.sum())

    @property
    def returns(self) -> Float[Tensor, " env"]:
        """Sum of all rewards of each episode."""
        return self.rewards.sum(dim=0)


def join(first: Rollout, second: Rollout) -> Rollout:
    """Put episodes beside others; shorter ones are filled with chunks that were not played."""
    chunks = max(len(first.played), len(second.played))

    def beside(name: str) -> Tensor:
        parts = [getattr(rollout, name) for rollout in (first, second)]
        return torch.cat([_lengthened(part, chunks) for part in parts], dim=1)

    return Rollout(
        **{name: beside(name) for name in PLAYED},
        **{n: torch.cat([getattr(first, n), getattr(second, n)]) for n in OF_EPISODES},
    )


def newest(rollout: Rollout, episodes: int) -> Rollout:
    """Keep the last episodes of a rollout."""
    return Rollout(
        **{name: getattr(rollout, name)[:, -episodes:] for name in PLAYED},
        **{name: getattr(rollout, name)[-episodes:] for name in OF_EPISODES},
    )


def _lengthened(part: Tensor, chunks: int) -> Tensor:
    return torch.cat([part, part.new_zeros(chunks - len(part), *part.shape[1:])])


def roll_out(
    planner: Planner,
    envs: VectorEnv,
    seeds: Sequence[int],
    *,
    success_at: str,
    starts: Sequence[int] | None = None,
    min_std: float = 0.0,
    whole: bool = False,
    keep_observations: bool = False,
) -> Rollout:
    """Play one episode for each seed, at most as many as there are environments.

    The planner's noise in an episode follows from the episode's seed, not from what is played
    beside it. Episodes lost with a killed worker are left out, also of `steps`, and change nothing
    in the others; where none is left, all are played again.

    Args:
        planner: Acts.
        envs: Its task.
        seeds: One for each episode.
        success_at: Whether an episode succeeds by its last step (`end`) or by any (`ever`).
        starts: The seed that each episode begins from, where that is not its own.
        min_std: See `Planner.sample`.
        whole: Play all again until none is lost: the numbers are those of an undisturbed rollout.
        keep_observations: Keep what was seen too, for an encoder that learns from it.

    Raises:
        RuntimeError: Too many were lost each time.
    """
    with torch.no_grad(), planner.denoiser.fixed_weights():
        for _ in range(ATTEMPTS):
            rollout = _roll_out(
                planner, envs, seeds, starts or seeds, success_at, min_std, keep_observations
            )
            if len(rollout.successes) >= (len(seeds) if whole else 1):
                return rollout
    raise RuntimeError(f"Workers were killed in each of {ATTEMPTS} attempts at seeds {list(seeds)}")


def _roll_out(
    planner: Planner,
    envs: VectorEnv,
    seeds: Sequence[int],
    starts: Sequence[int],
    success_at: str,
    min_std: float,
    keep: bool,
) -> Rollout:
    count = len(seeds)
    generators = [torch.Generator().manual_seed(derive_seed("noise", seed, 0)) for seed in seeds]
    observations = envs.reset(starts)
    going = torch.ones(count, dtype=torch.bool)
    ever, at_end = torch.zeros_like(going), torch.zeros_like(going)
    chunks = np.zeros((envs.shapes.envs, envs.shapes.chunk, planner.sizes.actions), np.float32)
    moments: list[tuple[Tensor, ...]] = []
    lengths = torch.zeros(count, dtype=torch.int64)
    while going.any():
        seen = _on(planner.device, observations, count)
        context = planner.encode(seen)
        kept_frames = slice(None if keep else 0)  # Of the history: all, or none.
        chain = planner.sample(context, planner.noises(generators), min_std=min_std)
        chunks[:count] = planner.to_actions(chain.plan).cpu().numpy()
        outcome = envs.step(chunks)
        rewards = torch.from_numpy(outcome.rewards[:count].sum(axis=1))
        saw = (part[:, kept_frames].cpu() for part in (seen.points, seen.robot_state))
        made = (chain.means.cpu(), chain.samples.cpu())
        moments.append((context.cpu(), *saw, *made, rewards, going))
        lengths += torch.from_numpy(outcome.taken[:count])
        ever = ever | (going & torch.from_numpy(outcome.touched[:count]))
        at_end = torch.where(going, torch.from_numpy(outcome.reached[:count]), at_end)
        going = ~torch.from_numpy(outcome.done[:count])
        observations = outcome.observations
    kept = ~torch.from_numpy(outcome.lost[:count])
    parts = (torch.stack(part)[:, kept] for part in zip(*moments, strict=True))
    of_chunks = dict(zip(PLAYED, parts, strict=True))
    successes = at_end if success_at == "end" else ever
    ends = (successes, ever, at_end, lengths, torch.tensor(starts))
    of_episodes = dict(zip(OF_EPISODES, ends, strict=True))
    return Rollout(**of_chunks, **{name: part[kept] for name, part in of_episodes.items()})


def _on(
    device: torch.device, observations: Observation[np.ndarray], count: int
) -> Observation[Tensor]:
    """Move the observations of the first environments to a device."""
    points, state = (
        torch.from_numpy(a[:count]) for a in (observations.points, observations.robot_state)
    )
    return Observation(points.to(device), state.to(device))
