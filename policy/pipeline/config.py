"""What a training run is asked to do: what shapes its result, and what does not."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from configs.build import Inline
from configs.kinds import Kind, OneOf
from configs.ranges import Count, Name, Players, Seed, Share, Steps, Stores, Whole
from envs.request import EnvRequest
from policy.finetuning.config import FinetuneConfig
from policy.planner.config import DENOISERS, ENCODERS, POLICIES, PolicyConfig
from policy.pretraining.config import PretrainConfig
from policy.runs.device import Machine
from policy.runs.keeping import Keeping

Stage = Literal["pretrain", "zero_shot", "finetune", "all"]


@dataclass(frozen=True)
class Plan:
    """How far a planner looks ahead.

    Attributes:
        horizon: Actions that it plans, T_p.
        chunk: Actions that it executes before it plans again, T_a.
    """

    horizon: Steps
    chunk: Steps


@dataclass(frozen=True)
class Recipe:
    """Everything that shapes the result, beside the task; a run goes on only with the same.

    Attributes:
        seed: All randomness follows from it.
        envs: Episodes played side by side.
        init_from: The planner that fine-tuning starts from, where it is not the run's own.
        temperature: What that planner acts at, where it is not its own; see `PlannerConfig`.
        encoder_from: The planner whose encoder made the features that pre-training learns from.
        planner: The policy: its architecture and how it plans.
        pretrain: How to pre-train.
        finetune: How to fine-tune.
    """

    seed: Seed
    envs: Players
    init_from: Path | None
    temperature: Share | None
    encoder_from: Path | None
    planner: Annotated[PolicyConfig, OneOf(POLICIES)]
    pretrain: PretrainConfig
    finetune: FinetuneConfig


@dataclass(frozen=True)
class TrainConfig:
    """A training run; every key is explained in configs/scripts/train.yaml.

    Attributes:
        recipe: What shapes the result.
        task: The task as the command gives it.
        data: Stores to pre-train on.
        machine: Where to compute.
        keeping: What is written beside the result.
        policy: The name of the group that sets `planner` and how it is trained.
        denoiser: The group that `planner.denoiser` takes.
        encoder: The group that `planner.encoder` takes.
        plans: Horizon and chunk of simulators for which they are not the defaults.
        out: The run's folder.
        stage: What to do.
        episodes: Of the evaluation that ends each stage.
        evaluation_set: Which set of starts these have; see `evaluation_seeds`.
        experiment: Where to write the evaluations under `results`; None writes none.
        variant: Their name there; None: `bc`, or `pretrained` where nothing is fine-tuned.
        results: The folder of all experiments.
        traces: Of an experiment: episodes whose paths and chunks are kept beside its figures.
    """

    recipe: Annotated[Recipe, Inline()]
    task: Annotated[EnvRequest, Inline()]
    data: Stores
    machine: Annotated[Machine, Inline()]
    keeping: Annotated[Keeping, Inline()]
    policy: Name
    denoiser: Annotated[Kind, OneOf(DENOISERS)]
    encoder: Annotated[Kind, OneOf(ENCODERS)]
    plans: dict[str, Plan]
    out: Path
    stage: Stage
    episodes: Count
    evaluation_set: Seed
    experiment: Name | None
    variant: Name | None
    results: Path
    traces: Whole
