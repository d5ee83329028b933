"""Evaluate a planner.

    python policy/evaluate.py checkpoint=outputs/adroit-door

Without checkpoint= it takes the newest run under outputs/. The task, and how it is seen, are those
that the planner was made with. Plays seeded episodes side by side, tells the success rate with its
95 % interval (Wilson), and notes it in the checkpoint's run; of the first failed episodes it makes
films (failures.html there).
"""

import sys
from dataclasses import replace
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from rich.console import Console
from rich.table import Table

from configs.command import script
from configs.command.following import follow
from envs.config import EnvConfig
from policy.rollouts.evaluation import Evaluation, wilson
from policy.rollouts.judge import EvaluateConfig, judge
from policy.runs.newest import given_or_newest
from policy.viewing.failures_page import write_failures


@script("evaluate", EvaluateConfig)
def main(config: EvaluateConfig) -> None:
    """Evaluate, tell, and show failures."""
    config = replace(config, checkpoint=given_or_newest(config.checkpoint))
    loaded, evaluation = judge(config)
    Console().print(outcome_table(evaluation, loaded.env, str(config.checkpoint)))
    if config.gallery > 0:
        write_failures(loaded, evaluation, config.folder, count=config.gallery)
    follow(config.folder, ("policy/view.py", f"checkpoint={config.checkpoint}"))


def outcome_table(evaluation: Evaluation, env: EnvConfig, title: str) -> Table:
    """Set out what an evaluation came to."""
    episodes = len(evaluation.successes)
    table = Table("", "", "95 % interval", title=f"{env.name}: {title}")
    table.add_row("episodes", f"{episodes:,}", "")
    rules = (
        ("end", "success at the last step", sum(evaluation.at_end)),
        ("ever", "success at any step", sum(evaluation.ever)),
    )
    for rule, name, count in rules:
        low, high = wilson(count, episodes)
        counting = " (counts for this task)" if rule == env.success_at else ""
        share = f"{count:,} = {count / episodes:.1%}"
        table.add_row(name + counting, share, f"{low:.1%} to {high:.1%}")
    table.add_row("mean return", f"{evaluation.mean_return:.4g}", "")
    lengths = evaluation.lengths
    mean, least, most = sum(lengths) / episodes, min(lengths), max(lengths)
    table.add_row("steps, mean (least to most)", f"{mean:.1f} ({least} to {most})", "")
    return table


if __name__ == "__main__":
    main()
