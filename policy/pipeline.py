"""The whole way: pre-train, evaluate, fine-tune, evaluate (SODP, Algorithm 1)."""

import logging
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from datasets.store.store import EpisodeStore
from datasets.windows import Windows, load_windows
from envs.config import EnvConfig, written
from perception.errors import InputError
from perception.observation import Observation
from policy.finetuning import trainer as finetuning
from policy.finetuning.config import FinetuneConfig
from policy.finetuning.trainer import finetune
from policy.planner.checkpoint import load_planner, save_planner
from policy.planner.denoisers.make import DenoiserConfig
from policy.planner.planner import Planner, PlannerConfig, Sizes
from policy.pretraining import pretrain as pretraining
from policy.pretraining.encode_store import check_eye
from policy.pretraining.pretrain import PretrainConfig, pretrain
from policy.reports.result import make_result
from policy.reports.traces import write_traces
from policy.rollouts.evaluation import (
    evaluate,
    evaluation_seeds,
    read_evaluation,
    write_evaluation,
)
from policy.rollouts.loading import check_task, load_planner_of, make_envs
from policy.runs.device import DeviceName, prepare
from policy.runs.distributed import Team, team_of
from policy.runs.run import Run
from policy.viewing.run_page import write_run_page

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainConfig:
    """A training run; every key is explained in configs/scripts/train.yaml."""

    env: EnvConfig
    denoiser: DenoiserConfig
    data: tuple[Path, ...]
    out: Path
    stage: Literal["pretrain", "zero_shot", "finetune", "all"]
    checkpoint: Path | None
    seed: int
    device: DeviceName
    threads: int
    envs: int
    workers: int
    episodes: int
    experiment: str | None
    variant: str
    results: Path
    traces: int
    planner: PlannerConfig
    pretrain: PretrainConfig
    finetune: FinetuneConfig


def train(config: TrainConfig) -> None:
    """Run the stages asked for; a stage that is finished is not run again.

    Raises:
        InputError: Something is missing, or was made for something else.
    """
    if config.pretrain.features and config.checkpoint is None:
        raise InputError("pretrain.features=true needs checkpoint=, as encode.py was given it")
    if config.pretrain.features and config.env.view.sees == "state":
        raise InputError("pretrain.features=true is of clouds: choose env.view.sees=points")
    device = prepare(config.device, config.threads)
    with team_of(device) as team:
        with team.first_the_leader():
            run = Run(config.out, _what_matters(config))
        if config.stage in ("pretrain", "all"):
            _pretrain(config, run, device, team)
        if team.leads:
            _judge_and_finetune(config, run, device)


def _judge_and_finetune(config: TrainConfig, run: Run, device: torch.device) -> None:
    if config.stage in ("pretrain", "all"):
        _evaluate(config, run, device, pretraining.STAGE, "pretrained")
    if config.stage == "zero_shot":
        _start_from(config, run, device)
    if config.stage in ("finetune", "all"):
        _finetune(config, run, device)
    logger.info("look at %s", write_run_page(run, config.env, config.data[0]))


def _what_matters(config: TrainConfig) -> dict[str, Any]:
    """Leave out what does not change the result, so that a run can go on with other values."""
    kept = asdict(config)
    for name in (
        "stage",
        "threads",
        "workers",
        "device",
        "episodes",
        "experiment",
        "variant",
        "results",
        "traces",
        "out",
    ):
        del kept[name]
    kept["env"] = written(config.env)
    return {**kept, "about": {"task": config.env.name, "seed": config.seed}}


def tasks_of(stores: Sequence[Path]) -> list[str]:
    """Name the tasks whose data are learned from."""
    return sorted({str(EpisodeStore.open(path).attributes["task"]) for path in stores})


def _pretrain(config: TrainConfig, run: Run, device: torch.device, team: Team) -> None:
    if run.checkpoint(pretraining.STAGE).exists():
        return
    tasks = tasks_of(config.data)
    if len(tasks) == 1:
        check_task(tasks[0], config.env.name, str(config.data[0]))
    plan = config.planner
    windows = load_windows(
        config.data,
        history=plan.history,
        horizon=plan.horizon,
        chunk=plan.chunk,
        features=config.pretrain.features,
        sees=config.env.view.sees,
    ).to(device)
    torch.manual_seed(config.seed)
    planner = make_planner(config, windows).to(device)
    pretrain(planner, windows, config.pretrain, run=run, seed=config.seed, team=team)


def make_planner(config: TrainConfig, windows: Windows) -> Planner:
    """Make a fresh planner for some data; for features of clouds, with the eye that made them.

    Raises:
        InputError: The features were made by another planner than `checkpoint`.
    """
    robot_state, actions = windows.observations.robot_state.shape[-1], windows.actions.shape[-1]
    if isinstance(windows.observations, Observation):
        channels = windows.observations.points.shape[-1]
        return Planner(config.planner, Sizes(channels, robot_state, actions))
    if config.checkpoint is None:
        raise RuntimeError("A run without its eye was begun")
    for path in config.data:
        check_eye(EpisodeStore.open(path), config.checkpoint)
    seeing, _ = load_planner(config.checkpoint)
    planner = Planner(config.planner, Sizes(seeing.sizes.channels, robot_state, actions))
    planner.encoder.cloud.load_state_dict(seeing.encoder.cloud.state_dict())
    planner.normalizer.points.load_state_dict(seeing.normalizer.points.state_dict())
    planner.encoder.cloud.requires_grad_(requires_grad=False)
    return planner


def _start_from(config: TrainConfig, run: Run, device: torch.device) -> None:
    """Take a planner that was pre-trained elsewhere and evaluate it on this task, as it is."""
    if config.checkpoint is None:
        raise InputError("stage=zero_shot needs checkpoint=<a pre-trained planner>")
    planner, about = load_planner_of(config.checkpoint, config.env)
    told = {**about, "task": config.env.name, "seed": config.seed}
    save_planner(planner, run.checkpoint(pretraining.STAGE), told)
    _evaluate(config, run, device, pretraining.STAGE, config.variant)


def _finetune(config: TrainConfig, run: Run, device: torch.device) -> None:
    path = run.checkpoint(finetuning.STAGE)
    if not path.exists():
        given = None if config.pretrain.features else config.checkpoint  # Else it is but an eye.
        planner, _ = load_planner_of(given or run.checkpoint(pretraining.STAGE), config.env)
        envs = make_envs(config.env, planner, envs=config.envs, workers=config.workers)
        finetune(
            planner.to(device),
            envs,
            config.finetune,
            run=run,
            seed=config.seed,
            success_at=config.env.success_at,
        )
        envs.close()
    _evaluate(config, run, device, finetuning.STAGE, config.variant)


def _evaluate(
    config: TrainConfig, run: Run, device: torch.device, stage: str, variant: str
) -> None:
    planner, about = load_planner(run.checkpoint(stage))
    planner.to(device)
    seeds = tuple(evaluation_seeds(config.seed, config.episodes))
    evaluation = read_evaluation(run.path, stage)
    if evaluation is None or evaluation.seeds != seeds:
        envs = make_envs(config.env, planner, envs=config.envs, workers=config.workers)
        evaluation = evaluate(planner, envs, seeds, success_at=config.env.success_at)
        envs.close()
        write_evaluation(run.path, stage, evaluation)
    logger.info("%s: %s", stage, evaluation)
    if config.experiment is not None:
        result = make_result(
            evaluation,
            about,
            experiment=config.experiment,
            variant=variant,
            config_sha256=run.config_sha256,
            metrics=run.path / f"{stage}.jsonl",
        )
        path = result.write(config.results)
        if stage == finetuning.STAGE:  # The curve beside the figure.
            shutil.copy(run.path / f"{stage}.jsonl", path.with_suffix(".jsonl"))
        if config.traces:
            write_traces(path.with_suffix(".npz"), planner, config.env, seeds[: config.traces])
        logger.info("written to %s", path)
