"""Evaluate a planner.

    python policy/evaluate.py checkpoint=outputs/adroit-door

Without checkpoint= it takes the newest run under outputs/. The task, and how it is seen, are those
that the planner was made with. Plays seeded episodes side by side, tells the success rate with its
95 % interval (Wilson), and notes it in the checkpoint's run; of the first failed episodes it makes
films (failures.html there). The planner is alone; candidates=6 follows the best of six plans by the
critics that its fine-tuning saved beside it.
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
from policy.pipeline.judge import EvaluateConfig, judge
from policy.rollouts.evaluation import Evaluation, wilson
from policy.runs.newest import given_or_newest
from policy.viewing.failures_page import write_failures


@script("evaluate", EvaluateConfig)
def main(config: EvaluateConfig) -> None:
    """Evaluate, tell, and show failures."""
    config = replace(config, checkpoint=given_or_newest(config.checkpoint))
    judged = judge(config)
    loaded, evaluation = judged.loaded, judged.evaluation
    table = outcome_table(evaluation, loaded.env, str(config.checkpoint), config.candidates)
    Console().print(table)
    if config.gallery > 0:
        loaded.planner.cpu()
        decide = judged.decide(config)
        write_failures(loaded, evaluation, config.folder, count=config.gallery, decide=decide)
    follow(config.folder, ("policy/view.py", f"checkpoint={config.checkpoint}"))


def outcome_table(evaluation: Evaluation, env: EnvConfig, title: str, candidates: int = 1) -> Table:
    """Set out what an evaluation came to, of the planner alone or of the best of its candidates."""
    episodes = len(evaluation.successes)
    table = Table("", "", "95 % interval", title=f"{env.name}: {title}")
    alone = "the planner alone"
    who = alone if candidates == 1 else f"the best of {candidates} plans, by its critics"
    table.add_row("played by", who, "")
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
