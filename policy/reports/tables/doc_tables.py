"""The tables and figures of docs/, made from the files under results/ and from nothing else."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from configs.files import write_text_whole
from perception.errors import InputError
from policy.reports.paired import RULES
from policy.reports.result import Result
from policy.reports.result_tree import read_tree, run_files, shown
from policy.reports.tables.markdown import markdown
from policy.reports.tables.paired_tables import HEADER, paired_rows, reasons
from policy.reports.tables.rival_tables import rivals_table
from policy.reports.tables.ten_tasks_table import ten_tasks_table

SUCCESS = {"end": "at_end", "ever": "ever"}


def write_tables(results: Path, docs: Path) -> None:
    """Write the tables of `docs` anew, each between the marks of its name in its page.

    Raises:
        InputError: A page is missing, or lacks the marks between which its table belongs.
    """
    for name, (page, table) in TABLES.items():
        path = docs / page
        if not path.exists():
            raise InputError(f"{path} does not exist; its table {name} is written anew")
        write_text_whole(
            path, put(path.read_text(encoding="utf-8"), name, table(results), str(path))
        )


def copy_figures(results: Path, docs: Path) -> None:
    """Put the figures that pages show where they look for them, as far as results have them."""
    for name, source in FIGURES.items():
        if (results / source).exists():
            (docs / "pictures").mkdir(exist_ok=True)
            shutil.copyfile(results / source, docs / "pictures" / name)


def put(text: str, name: str, table: str, page: str) -> str:
    """Replace what stands between a table's marks.

    Raises:
        InputError: The marks are missing; `page` says where.
    """
    marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if not marks.search(text):
        raise InputError(f"{page} lacks <!-- {name} --> and <!-- /{name} -->")
    return marks.sub(lambda match: f"{match[1]}{table}\n{match[2]}", text)


def results_table(results: Path) -> str:
    """Set out every evaluated run: success of the last checkpoint with its interval."""
    header = (
        "experiment", "task", "variant", "seed", "success", "95 % interval", "end, ever",
        "DP3's top-5 mean", "episodes", "env steps", "gradient steps", "hours", "CPU minutes",
    )  # fmt: skip
    return markdown(header, [_result_row(Result.read(path)) for path in run_files(results)])


def _result_row(run: Result) -> list[str]:
    def told(value: float | None, form: str, unit: float = 1) -> str:
        return "" if value is None else format(value / unit if unit != 1 else value, form)

    both = [f"{sum(run.reached(rule)) / run.episodes:.0%}" for rule in RULES if run.seeds]
    return [
        run.experiment,
        run.task,
        shown(run.variant),
        str(run.seed),
        f"**{run.success_rate:.0%}**",
        f"{run.wilson_low:.0%} to {run.wilson_high:.0%}",
        ", ".join(both),
        told(run.top5_mean, ".0%"),
        str(run.episodes),
        told(run.env_steps, ","),
        told(run.gradient_steps, ","),
        told(run.wall_time_s, ".1f", 3600),
        told(run.processor_s, ".1f", 60),
    ]


def paired_table(results: Path) -> str:
    """Set out every difference between variants on the same starts, and what has none."""
    rows, without = [], []
    for experiment, tasks in read_tree(results).items():
        found, refused = paired_rows(tasks, mark="**")
        rows += [[experiment, *row] for row in found]
        without += [(experiment, one) for one in refused]
    table = [markdown(["experiment", *HEADER], rows)] if rows else []
    return "\n\n".join([*table, *reasons(without)])


def data_table(results: Path) -> str:
    """Set out the cards of stores: how much, how good, and how that changes along time."""
    header = (
        "task", "quality", "episodes", "transitions", "success at the end", "ever",
        "first tenth to last", "MB", "MB per 90,000",
    )  # fmt: skip
    paths = sorted((results / "data").glob("*/*.json"))
    cards = [(path, json.loads(path.read_text(encoding="utf-8"))) for path in paths]
    return markdown(header, [_data_row(path.stem, card) for path, card in cards])


def _data_row(quality: str, card: dict[str, Any]) -> list[str]:
    first, last = (
        tenth["successes"] / tenth["episodes"]
        for tenth in (card["along_time"][0], card["along_time"][-1])
    )
    shares = {rule: f"{card[key] / card['episodes']:.0%}" for rule, key in SUCCESS.items()}
    shares[card["success_at"]] = f"**{shares[card['success_at']]}**"
    counts = (f"{card[key]:,}" for key in ("episodes", "steps"))
    megabytes = card["stored_bytes"] / 1e6
    sizes = (f"{megabytes:.0f}", f"{megabytes * 90_000 / card['steps']:.0f}")
    return [card["task"], quality, *counts, *shares.values(), f"{first:.0%} to {last:.0%}", *sizes]


def benchmarks_table(results: Path) -> str:
    """Set out every benchmark beside its reference."""
    header = ("benchmark", "of what", "ours", "reference", "unit", "times better", "reference is")
    rows = []
    for path in sorted((results / "benchmarks").glob("*.json")):
        for entry in json.loads(path.read_text(encoding="utf-8")):
            figures = (f"{entry[key]:,.4g}" for key in ("ours", "reference"))
            ratio = f"**{entry['ratio']:.3g}**"
            last = (entry["unit"], ratio, entry["reference_is"])
            rows.append([f"`{path.stem}`", entry["name"], *figures, *last])
    return markdown(header, rows)


TABLES: dict[str, tuple[str, Callable[[Path], str]]] = {  # By the name of its marks: its page.
    "results": ("experiments.md", results_table),
    "paired": ("experiments.md", paired_table),
    "rivals": ("rivals.md", rivals_table),
    "ten-tasks": ("rivals.md", ten_tasks_table),
    "data": ("data.md", data_table),
    "benchmarks": ("benchmarks.md", benchmarks_table),
}
FIGURES = {  # In docs/pictures, by their name there.
    "curves-hammer.png": "adroit-images/adroit-hammer/curves.png",
    "curves-first-run.png": "first-run/adroit-door/curves.png",
    "paths-door.png": "adroit-images/adroit-door/paths.png",
    "card.png": "data/adroit-door/suboptimal.png",
}
