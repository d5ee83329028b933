"""Evaluation along fine-tuning, on episodes that are neither trained on nor reported."""

from envs.seeding import derive_seed
from envs.vector.vector_env import VectorEnv
from policy.finetuning.config import FinetuneConfig
from policy.planner.planner import Planner
from policy.rollouts.evaluation import evaluate


def validate(
    planner: Planner,
    envs: VectorEnv,
    config: FinetuneConfig,
    *,
    episodes: int,
    played: int,
    seed: int,
    success_at: str,
) -> dict[str, float]:
    """Evaluate where it is due after so many episodes; give what it came to, by metric name.

    It is due where the last `played` of the `episodes` have passed a multiple of `evaluate_every`.
    """
    every = config.evaluate_every
    if not every or episodes % every >= played:
        return {}
    seeds = [derive_seed("validation", seed, index) for index in range(config.evaluate_episodes)]
    result = evaluate(planner, envs, seeds, success_at=success_at, quiet=True)
    return {"evaluation/success": result.rate, "evaluation/return": result.mean_return}
