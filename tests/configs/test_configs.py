"""Every YAML builds its dataclass, and everything wrong names its key and what exists."""

import importlib.metadata
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
import yaml

from configs.build import build
from configs.command import compose, options
from datasets.collection.collector import CollectConfig
from envs.config import EnvConfig
from perception.errors import InputError
from policy.finetuning.algorithms import sodp
from policy.pipeline.config import TrainConfig
from policy.pipeline.identity import settled_recipe
from policy.pipeline.judge import EvaluateConfig
from tests.conftest import ROOT, task_config


@dataclass(frozen=True)
class Inner:
    kind: Literal["a", "b"]
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class Outer:
    name: str
    rate: float
    count: int
    flag: bool
    path: Path | None
    corner: tuple[float, float, float]
    inner: Inner
    many: dict[str, Inner]
    perhaps: Inner | None


GOOD = {
    "name": "x", "rate": 1, "count": 2, "flag": True, "path": None, "corner": [0, 1, 2.5],
    "inner": {"kind": "a", "sizes": [1, 2]}, "many": {"one": {"kind": "b", "sizes": []}},
    "perhaps": None,
}  # fmt: skip


def test_values_become_what_the_fields_say() -> None:
    built = build(Outer, GOOD)
    assert built.corner == (0.0, 1.0, 2.5)
    assert isinstance(built.rate, float)
    assert built.inner == Inner("a", (1, 2))
    assert built.many["one"].kind == "b"
    assert built.perhaps is None
    one = {"kind": "b", "sizes": [4]}
    assert build(Outer, {**GOOD, "perhaps": one}).perhaps == Inner("b", (4,))
    assert build(Outer, {**GOOD, "path": "a/b"}).path == Path("a/b")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": 1}, "Unknown key colour; there are name, rate"),
        (
            {"inner": {"kind": "a", "sizes": [], "x": 1}},
            "Unknown key inner.x; there are kind, sizes",
        ),
        ({"inner": {"kind": "c", "sizes": []}}, "inner.kind=c is unknown; choose one of a, b"),
        ({"count": "ten"}, "count must be a whole number, not 'ten'"),
        ({"count": 2.5}, "count must be a whole number, not 2.5"),
        ({"count": True}, "count must be a whole number, not True"),
        ({"rate": "fast"}, "rate must be a number, not 'fast'"),
        ({"flag": 1}, "flag must be true or false, not 1"),
        ({"corner": [1, 2]}, "corner takes 3 values, not 2"),
        ({"inner": 3}, "inner must be a group of keys, not 3"),
        ({"inner": {"kind": "a"}}, "Missing key inner.sizes"),
        ({"perhaps": {"kind": "a"}}, "Missing key perhaps.sizes"),
    ],
)
def test_everything_wrong_names_its_key(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        build(Outer, {**GOOD, **change})


@pytest.mark.parametrize(
    "task", [t for t in options("env") if t not in ("adroit", "metaworld-mt10")]
)
def test_every_task_builds(task: str) -> None:
    config = task_config(task)
    assert config.name.startswith(task)


@pytest.mark.parametrize("suite", ["adroit", "metaworld-mt10"])
def test_every_member_of_a_suite_builds(suite: str) -> None:
    members = yaml.safe_load(
        (ROOT / "configs" / "env" / f"{suite}.yaml").read_text(encoding="utf-8")
    )["suite"]
    assert len(members) == {"adroit": 3, "metaworld-mt10": 10}[suite]
    for member in members:
        config = compose(CollectConfig, "collect", member)
        assert isinstance(config.env, EnvConfig)
        assert str(config.out) == f"data/{config.env.name}.zarr"


def test_the_papers_algorithm_has_the_papers_numbers() -> None:
    config = compose(TrainConfig, "train", ["finetune=ppo_bc"]).recipe
    planner = config.planner
    assert (planner.history, planner.horizon, planner.chunk) == (2, 4, 3)
    assert (planner.denoising_steps, planner.sampling_steps, planner.eta) == (100, 10, 1.0)
    assert planner.prediction == "start"  # DP3's; the one departure, for a measured reason.
    assert (config.pretrain.batch, config.pretrain.learning_rate) == (256, 1e-4)
    algorithm = config.finetune.algorithm
    assert isinstance(algorithm, sodp.Config)
    assert (algorithm.minibatch.batch, config.finetune.learning_rate) == (256, 1e-5)
    assert config.finetune.initial_episodes == 10
    assert algorithm.terms["bc"].weight == 10.0  # The paper's 1 belongs to noise prediction.


@pytest.mark.parametrize(("overrides", "plan"), [([], (12, 8)), (["planner.horizon=16"], (16, 8))])
def test_meta_worlds_plans_are_longer(overrides: list[str], plan: tuple[int, int]) -> None:
    config = compose(TrainConfig, "train", ["env=metaworld", *overrides])
    planner = settled_recipe(config, config.task.env).planner
    assert (planner.horizon, planner.chunk) == plan


@pytest.mark.parametrize("denoiser", options("denoiser"))
def test_every_denoiser_builds(denoiser: str) -> None:
    config = compose(TrainConfig, "train", [f"denoiser={denoiser}"])
    assert config.recipe.planner.denoiser == config.denoiser
    assert denoiser.partition("-")[0] == config.denoiser.kind


def test_evaluation_needs_a_checkpoint() -> None:
    assert compose(EvaluateConfig, "evaluate", ["checkpoint=a"]).checkpoint == Path("a")


def test_constraints_name_each_package_once_and_are_what_is_installed() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    names = [re.sub(r"[-_.]+", "-", name).lower() for name, _ in pins]
    assert sorted(set(names)) == sorted(names)
    for name, version in pins:
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # Of another platform or an extra that is not installed here.
        assert found.partition("+")[0] == version.partition(";")[0].strip(), name


FROM_CONDA = {"pytorch": "torch", "open3d": "open3d", "mujoco-python": "mujoco"}


def test_environment_yml_and_pyproject_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {r.split(";")[0].strip() for r in project["dependencies"]}
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    *conda, pip = environment["dependencies"]
    versions = dict(entry.partition("=")[::2] for entry in conda)
    assert environment["channels"] == ["conda-forge"]
    assert {"python", "mesalib", "open3d", "pytorch3d", "mujoco-python", "pytorch"} <= set(versions)
    # What conda brings has pyproject's version, and pip brings everything else and the tools.
    brought = {f"{FROM_CONDA[name]}=={versions[name]}" for name in FROM_CONDA}
    assert brought <= wanted
    rest = {r for r in wanted - brought if not r.startswith("open3d-cpu")}
    extras = project["optional-dependencies"]
    tools = set(extras["dev"]) - {"sodp-3d[convert,mcap,slurm]"}
    tools |= {*extras["convert"], *extras["mcap"], *extras["slurm"]}
    assert set(pip["pip"]) == rest | tools
    assert versions["python"] == "3.11"
    assert project["requires-python"] == ">=3.11,<3.14"
