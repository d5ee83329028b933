"""The tree of evaluated runs under results/, read back: experiments, tasks, variants, seeds."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policy.reports.result import GUIDED, Result
from policy.rollouts.evaluation import wilson
from policy.runs.metrics import read_metrics

ORDER = (  # Before fine-tuning, then the ways of fine-tuning; what is not named comes behind.
    "pretrained", "scratch", "none", "kl", "pl", "bc_only", "bc", "sodp", "offline_scratch",
    "offline", "near_optimal", "basketball", "mt10",
)  # fmt: skip


@dataclass(frozen=True)
class SeedRuns:
    """The evaluated runs of one variant of a task, one for each seed."""

    files: tuple[Path, ...]
    results: tuple[Result, ...]

    @property
    def rate(self) -> float:
        """Mean over seeds of the last checkpoint's success."""
        return sum(result.success_rate for result in self.results) / len(self.results)

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of all seeds' episodes together."""
        successes = sum(result.successes for result in self.results)
        return wilson(successes, sum(result.episodes for result in self.results))

    @property
    def end_and_ever(self) -> tuple[float, float] | None:
        """Mean over seeds of success at the last step, and at any; None where a file is older."""
        if not all(result.seeds for result in self.results):
            return None
        ends, evers = (
            [sum(result.reached(rule)) / result.episodes for result in self.results]
            for rule in ("end", "ever")
        )
        return sum(ends) / len(ends), sum(evers) / len(evers)

    @property
    def trials(self) -> str:
        """Say how many seeds and episodes: `3 x 100`, or `3 seeds, 250` if they differ."""
        episodes = [result.episodes for result in self.results]
        if len(set(episodes)) == 1:
            return f"{len(episodes)} x {episodes[0]}"
        return f"{len(episodes)} seeds, {sum(episodes)}"

    @property
    def top5(self) -> tuple[float, int] | None:
        """Mean over seeds of DP3's top-5 mean, and of how many seeds; None where none has it."""
        means = [result.top5_mean for result in self.results if result.top5_mean is not None]
        return (sum(means) / len(means), len(means)) if means else None

    @property
    def commands(self) -> list[str]:
        """The commands that made it, each once."""
        return list(dict.fromkeys(result.command for result in self.results))

    def metrics(self) -> list[list[dict[str, Any]]]:
        """Read what was noted along fine-tuning, for each seed that has it."""
        metrics = [read_metrics(path.with_suffix(".jsonl")) for path in self.files]
        return [lines for lines in metrics if lines]

    def traces(self) -> list[Path]:
        """Where the seeds' paths and chunks lie, as far as they were kept."""
        paths = [path.with_suffix(".npz") for path in self.files]
        return [path for path in paths if path.exists()]


Tasks = Mapping[str, Mapping[str, SeedRuns]]  # By task, then by variant.


def run_files(results: Path) -> list[Path]:
    """List the evaluated runs: `<experiment>/<task>/<variant>/seed<k>.json`."""
    return sorted(results.glob("*/*/*/seed*.json"))


def read_tree(results: Path) -> dict[str, Tasks]:
    """Read every evaluated run, by experiment.

    Raises:
        InputError: A file is no result, or lies where another one belongs.
    """
    tree: dict[str, dict[str, dict[str, list[Path]]]] = {}
    for path in run_files(results):
        experiment, task, variant = path.parts[-4:-1]
        tree.setdefault(experiment, {}).setdefault(task, {}).setdefault(variant, []).append(path)
    return {
        experiment: {task: _variants(files) for task, files in tasks.items()}
        for experiment, tasks in tree.items()
    }


def in_order(names: set[str]) -> list[str]:
    """Put variants into the order of the tables; judged with its critics, one follows itself."""
    places = {name: place for place, name in enumerate(ORDER)}

    def key(name: str) -> tuple[int, str, bool]:
        alone = name.removesuffix(GUIDED)
        return places.get(alone, len(places)), alone, name != alone

    return sorted(names, key=key)


def shown(variant: str) -> str:
    """Say a variant's name as tables do."""
    alone = variant.removesuffix(GUIDED)
    return variant if alone == variant else f"{alone} with its critics"


def _variants(files: Mapping[str, list[Path]]) -> dict[str, SeedRuns]:
    return {
        name: SeedRuns(tuple(files[name]), tuple(Result.read(path) for path in files[name]))
        for name in in_order(set(files))
    }
