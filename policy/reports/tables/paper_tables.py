"""An experiment as a table of tasks and variants, the paper's numbers beside ours."""

from collections.abc import Mapping, Sequence

from policy.reports.paper import MEAN, Number, Paper
from policy.reports.result_tree import SeedRuns, Tasks, in_order, shown

Table = tuple[list[str], list[list[str]]]  # Header and rows.
WIDE = 5  # Columns for each row from which on a table is turned.


def compare(experiment: str, tasks: Tasks, paper: Paper) -> Table:
    """Set an experiment out; a column that would be empty is left out.

    Where it would be far wider than long, its columns are rows.

    Each variant has the mean over seeds of its last checkpoint's success, by both rules where that
    is known, DP3's top-5 mean, and what the paper prints for it; the paper's other methods follow.
    """
    variants = in_order({name for variants in tasks.values() for name in variants})
    printed = {task: paper.find(experiment, task) for task in [*tasks, MEAN]}
    columns = [column for name in variants for column in _of_variant(name, tasks, printed, paper)]
    columns += _of_others(variants, tasks, printed, paper)
    names = [*tasks, MEAN] if len(tasks) > 1 or printed[MEAN] else [*tasks]
    shown = [(title, cells[: len(names)]) for title, cells in columns if any(cells[: len(names)])]
    if len(shown) > WIDE * len(names):
        return ["", *names], [[title, *cells] for title, cells in shown]
    rows = [[name, *(cells[i] for _, cells in shown)] for i, name in enumerate(names)]
    return ["task", *(title for title, _ in shown)], rows


Column = tuple[str, list[str]]  # Its title, and a cell for each task and for their mean.
PrintedByTask = Mapping[str, Sequence[Number]]


def _of_variant(name: str, tasks: Tasks, printed: PrintedByTask, paper: Paper) -> list[Column]:
    runs = [variants.get(name) for variants in tasks.values()]
    rates = [variant.rate for variant in runs if variant is not None]
    tops = [v.top5[0] for v in runs if v is not None and v.top5 is not None]
    title = shown(name)
    beside = [_of_method(numbers, name, paper) for numbers in printed.values()]
    return [
        (title, [*map(_success, runs), _mean(rates)]),
        (f"{title}: end, ever", [*map(_end_and_ever, runs), ""]),
        (f"{title}: DP3's top-5 mean", [*map(_top5, runs), _mean(tops)]),
        (f"{title}: paper", beside),
    ]


def _of_others(
    variants: Sequence[str], tasks: Tasks, printed: PrintedByTask, paper: Paper
) -> list[Column]:
    """Give the paper's numbers that stand beside no variant of ours."""
    others = [n for numbers in printed.values() for n in numbers if n.variant not in variants]
    columns = []
    for method in dict.fromkeys(number.method for number in others):
        mine = {
            task: [n for n in others if (n.task, n.method) == (task, method)] for task in printed
        }
        columns.append((f"paper: {method}", [_with_tables(mine[task], paper) for task in printed]))
    return columns


def _success(variant: SeedRuns | None) -> str:
    if variant is None:
        return ""
    low, high = variant.interval
    return f"{variant.rate:.0%} ({low:.0%} to {high:.0%}; {variant.trials} episodes)"


def _end_and_ever(variant: SeedRuns | None) -> str:
    shares = None if variant is None else variant.end_and_ever
    return "" if shares is None else f"{shares[0]:.0%}, {shares[1]:.0%}"


def _top5(variant: SeedRuns | None) -> str:
    if variant is None or variant.top5 is None:
        return ""
    mean, seeds = variant.top5
    return f"{mean:.0%} ({seeds} seed{'s' if seeds > 1 else ''})"


def _mean(values: Sequence[float]) -> str:
    """Average over the tasks that there are, and say how many."""
    tasks = f"{len(values)} task{'s' if len(values) > 1 else ''}"
    return f"{sum(values) / len(values):.0%} ({tasks})" if values else ""


def _of_method(numbers: Sequence[Number], variant: str, paper: Paper) -> str:
    return _with_tables([number for number in numbers if number.variant == variant], paper)


def _with_tables(numbers: Sequence[Number], paper: Paper) -> str:
    """Write numbers with their tables; a mean also with the number of its tasks."""
    return "; ".join(
        f"{n}, mean of {paper.tables[n.table].tasks}" if n.task == MEAN else str(n) for n in numbers
    )
