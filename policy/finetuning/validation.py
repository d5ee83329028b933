"""Evaluation along fine-tuning, on episodes that are neither trained on nor reported."""

from envs.seeding import derive_seed
from envs.vector.vector_env import VectorEnv
from policy.finetuning.config import FinetuneConfig
from policy.planner.decision import Decide
from policy.planner.policy import Policy
from policy.rollouts.evaluation import evaluate


def validate(
    planner: Policy,
    envs: VectorEnv,
    config: FinetuneConfig,
    *,
    episodes: int,
    played: int,
    seed: int,
    success_at: str,
    decide: Decide | None,
) -> dict[str, float]:
    """Evaluate where it is due after so many episodes; give what it came to, by metric name.

    It is due where the last `played` of the `episodes` have passed a multiple of `evaluate_every`.
    The planner is judged alone; where `decide` is given, also with what guides it.
    """
    every = config.evaluate_every
    if not every or episodes % every >= played:
        return {}
    seeds = [derive_seed("validation", seed, index) for index in range(config.evaluate_episodes)]
    judges = {"evaluation": None, **({} if decide is None else {"evaluation_guided": decide})}
    values: dict[str, float] = {}
    for name, judge in judges.items():
        result = evaluate(planner, envs, seeds, success_at=success_at, quiet=True, decide=judge)
        values |= {f"{name}/success": result.rate, f"{name}/return": result.mean_return}
    return values
