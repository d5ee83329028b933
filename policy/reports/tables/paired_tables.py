"""Comparisons on the same starts, set out in points: `end` and `ever` side by side."""

from collections import Counter
from collections.abc import Sequence

from policy.reports.paired import RULES, Comparison, Difference, NotCompared, Span, comparisons
from policy.reports.result_tree import Tasks, shown

HEADER = [
    "task", "variant", "minus", "seeds x starts", "end", "over starts", "over seeds too", "ever",
    "over starts", "over seeds too",
]  # fmt: skip


def paired_rows(tasks: Tasks, mark: str = "") -> tuple[list[list[str]], list[NotCompared]]:
    """Set out the comparisons of an experiment.

    Args:
        tasks: Of one experiment.
        mark: Put on both sides of a difference by the rule that counts for its task.

    Returns:
        Rows under `HEADER`, and those that have none.
    """
    found = list(comparisons(tasks))
    rows = [_row(one, mark) for one in found if isinstance(one, Comparison)]
    return rows, [one for one in found if isinstance(one, NotCompared)]


def reasons(named: Sequence[tuple[str, NotCompared]]) -> list[str]:
    """Say by a sentence for each reason what is not compared, each by the name given with it."""
    said = []
    for reason in dict.fromkeys(one.reason for _, one in named):
        counts = Counter(name for name, one in named if one.reason == reason)
        names = ", ".join(n if count == 1 else f"{n} ({count})" for n, count in counts.items())
        said.append(f"Not compared, since {reason}: {names}.")
    return said


def _row(one: Comparison, mark: str) -> list[str]:
    cells = []
    for rule in RULES:
        mean, *spans = _cells(one.differences[rule])
        cells += [f"{mark}{mean}{mark}" if rule == one.counts else mean, *spans]
    names = (one.task, shown(one.variant), shown(one.other))
    return [*names, f"{one.seeds} x {one.starts}", *cells]


def _cells(found: Difference) -> list[str]:
    over_seeds = "" if found.over_seeds is None else _span(found.over_seeds)
    return [_points(found.mean), _span(found.over_starts), over_seeds]


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"


def _span(span: Span) -> str:
    low, high = map(_points, span)
    return f"{low} to {high}"
