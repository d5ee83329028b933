"""Grids of training runs, each an ordinary command: tasks x variants x seeds."""

import shlex
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, product
from pathlib import Path
from typing import Annotated, Literal

from configs.ranges import Filled, Name, Processes, Seed, Whole
from perception.errors import InputError
from policy.runs.idle_keys import idle_in_training, typed_keys, without_idle

TRAIN = "policy/train.py"


@dataclass(frozen=True)
class Variant:
    """A way to train: from which planner, and overrides; both may name {task} and {seed}.

    The planner is a pre-training run of the experiment, or what a variant above has learned; {own}
    is what `Experiment.own` says for the task; without one the run learns from the start. It is run
    on all tasks and with all seeds, or on those it names.
    """

    planner: str | None
    overrides: tuple[str, ...]
    tasks: tuple[str, ...] | None = None
    seeds: tuple[Seed, ...] | None = None


@dataclass(frozen=True)
class Experiment:
    """A grid of runs.

    Attributes:
        name: Its folder among results and outputs.
        shared: Overrides of `train.py` for every run.
        planners: Pre-training runs: their overrides by name.
        tasks: Overrides that choose a task, by its name.
        variants: What is compared, by the name that results have.
        seeds: Each cell's, where its variant names none.
        own: The pre-training run that {own} is for a task.
    """

    name: Name
    shared: tuple[str, ...]
    planners: dict[str, tuple[str, ...]]
    tasks: dict[str, tuple[str, ...]]
    variants: dict[str, Variant]
    seeds: Annotated[tuple[Seed, ...], Filled()]
    own: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RunExperimentConfig:
    """Which experiment to run; every key is explained in configs/scripts/experiment.yaml."""

    experiment: str
    list: bool
    cell: Whole | None
    only: Literal["planners", "cells", "all"]
    workers: Processes
    launcher: Literal["process", "ray"]
    outputs: Path
    results: Path


@dataclass(frozen=True)
class Job:
    """One command.

    Attributes:
        arguments: Of `train.py`.
        done: The file that exists once it is done.
        wave: How many runs come before it, each starting from the planner of the one before.
    """

    arguments: tuple[str, ...]
    done: Path
    wave: int

    @property
    def command(self) -> str:
        """What to type."""
        return shlex.join(["python", TRAIN, *self.arguments])


@dataclass(frozen=True)
class Cell:
    """One run of a grid."""

    task: str
    variant: str
    seed: int

    def within(self, experiment: str) -> str:
        """Give its folder among outputs; its result has the same name, and an ending."""
        return f"{experiment}/{self.task}/{self.variant}/seed{self.seed}"

    def fill(self, text: str, **further: str) -> str:
        """Put its task and seed, and what else there is, where a text names them."""
        return text.format(task=self.task, seed=self.seed, **further)


def choose(experiment: Experiment, config: RunExperimentConfig) -> list[Job]:
    """Give the jobs asked for, planners first."""
    planners = list(planner_jobs(experiment, config)) if config.only != "cells" else []
    cells = list(cell_jobs(experiment, config)) if config.only != "planners" else []
    if config.cell is None:
        return planners + cells
    if not 0 <= config.cell < len(cells):
        raise InputError(f"cell={config.cell}: {experiment.name} has cells 0 to {len(cells) - 1}")
    return [*planners, cells[config.cell]]


def planner_jobs(experiment: Experiment, config: RunExperimentConfig) -> Iterator[Job]:
    """Give the pre-training runs."""
    for name, overrides in experiment.planners.items():
        arguments = _effective([*experiment.shared, *overrides, "stage=pretrain"])
        out = config.outputs / "planners" / name
        yield Job((*arguments, f"out={out}"), _pretrained(config, name), 0)


def cell_jobs(experiment: Experiment, config: RunExperimentConfig) -> Iterator[Job]:
    """Give the runs that are compared.

    Raises:
        InputError: A variant starts from a planner, or names a task, that the experiment does not
            have.
    """
    names = list(experiment.variants)
    named = [variant.seeds or () for variant in experiment.variants.values()]
    every = dict.fromkeys([*experiment.seeds, *chain.from_iterable(named)])
    for task, variant, seed in product(experiment.tasks, names, every):
        runs = [name for name in names if _is_run(experiment, Cell(task, name, seed))]
        if variant in runs:
            before = runs[: runs.index(variant)]
            yield _cell_job(experiment, config, Cell(task, variant, seed), before)


def _is_run(experiment: Experiment, cell: Cell) -> bool:
    """Tell whether a variant is run on a task with a seed."""
    seeds = experiment.variants[cell.variant].seeds
    named = experiment.seeds if seeds is None else seeds
    return cell.seed in named and cell.task in _tasks(experiment, cell.variant)


def _tasks(experiment: Experiment, variant: str) -> Collection[str]:
    """Give the tasks that a variant is run on."""
    named = experiment.variants[variant].tasks
    if named is not None and (unknown := set(named) - set(experiment.tasks)):
        raise InputError(
            f"{experiment.name}: {variant} names tasks that are not there:"
            f" {', '.join(sorted(unknown))}; there are {', '.join(experiment.tasks)}"
        )
    return experiment.tasks if named is None else named


def _cell_job(
    experiment: Experiment, config: RunExperimentConfig, cell: Cell, before: Sequence[str]
) -> Job:
    """Give the command of a cell; it may start from the variants that come before its own."""
    variant = experiment.variants[cell.variant]
    folder = cell.within(experiment.name)
    elsewhere = () if config.results == Path("results") else (f"results={config.results}",)
    arguments = [
        *experiment.shared,
        *experiment.tasks[cell.task],
        *(cell.fill(text) for text in variant.overrides),
        *_start(experiment, config, cell, before),
        f"seed={cell.seed}",
        f"experiment={experiment.name}",
        f"variant={cell.variant}",
        *elsewhere,
        f"out={config.outputs / folder}",
    ]
    wave = _wave(experiment, cell)
    return Job(_effective(arguments), config.results / f"{folder}.json", wave)


def _wave(experiment: Experiment, cell: Cell) -> int:
    """Count the runs that a cell comes after: a pre-training one, and variants from that on."""
    planner = _planner(experiment, cell)
    if planner is None:
        return 0
    before = planner not in experiment.planners
    return 1 + (_wave(experiment, replace(cell, variant=planner)) if before else 0)


def _planner(experiment: Experiment, cell: Cell) -> str | None:
    """Name what a cell starts from: a pre-training run, another variant, or nothing."""
    named = experiment.variants[cell.variant].planner
    own = experiment.own.get(cell.task, "no planner of its own")
    return None if named is None else cell.fill(named, own=own)


def _effective(arguments: Sequence[str]) -> tuple[str, ...]:
    """Leave out what all runs of an experiment share and this one has no use for."""
    keys = typed_keys(arguments)
    stages = [text.removeprefix("stage=") for text in arguments if text.startswith("stage=")]
    idle = idle_in_training(
        keys,
        stage=stages[-1] if stages else "all",
        init_from="init_from" in keys,
        experiment="experiment" in keys,
    )
    return tuple(without_idle(arguments, idle))


def _start(
    experiment: Experiment, config: RunExperimentConfig, cell: Cell, before: Sequence[str]
) -> tuple[str, ...]:
    """Say from which planner a cell starts: a pre-trained one, a variant's before it, or none."""
    planner = _planner(experiment, cell)
    if planner is None:
        return ()
    if planner in experiment.planners:
        return (f"init_from={_pretrained(config, planner)}",)
    if planner in before:
        run = config.outputs / replace(cell, variant=planner).within(experiment.name)
        stage = "pretrain" if experiment.variants[planner].planner is None else "finetune"
        return (f"init_from={run / 'checkpoints' / stage}.safetensors",)
    raise InputError(
        f"{experiment.name}: {cell.variant} starts from {planner}; there are"
        f" {', '.join([*experiment.planners, *before])}"
    )


def _pretrained(config: RunExperimentConfig, planner: str) -> Path:
    return config.outputs / "planners" / planner / "checkpoints" / "pretrain.safetensors"
