"""Evaluation along fine-tuning, on episodes that are neither trained on nor reported."""

from collections.abc import Mapping
from math import inf
from typing import Any

from envs.vector.vector_env import VectorEnv
from policy.finetuning.config import FinetuneConfig
from policy.planner.decision import Decide
from policy.planner.policy import Policy
from policy.rollouts.evaluation import evaluate, validation_seeds
from policy.runs.metrics import read_metrics
from policy.runs.run import Run


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
    seeds = validation_seeds(seed, config.evaluate_episodes)
    judges = {"evaluation": None, **({} if decide is None else {"evaluation_guided": decide})}
    values: dict[str, float] = {}
    for name, judge in judges.items():
        result = evaluate(planner, envs, seeds, success_at=success_at, quiet=True, decide=judge)
        values |= result.noted_as(name)
    return values


class Best:
    """The best evaluation along a run: by success, then by return.

    Args:
        run: Its metrics say what was evaluated so far.
        episodes: That were played when it goes on; what was noted later is played again.
    """

    def __init__(self, run: Run, episodes: int) -> None:
        noted = read_metrics(run.path / "finetune.jsonl")
        ranks = [_rank(values) for values in noted if values["step"] <= episodes]
        self._rank = max(filter(None, ranks), default=None)

    def beaten_by(self, values: Mapping[str, Any]) -> bool:
        """Take in the newest metrics; tell whether they hold an evaluation better than all."""
        rank = _rank(values)
        if rank is None or (self._rank is not None and rank <= self._rank):
            return False
        self._rank = rank
        return True


def _rank(values: Mapping[str, Any]) -> tuple[float, float] | None:
    if values.get("evaluation/success") is None:
        return None
    return values["evaluation/success"], values.get("evaluation/return") or -inf
