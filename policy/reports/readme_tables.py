"""The README's tables, made from the files under results/ and from nothing else."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from perception.errors import InputError
from policy.reports.result_tree import run_files

SUCCESS = {"end": "at_end", "ever": "ever"}
Rows = Sequence[Sequence[str]]


def tabulate(results: Path, readme: Path) -> None:
    """Write the README's tables anew.

    Raises:
        InputError: There is no README, or it lacks the marks between which a table belongs.
    """
    if not readme.exists():
        raise InputError(f"{readme} does not exist; its tables between marks are written anew")
    text = readme.read_text()
    text = put(text, "results", results_table(results))
    text = put(text, "data", data_table(results / "data"))
    text = put(text, "benchmarks", benchmarks_table(results / "benchmarks"))
    readme.write_text(text)


def put(text: str, name: str, table: str) -> str:
    """Replace what stands between a table's marks.

    Raises:
        InputError: The marks are missing.
    """
    marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if not marks.search(text):
        raise InputError(f"The README lacks <!-- {name} --> and <!-- /{name} -->")
    return marks.sub(lambda match: f"{match[1]}{table}\n{match[2]}", text)


def results_table(results: Path) -> str:
    """Set out every evaluated run: success of the last checkpoint with its interval."""
    header = (
        "experiment", "task", "variant", "seed", "success", "95 % interval", "DP3's top-5 mean",
        "episodes", "env steps", "gradient steps", "hours",
    )  # fmt: skip
    rows = [_result_row(json.loads(path.read_text())) for path in run_files(results)]
    return markdown(header, rows)


def _result_row(run: dict[str, Any]) -> list[str]:
    def shown(value: float | None, form: str) -> str:
        return "" if value is None else format(value, form)

    interval = f"{run['wilson_low']:.0%} to {run['wilson_high']:.0%}"
    hours = None if run["wall_time_s"] is None else run["wall_time_s"] / 3600
    return [
        *(str(run[key]) for key in ("experiment", "task", "variant", "seed")),
        f"**{run['success_rate']:.0%}**",
        interval,
        shown(run["top5_mean"], ".0%"),
        str(run["episodes"]),
        *(shown(run[key], ",") for key in ("env_steps", "gradient_steps")),
        shown(hours, ".1f"),
    ]


def data_table(folder: Path) -> str:
    """Set out the cards of stores: how much, how good, and how that changes along time."""
    header = (
        "task", "quality", "episodes", "transitions", "success at the end", "ever",
        "first tenth to last", "MB", "MB per 90,000",
    )  # fmt: skip
    cards = [(path, json.loads(path.read_text())) for path in sorted(folder.glob("*/*.json"))]
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


def benchmarks_table(folder: Path) -> str:
    """Set out every benchmark beside its reference."""
    header = ("benchmark", "of what", "ours", "reference", "unit", "times better", "reference is")
    rows = []
    for path in sorted(folder.glob("*.json")):
        for entry in json.loads(path.read_text()):
            figures = (f"{entry[key]:,.4g}" for key in ("ours", "reference"))
            ratio = f"**{entry['ratio']:.3g}**"
            told = (entry["unit"], ratio, entry["reference_is"])
            rows.append([f"`{path.stem}`", entry["name"], *figures, *told])
    return markdown(header, rows)


def markdown(header: Sequence[str], rows: Rows) -> str:
    """Write a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
