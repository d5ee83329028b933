"""Ten tasks of Meta-World as one table: rivals and the planner, Table 8 beside."""

from collections.abc import Mapping
from pathlib import Path

from policy.reports.paper import MEAN, Paper, read_paper
from policy.reports.result_tree import SeedRuns, Tasks, read_tree
from policy.reports.tables.markdown import markdown

TASKS = (
    "basketball", "button-press", "dial-turn", "drawer-close", "peg-insert-side", "pick-place",
    "push", "reach", "sweep-into", "window-open",
)  # fmt: skip
RIVALS, OWN = "rivals-mt10", "thirteen-tasks"  # Experiments; all learned from the same stores.
ROWS = (  # Down the table: imitation, then the planner as pre-trained and as fine-tuned.
    (RIVALS, "bcrnn-3d"), (RIVALS, "simple-dp3"), (RIVALS, "dp3"), (RIVALS, "flow"),
    (RIVALS, "mtdiff-3d"), (OWN, "pretrained_600k"), (OWN, "pretrained_600k_cold"),
    (OWN, "sodp_600k"), (OWN, "sodp_600k_again"), (OWN, "q_guided_600k"),
    (OWN, "q_guided_600k_again"),
)  # fmt: skip
PRINTED = {"dp3": "DP3", "mtdiff-3d": "MTDIFF_3D", "sodp_600k": "SODP"}  # As Table 8 calls them.


def ten_tasks_table(results: Path) -> str:
    """Set out success of the last checkpoint in percent, each task's and the mean of all ten.

    Raises:
        InputError: The paper's numbers are missing.
    """
    tree = read_tree(results)
    if RIVALS not in tree:
        return "Nothing was run."
    paper = read_paper(results / "paper.json")
    header = ("policy", "seeds", *TASKS, "mean of ten", "Table 8")
    rows = [_row(name, tree.get(experiment, {}), paper) for experiment, name in ROWS]
    return markdown(header, [row for row in rows if row])


def _row(name: str, tasks: Tasks, paper: Paper) -> list[str]:
    """Give the row of a variant; none where it was not run on any task."""
    runs = {task: tasks.get(f"metaworld-{task}", {}).get(name) for task in TASKS}
    found = {task: run for task, run in runs.items() if run is not None}
    if not found:
        return []
    seeds = sorted({len(run.results) for run in found.values()})
    cells = [f"{found[task].rate * 100:.0f}" if task in found else "not run" for task in TASKS]
    told = " to ".join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))
    return [f"`{name}`", told, *cells, _mean(found), _printed(name, paper)]


def _mean(found: Mapping[str, SeedRuns]) -> str:
    """Give the mean over tasks, where none of them is missing."""
    if len(found) < len(TASKS):
        return ""
    return f"**{sum(run.rate for run in found.values()) / len(TASKS) * 100:.0f}**"


def _printed(name: str, paper: Paper) -> str:
    numbers = paper.find("metaworld-images", MEAN)
    return "".join(f"{n.success_percent:g}" for n in numbers if n.method == PRINTED.get(name))
