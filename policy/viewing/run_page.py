"""The page of a run: an episode before and after, success, its data, clouds and curves."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from configs.files import write_text_whole
from datasets.cards import store_plots
from datasets.cards.card import Outcomes, outcomes
from datasets.cards.store_page import contact_sheet
from datasets.store.store import EpisodeStore
from envs.config import EnvConfig
from perception.errors import InputError
from policy.planner.checkpoint import load_policy
from policy.planner.policy import Policy
from policy.reports.curves import comparison_plot, learning_plot, loss_plot
from policy.rollouts.evaluation import Evaluation
from policy.rollouts.evaluation_file import guided, read_evaluation
from policy.runs.metrics import read_metrics
from policy.runs.run import Run
from policy.viewing.before_after import episodes_part, telling_seed
from policy.viewing.recorded_page import recorded_parts
from visualizer import pages
from visualizer.pages import Html

logger = logging.getLogger(__name__)

Reader = Callable[[Path], tuple[Policy, dict[str, Any]]]

STAGES = {"pretrain": "pre-trained", "finetune": "fine-tuned"}
JUDGED = {**STAGES, guided("finetune"): "fine-tuned, with its critics"}
FRAMES_PER_SECOND = 20.0


def write_run_page(
    run: Run, env: EnvConfig | None, data: Path | None, read: Reader = load_policy
) -> Path:
    """Write `report.html` into a run's folder, from what the folder and the store hold.

    Args:
        run: Finished, or finished up to a stage.
        env: Its task; without a simulator, the planner is shown beside what was recorded.
        data: The store it was pre-trained on; left out of the page where there is none.
        read: Gives a checkpoint's planner, which may have been read before.
    """
    evaluations = {name: read_evaluation(run.path, stage) for stage, name in JUDGED.items()}
    evaluated = {name: e for name, e in evaluations.items() if e is not None}
    store = EpisodeStore.open(data) if data is not None and data.exists() else None
    parts = [] if env is None else _episode_part(run, env, read)
    last = next((s for s in reversed(STAGES) if run.checkpoint(s).exists()), None)
    if last is not None and env is None and store is not None:
        planner, _ = read(run.checkpoint(last))
        parts += recorded_parts(planner, store, episodes=1, frames_per_second=FRAMES_PER_SECOND)
    parts += [*_recorded_parts(evaluated, store), _learning_part(run)]
    path = run.path / "report.html"
    task = run.config["about"]["task"] if env is None else env.name
    write_text_whole(path, pages.page(f"{task}: {run.path.name}", parts))
    return path


def _recorded_parts(evaluated: Mapping[str, Evaluation], store: EpisodeStore | None) -> list[Html]:
    """Show what was reached, beside what was recorded if that can be read: the run is done."""
    try:
        recorded = None if store is None else outcomes(store)
        shown = [] if store is None or recorded is None else [_data_part(store, recorded)]
    except InputError as error:
        logger.warning("the page shows no recorded data: %s", error)
        recorded, shown = None, []
    return [_result_part(evaluated, recorded), *shown]


def _result_part(evaluated: Mapping[str, Evaluation], recorded: Outcomes | None) -> Html:
    """Say what was reached, with intervals."""
    rows = []
    if recorded is not None and not recorded.judged:
        rows.append(("recorded data", len(recorded.returns), "not recorded", "", "not recorded"))
    elif recorded is not None:
        share = f"{recorded.successes.mean():.0%}"
        mean = f"{recorded.returns.mean():.4g}" if recorded.rewarded else "not recorded"
        rows.append(("recorded data", len(recorded.returns), share, "", mean))
    for name, evaluation in evaluated.items():
        low, high = evaluation.interval
        span, mean = f"{low:.0%} to {high:.0%}", f"{evaluation.mean_return:.4g}"
        rows.append((name, len(evaluation.successes), f"{evaluation.rate:.0%}", span, mean))
    header = ("who", "episodes", "success", "95 % interval (Wilson)", "mean return")
    parts = [pages.heading("What was reached"), pages.table(header, rows)]
    if evaluated:
        judged = recorded is not None and recorded.judged
        rate = float(recorded.successes.mean()) if recorded is not None and judged else None
        parts.append(pages.figure(comparison_plot(evaluated, rate)))
    if len({evaluation.seeds[:1] for evaluation in evaluated.values()}) > 1:
        words = "Not all on the same starts: the command that made an older one plays it anew."
        parts.append(pages.paragraph(words))
    return pages.together(*parts)


def _data_part(store: EpisodeStore, recorded: Outcomes) -> Html:
    """Show what was recorded, and what it looks like to the planner."""
    summary = f"{store.episodes} episodes, {store.steps:,} steps"
    summary += ", from failure to mastery." if recorded.judged else "; no outcome was recorded."
    parts = [pages.heading("The data"), pages.paragraph(summary)]
    if recorded.judged:
        parts.append(pages.figure(store_plots.profile_plot(recorded)))
    if "point_cloud" in store.names:
        caption = "Clouds, from the best episode to the worst: by success, then by return."
        parts.append(pages.figure(contact_sheet(store, recorded), caption))
    return pages.together(*parts)


def _learning_part(run: Run) -> Html:
    """Show the curves of both stages."""
    parts = [pages.heading("Learning")]
    before, after = (read_metrics(run.path / f"{stage}.jsonl") for stage in STAGES)
    if before:
        caption = "Pre-training on everything recorded, without rewards."
        parts.append(pages.figure(loss_plot(before), caption))
    if after:
        caption = "Fine-tuning on the task's rewards."
        parts.append(pages.figure(learning_plot(after), caption))
    return pages.together(*parts)


def _episode_part(run: Run, env: EnvConfig, read: Reader) -> list[Html]:
    """Show one start before and after fine-tuning, as far as the run has come."""
    planners = {
        name: read(run.checkpoint(stage))[0].cpu()
        for stage, name in STAGES.items()
        if run.checkpoint(stage).exists()
    }
    judged = {stage: read_evaluation(run.path, stage) for stage in STAGES}
    seed = telling_seed({stage: one for stage, one in judged.items() if one is not None})
    return [episodes_part(planners, env, seed, FRAMES_PER_SECOND)] if planners else []
