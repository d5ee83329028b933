"""Results as files, made up."""

from collections.abc import Sequence

from policy.reports.result import Result
from policy.rollouts.evaluation import wilson


def result(
    where: str,
    seed: int,
    successes: int,
    episodes: int = 20,
    starts: Sequence[int] = (),
) -> Result:
    """Make a result up; with starts it says of each that the first ones succeeded, at the end."""
    won = tuple(index < successes for index in range(len(starts)))
    experiment, task, variant = where.split("/")
    low, high = wilson(successes, episodes)
    before = variant == "pretrained"
    return Result(
        experiment=experiment,
        task=task,
        variant=variant,
        seed=seed,
        stage="pretrain" if before else "finetune",
        episodes=episodes,
        successes=successes,
        success_rate=successes / episodes,
        wilson_low=low,
        wilson_high=high,
        top5_mean=None if before else 0.5 + seed / 10,
        mean_return=1.0,
        env_steps=100,
        gradient_steps=10,
        wall_time_s=1.0,
        command=f"python policy/train.py experiment={experiment} variant={variant} seed={seed}",
        config_sha256="x",
        source_commit=None,
        machine="m",
        date="2026-01-01",
        success_at="end" if starts else None,
        seeds=tuple(starts),
        at_end=won,
        ever=(True,) * len(starts),
    )
