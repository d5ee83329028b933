"""Experiments: the grids are sound, a small one runs, and what is finished is skipped."""

import json
import logging
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from configs.command import compose, compose_part, options
from perception.errors import InputError
from policy.pipeline.config import TrainConfig
from policy.reports.grid import (
    Experiment,
    Job,
    RunExperimentConfig,
    Variant,
    cell_jobs,
    choose,
    planner_jobs,
)
from policy.reports.grid_running import run_experiment
from tests.helpers.commands import refuse, succeed

ROOT = Path(__file__).resolve().parents[3]


ALL = RunExperimentConfig(
    experiment="adroit-images",
    list=False,
    cell=None,
    only="all",
    workers=0,
    launcher="process",
    outputs=Path("outputs"),
    results=Path("results"),
)


def grid(name: str) -> Experiment:
    return compose_part(Experiment, "experiments", name)


def one_of_each(jobs: list[Job]) -> Iterator[Job]:
    """Give jobs in which every planner, task, variant and seed occurs: what a job is made of."""
    seen: set[tuple[int, str]] = set()
    for job in jobs:
        parts = set(enumerate(job.done.parts[-3:]))
        if parts - seen:
            yield job
        seen |= parts


@pytest.mark.parametrize("name", options("experiments"))
def test_every_command_of_every_experiment_is_a_valid_training(name: str) -> None:
    jobs = choose(grid(name), ALL)
    assert len({job.done for job in jobs}) == len(jobs)
    assert len({a for j in jobs for a in j.arguments if a.startswith("out=")}) == len(jobs)
    assert not [job.command for job in jobs if "{" in job.command]
    for job in one_of_each(jobs):
        config = compose(TrainConfig, "train", list(job.arguments))
        if config.experiment is not None:
            assert str(job.done) == (
                f"results/{config.experiment}/{config.task.env.name}/{config.variant}"
                f"/seed{config.recipe.seed}.json"
            )


def test_a_cell_is_run_with_the_planners_or_without() -> None:
    every = choose(grid("regularisers"), ALL)
    alone = choose(grid("regularisers"), replace(ALL, only="cells", cell=4))
    assert [job.command for job in alone] == [every[2 + 4].command]
    assert "finetune=ppo_kl" in alone[0].command


def test_a_cell_that_does_not_exist_is_refused_by_name() -> None:
    said = refuse("policy/experiment.py", "experiment=regularisers", "cell=99", "list=true")
    assert "cell=99" in said
    assert "0 to 23" in said


def test_a_variant_is_run_on_the_tasks_that_it_names() -> None:
    variants = {"a": Variant("p", ()), "b": Variant("p", (), ("t2",)), "c": Variant("b", ())}
    made = Experiment("x", (), {"p": ()}, {"t1": (), "t2": ()}, variants, (0,))
    with pytest.raises(InputError, match="c starts from b; there are p, a"):
        list(cell_jobs(made, ALL))  # On t1 there is no b to start from.
    variants["c"] = replace(variants["c"], tasks=("t2",))
    found = ["/".join(job.done.parts[-3:-1]) for job in cell_jobs(made, ALL)]
    assert found == ["t1/a", "t2/a", "t2/b", "t2/c"]
    variants["c"] = replace(variants["c"], tasks=("t3",))
    with pytest.raises(InputError, match="c names tasks that are not there: t3; there are t1, t2"):
        list(cell_jobs(made, ALL))


def test_a_variant_is_run_with_the_seeds_that_it_names() -> None:
    variants = {"a": Variant("p{seed}", ()), "b": Variant("a", (), seeds=(1, 2))}
    made = Experiment("x", (), {"p0": (), "p1": (), "p2": ()}, {"t": ()}, variants, (0, 1))
    with pytest.raises(InputError, match="b starts from a; there are p0, p1, p2"):
        list(cell_jobs(made, ALL))  # With seed 2 there is no a to start from.
    variants["b"] = replace(variants["b"], seeds=(1,))
    found = ["/".join(job.done.parts[-2:]) for job in cell_jobs(made, ALL)]
    assert found == ["a/seed0.json", "a/seed1.json", "b/seed1.json"]


def test_a_variant_from_an_unknown_planner_is_refused() -> None:
    made = Experiment("x", (), {"a": ()}, {"t": ()}, {"bc": Variant("b", ())}, (0,))
    with pytest.raises(ValueError, match="starts from b; there are a"):
        list(cell_jobs(made, ALL))
    assert [job.command for job in planner_jobs(made, ALL)] == [
        "python policy/train.py stage=pretrain out=outputs/planners/a"
    ]


def test_a_variant_may_go_on_from_one_above_it() -> None:
    variants = {"one": Variant("a", ("x=1",)), "two": Variant("one", ("x=2",))}
    made = Experiment("e", (), {"a": ()}, {"t": ()}, variants, (0, 1))
    starts = [a for job in cell_jobs(made, ALL) for a in job.arguments if "checkpoint" in a]
    assert starts == [
        "init_from=outputs/planners/a/checkpoints/pretrain.safetensors",
        "init_from=outputs/planners/a/checkpoints/pretrain.safetensors",
        "init_from=outputs/e/t/one/seed0/checkpoints/finetune.safetensors",
        "init_from=outputs/e/t/one/seed1/checkpoints/finetune.safetensors",
    ]
    assert [job.wave for job in cell_jobs(made, ALL)] == [1, 1, 2, 2]
    below = replace(made, variants=dict(reversed(variants.items())))
    with pytest.raises(InputError, match="two starts from one; there are a"):
        list(cell_jobs(below, ALL))


def test_a_variant_may_learn_from_the_start_and_others_go_on_from_it() -> None:
    variants = {"alone": Variant(None, ("data=d/{task}",)), "on": Variant("alone", ())}
    made = Experiment("e", (), {}, {"t": ()}, variants, (0,))
    alone, on = cell_jobs(made, ALL)
    assert not [a for a in alone.arguments if "init_from" in a]
    assert "data=d/t" in alone.arguments
    assert on.arguments[0] == "init_from=outputs/e/t/alone/seed0/checkpoints/pretrain.safetensors"
    assert [alone.wave, on.wave] == [0, 1]


def test_tasks_may_have_planners_of_their_own() -> None:
    planners: dict[str, tuple[str, ...]] = {"a": (), "b": ()}
    tasks: dict[str, tuple[str, ...]] = {"s": (), "t": (), "u": ()}
    own = {"s": "b", "t": "a"}
    made = Experiment("e", (), planners, tasks, {"v": Variant("{own}", ())}, (0,), own)
    starts = [job.arguments[0] for job in islice(cell_jobs(made, ALL), 2)]
    assert starts == [
        f"init_from=outputs/planners/{name}/checkpoints/pretrain.safetensors" for name in "ba"
    ]
    with pytest.raises(InputError, match="v starts from no planner of its own; there are a, b"):
        list(cell_jobs(made, ALL))


def test_commands_are_listed_and_nothing_is_run() -> None:
    said = succeed("policy/experiment.py", "experiment=data-quality", "list=true")
    lines = re.findall(r"^python policy/train\.py .*$", said, flags=re.MULTILINE)
    assert len(lines) == 2 + 5
    assert all(shlex.split(line)[-1].startswith("out=outputs/") for line in lines)


def test_an_experiment_runs_and_then_skips_what_is_finished(
    tiny_store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = "small"
    small = (
        "env.episode_steps=12", "env.view.points=64", "denoiser=unet-small", "pretrain.steps=2",
        "planner.denoising_steps=10", "planner.sampling_steps=2", "pretrain.batch=8",
        "pretrain.log_every=1", "finetune.episodes=4",
        "finetune.algorithm.batch=8", "finetune.initial_limit=2", "finetune.gradient_steps=1",
        "finetune.evaluate_every=0", "episodes=2", "envs=2", "workers=0", "threads=1", "traces=1",
    )  # fmt: skip
    planners = {name: ("env=adroit-door", f"data={tiny_store}")}
    variants = {"kl": Variant(name, ("stage=finetune", "finetune=ppo_kl"))}
    tasks = {"adroit-door": ("env=adroit-door",)}
    made = Experiment(name, small, planners, tasks, variants, (0,))
    config = replace(ALL, outputs=tmp_path / "outputs", results=tmp_path / "results")
    run_experiment(made, config)
    written = sorted((config.results / name).rglob("seed0.json"))
    stages = {p.parent.name: json.loads(p.read_text())["stage"] for p in written}
    assert stages == {"kl": "finetune"}
    assert written[0].with_suffix(".npz").exists()
    assert written[0].with_suffix(".jsonl").exists()
    with caplog.at_level(logging.INFO):
        run_experiment(made, config)
    assert caplog.text.count("finished before") == 2
