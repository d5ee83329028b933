"""Ask what noise after clipping does to success: `python -m studies.clipped_output`.

The same planner plays the same starts with `planner.use_clipped_model_output` true and false, with
eta 1 and 0. Needs, for each task, the first two commands that it writes beside its figures. Writes
`results/sampling/clipped_output.json`.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

from configs.command import compose
from configs.files import write_text_whole
from policy.pipeline.judge import EvaluateConfig
from policy.planner.building import build_policy
from policy.planner.config import PlannerConfig
from policy.planner.policy import Policy
from policy.reports.result import ROOT, machine
from policy.rollouts.evaluation import Evaluation, evaluate, evaluation_seeds
from policy.rollouts.loading import Loaded, load_for, make_envs
from policy.runs.device import prepare

TASKS = ("adroit-door", "adroit-hammer", "adroit-pen")
EPISODES, STEPS, SIDE_BY_SIDE, PLAYED = 300, 3000, 20, 150


def main() -> None:
    """Evaluate every task's planner four times, and write what came of it."""
    store, out = "data/TASK.zarr", "out=outputs/clipped/TASK"
    report = {
        "commands": [
            f"python datasets/collect.py env=TASK episodes={EPISODES} points=256 out={store}",
            f"python policy/train.py data={store} {out} stage=pretrain pretrain.steps={STEPS}",
            "python -m studies.clipped_output",
        ],
        "episodes": PLAYED,
        "machine": machine(),
        "tasks": {task: dict(measured(task)) for task in TASKS},
    }
    path = ROOT / "results" / "sampling" / "clipped_output.json"
    write_text_whole(path, json.dumps(report, indent=1) + "\n")


def measured(task: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Play the same starts in each way."""
    config = compose(EvaluateConfig, "evaluate", [f"checkpoint=outputs/clipped/{task}"])
    assert config.checkpoint is not None
    device = prepare(config.machine.device, config.machine.threads)
    loaded = load_for(config.checkpoint, config.task)
    for eta, clipped in product((1.0, 0.0), (True, False)):
        planner = sampling(loaded.planner, eta, clipped=clipped).to(device)
        result = played(loaded, planner, config.machine.workers)
        yield (
            f"eta={eta:g} use_clipped_model_output={str(clipped).lower()}",
            {
                "rate": result.rate,
                "wilson_95": list(result.interval),
                "mean_return": result.mean_return,
                "successes": list(map(int, result.successes)),
            },
        )


def sampling(planner: Policy, eta: float, *, clipped: bool) -> Policy:
    """Copy a planner that samples otherwise."""
    assert isinstance(planner.config, PlannerConfig)
    config = replace(planner.config, eta=eta, use_clipped_model_output=clipped)
    return build_policy(config, planner.sizes, planner.state_dict()).eval()


def played(loaded: Loaded, planner: Policy, workers: int) -> Evaluation:
    """Evaluate on the starts that all ways share."""
    envs = make_envs(loaded.env, planner, envs=SIDE_BY_SIDE, workers=workers)
    seeds = evaluation_seeds(0, PLAYED)
    result = evaluate(planner, envs, seeds, success_at=loaded.env.success_at, quiet=True)
    envs.close()
    return result


if __name__ == "__main__":
    main()
