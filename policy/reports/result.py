"""Evaluated runs as small JSON files: the only place that tables and plots are made from."""

import datetime
import os
import platform
import shlex
import sys
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch

from configs.build import build
from datasets.store.provenance import source_commit
from envs.success import SuccessAt
from perception.errors import InputError
from policy.rollouts.evaluation import Evaluation
from policy.runs.json_files import read_json, write_json
from policy.runs.metrics import read_metrics

GUIDED = "_with_critics"  # Behind a variant's name: judged with its critics, not alone.
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Result:
    """One evaluated stage of one run; None where a field does not apply.

    The last fields are younger than some files, which lack them.

    Attributes:
        variant: What was trained; `GUIDED` behind it: judged with its critics, not alone.
        success_rate: Of the last checkpoint, with Wilson's 95 % interval beside it.
        top5_mean: DP3's protocol: mean of the five best evaluations along the way.
        env_steps: Agent steps of online training.
        wall_time_s: Of the stage.
        processor_s: Seconds of all processors in it, those of worker processes included.
        success_at: Which rule counts, `end` or `ever`.
        seeds: Of each evaluated episode.
        at_end: Whether each had reached the goal at its last step.
        ever: Whether each reached it at any step.
        parameters: How many numbers the policy has learned.
    """

    experiment: str
    task: str
    variant: str
    seed: int
    stage: str
    episodes: int
    successes: int
    success_rate: float
    wilson_low: float
    wilson_high: float
    top5_mean: float | None
    mean_return: float | None
    env_steps: int | None
    gradient_steps: int | None
    wall_time_s: float | None
    command: str
    config_sha256: str
    source_commit: str | None
    machine: str
    date: str
    processor_s: float | None = None
    success_at: SuccessAt | None = None
    seeds: tuple[int, ...] = ()
    at_end: tuple[bool, ...] = ()
    ever: tuple[bool, ...] = ()
    parameters: int | None = None

    def reached(self, rule: str) -> tuple[bool, ...]:
        """Tell which episodes succeeded by a rule, `end` or `ever`; older files do not say it."""
        return self.at_end if rule == "end" else self.ever

    def write(self, root: Path) -> Path:
        """Write `<experiment>/<task>/<variant>/seed<k>.json`."""
        path = root / self.experiment / self.task / self.variant / f"seed{self.seed}.json"
        write_json(path, asdict(self), rows=True)
        return path

    @classmethod
    def read(cls, path: Path) -> "Result":
        """Read one that `write` wrote.

        Raises:
            InputError: The file is no result, or lies where another one belongs.
        """
        values = read_json(path)
        names = {field.name for field in fields(cls)}
        younger = {field.name for field in fields(cls) if field.default is not MISSING}
        if not isinstance(values, dict):
            raise InputError(f"{path} is no result, but {str(values)[:80]!r}")
        if wrong := (set(values) - names) | (names - younger - set(values)):
            said = ", ".join(sorted(wrong))
            raise InputError(f"{path} is no result: it lacks, or should not have, {said}")
        try:
            result = build(cls, values)
        except InputError as error:
            raise InputError(f"{path} is no result: {error}") from error
        episodes = {len(part) for part in (result.seeds, result.at_end, result.ever)}
        if episodes not in ({0}, {result.episodes}):
            raise InputError(f"{path} is no result: seeds, at_end and ever differ in length")
        where = (result.experiment, result.task, result.variant, f"seed{result.seed}")
        if where != (*path.parts[-4:-1], path.stem):
            raise InputError(f"{path} says that it is {'/'.join(where)}.json")
        return result


def make_result(
    evaluation: Evaluation,
    about: Mapping[str, Any],
    *,
    experiment: str,
    variant: str,
    success_at: SuccessAt,
    config_sha256: str,
    metrics: Path,
    parameters: int | None = None,
) -> Result:
    """Put an evaluation, what the checkpoint says of itself, and this machine together."""
    low, high = evaluation.interval
    return Result(
        experiment=experiment,
        task=about["task"],
        variant=variant,
        seed=about["seed"],
        stage=about["stage"],
        episodes=len(evaluation.successes),
        successes=sum(evaluation.successes),
        success_rate=evaluation.rate,
        wilson_low=round(low, 4),
        wilson_high=round(high, 4),
        top5_mean=_top5(metrics),
        mean_return=round(evaluation.mean_return, 3),
        env_steps=about.get("env_steps"),
        gradient_steps=about.get("gradient_steps"),
        wall_time_s=_rounded(about.get("seconds")),
        command=command(),
        config_sha256=config_sha256,
        source_commit=source_commit(),
        machine=machine(),
        date=datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        processor_s=_rounded(about.get("processor_seconds")),
        success_at=success_at,
        parameters=parameters,
        **_of_episodes(evaluation),
    )


def _of_episodes(evaluation: Evaluation) -> dict[str, Any]:
    """Give what became of each episode; an evaluation of before may not know it."""
    if not evaluation.at_end:
        return {}
    return {name: getattr(evaluation, name) for name in ("seeds", "at_end", "ever")}


def command() -> str:
    """Give the command line of this process, relative to the repository."""
    script = Path(sys.argv[0])
    path = script.resolve()
    name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name
    return shlex.join(["python", str(name), *sys.argv[1:]])


def machine() -> str:
    """Describe the processor, and the GPU if this process computes on one."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor()
    card = f", {torch.cuda.get_device_name()}" if torch.cuda.is_initialized() else ""
    return f"{name}, {os.cpu_count()} cores, {platform.system()}{card}"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _top5(metrics: Path) -> float | None:
    rates = [
        line["evaluation/success"] for line in read_metrics(metrics) if "evaluation/success" in line
    ]
    best = sorted(rates, reverse=True)[:5]
    return round(sum(best) / len(best), 4) if len(best) == 5 else None
