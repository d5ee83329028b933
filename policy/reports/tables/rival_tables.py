"""The rivals of Adroit as one table: policies down, stores and tasks across, Table 7 beside."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from policy.reports.paper import Paper, read_paper
from policy.reports.result import Result
from policy.reports.result_tree import SeedRuns, Tasks, read_tree
from policy.reports.tables.markdown import markdown

EXPERIMENT = "rivals-adroit"
TASKS = ("adroit-hammer", "adroit-door", "adroit-pen")  # In the order of Table 7.
STORES = {"expert10": "ten experts", "agent400": "400 noisy"}  # A variant is `<policy>-<store>`.
POLICIES = (  # Down the table: pictures, clouds, and what is fine-tuned.
    "bcrnn", "ibc", "dp", "bcrnn-3d", "ibc-3d", "simple-dp3", "dp3", "flow", "sodp", "sodp_cold",
    "ppo_bc", "ppo_bc_cold", "q_guided", "q_guided_cold", "q_guided_again",
)  # fmt: skip
NOT_RUN = "not run"


def rivals_table(results: Path) -> str:
    """Set out success of the last checkpoint, and DP3's top-5 mean where it is known.

    Raises:
        InputError: The paper's numbers are missing.
    """
    tasks = read_tree(results).get(EXPERIMENT, {})
    if not tasks:
        return "Nothing was run."
    paper = read_paper(results / "paper.json")
    across = [(store, task) for store in STORES for task in TASKS]
    titles = [f"{_short(task)}, {STORES[store]}" for store, task in across]
    header = ("policy", "parameters", *titles, "Table 7: hammer, door, pen", "CPU minutes")
    return markdown(header, [_row(name, tasks, paper) for name in POLICIES if _runs(name, tasks)])


def _row(policy: str, tasks: Tasks, paper: Paper) -> list[str]:
    every = _runs(policy, tasks)
    cells = [_cell(tasks.get(task, {}).get(f"{policy}-{s}")) for s in STORES for task in TASKS]
    size = max(run.parameters or 0 for run in every)
    minutes = [run.processor_s / 60 for run in every if run.processor_s]
    spent = f"{min(minutes):.1f} to {max(minutes):.1f}" if minutes else ""
    return [f"`{policy}`", f"{size / 1e6:.1f} M", *cells, _printed(policy, paper), spent]


def _runs(policy: str, tasks: Tasks) -> list[Result]:
    """List all runs of a policy."""
    named = [variants.get(f"{policy}-{store}") for variants in tasks.values() for store in STORES]
    return [result for runs in named if runs is not None for result in runs.results]


def _cell(runs: SeedRuns | None) -> str:
    if runs is None:
        return NOT_RUN
    low, high = runs.interval
    seeds = "" if len(runs.results) == 1 else f"; {len(runs.results)} seeds"
    best = f"; top 5: {runs.top5[0]:.0%}" if runs.top5 is not None else ""
    return f"**{runs.rate:.0%}** ({low:.0%} to {high:.0%}{seeds}{best})"


def _printed(policy: str, paper: Paper) -> str:
    """Give what the paper prints for a policy, whichever store of ours it stands beside."""
    found: Mapping[str, Sequence[str]] = {
        task: [
            f"{n.success_percent:g}"
            for n in paper.find(EXPERIMENT, task)
            if n.variant in {f"{policy}-{store}" for store in STORES}
        ]
        for task in TASKS
    }
    printed = [", ".join(numbers) for numbers in found.values()]
    return ", ".join(printed) if all(printed) else ""


def _short(task: str) -> str:
    return task.removeprefix("adroit-")
