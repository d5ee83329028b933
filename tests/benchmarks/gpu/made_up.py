"""Planners as configured, and data of a store's shapes out of a random generator."""

import torch
from torch import Tensor

from configs.command import compose
from configs.kinds import make_kind
from datasets.windows import Windows, window_rows
from perception.observation import Observation
from policy.finetuning.algorithms.algorithm import Algorithm
from policy.finetuning.config import ALGORITHMS
from policy.pipeline.config import Recipe, TrainConfig
from policy.planner.building import make_policy
from policy.planner.config import Sizes
from policy.planner.planner import Planner
from policy.rollouts.rollout import ChunkData, EpisodeData, Rollout, links
from tests.benchmarks.gpu.bench import Bench

DOOR = Sizes(channels=3, robot_state=24, actions=28)
MADE_OF = "random arrays of the shapes of a store of adroit-door (2 x 512 points); no simulator"


def recipe(bench: Bench, *overrides: str) -> Recipe:
    """Compose a training of adroit-door, at the paper's sizes on a card."""
    tiny = ["denoiser=unet-small", "pretrain.batch=8"]
    tiny += [] if any("calql" in o for o in overrides) else ["finetune.gradient_steps=1"]
    return compose(TrainConfig, "train", [*([] if bench.on_card else tiny), *overrides]).recipe


def planner_of(bench: Bench, of: Recipe) -> Planner:
    """Make the planner, with fresh weights and the ranges of fresh data."""
    torch.manual_seed(0)
    planner = make_policy(of.planner, DOOR)
    assert isinstance(planner, Planner)
    planner.fit(windows(bench, of, steps=200))
    return planner.to(bench.device)


def observations(bench: Bench, *lead: int, points: int | None = None) -> Observation[Tensor]:
    """Draw clouds and robot states on the CPU, new ones at each call."""
    count = points or bench.size(512, 32)
    return Observation(2 * torch.rand(*lead, count, 3) - 1, torch.randn(*lead, DOOR.robot_state))


def windows(bench: Bench, of: Recipe, steps: int) -> Windows:
    """Draw a store's worth of steps, in episodes of 100."""
    plan, ends = of.planner, torch.arange(100, steps + 1, 100)
    rows = window_rows(ends.numpy(), history=plan.history, horizon=plan.horizon, chunk=plan.chunk)
    actions = 2 * torch.rand(steps, DOOR.actions) - 1
    return Windows(observations(bench, steps), actions, torch.from_numpy(rows), plan.history)


def algorithm_of(bench: Bench, of: Recipe, planner: Planner) -> Algorithm:
    """Make the algorithm of a fine-tuning, with a buffer full of what its planner decides."""
    made: Algorithm = make_kind(ALGORITHMS, of.finetune.algorithm, planner.eval(), of.finetune, 0)
    for _ in range(bench.size(5, 2)):
        made.observe(rollout(bench, planner, made))
    return made


@torch.no_grad()
def rollout(bench: Bench, planner: Planner, algorithm: Algorithm) -> Rollout:
    """Let an algorithm decide in made-up situations: ten episodes of a door's 34 chunks."""
    envs, rounds = bench.size(10, 2), bench.size(34, 3)
    generators = [torch.Generator().manual_seed(env) for env in range(envs)]
    decide, parts = algorithm.decide(explore=True), []
    for elapsed in range(rounds):
        seen = observations(bench, envs, planner.config.history)
        contexts = planner.encode(seen.each(lambda part: part.to(bench.device)))
        decision = decide(contexts, generators, elapsed)
        means, samples = links(decision)
        none = contexts[:, :0]
        parts.append((contexts, none, decision.plans, decision.candidates, means, samples))
    contexts, features, plans, candidates, means, samples = (
        torch.stack(part).cpu() for part in zip(*parts, strict=True)
    )
    kept = observations(bench, rounds, envs, planner.config.history)
    history = slice(None if algorithm.keep_observations else 0)
    chunks = ChunkData(
        contexts=contexts,
        features=features,
        points=kept.points[:, :, history],
        robot_state=kept.robot_state[:, :, history],
        plans=plans,
        candidates=candidates,
        means=means,
        samples=samples,
        rewards=torch.rand(rounds, envs),
        valid=torch.ones(rounds, envs, dtype=torch.bool),
    )
    won = torch.arange(envs) % 2 == 0
    lengths, starts = torch.full((envs,), 3 * rounds), torch.arange(envs)
    whole = torch.full((envs,), rounds)
    return Rollout(chunks, EpisodeData(won, won, won, lengths, starts, until_success=whole))
