"""The stages of a run, one after the other; one that is finished is not run again."""

import logging
import shutil
from pathlib import Path

import torch

from datasets.store.store import EpisodeStore
from datasets.windows import Windows, load_windows
from envs.config import EnvConfig
from perception.errors import InputError
from perception.observation import Observation
from policy.finetuning import trainer as finetuning
from policy.finetuning.trainer import finetune
from policy.pipeline.config import Recipe, TrainConfig
from policy.pipeline.identity import PRETRAINING, env_of_run, identity, settled_recipe
from policy.planner.checkpoint import load_planner, save_planner
from policy.planner.planner import Planner, Sizes, observed_by
from policy.pretraining import pretrain as pretraining
from policy.pretraining.encode_store import check_encoder, copy_visual_part
from policy.pretraining.pretrain import pretrain
from policy.reports.result import make_result
from policy.reports.traces import write_traces
from policy.rollouts.evaluation import (
    evaluate,
    evaluation_seeds,
    read_evaluation,
    write_evaluation,
)
from policy.rollouts.loading import make_envs
from policy.runs.device import prepare
from policy.runs.distributed import Team, team_of
from policy.runs.run import Run, find_checkpoint

logger = logging.getLogger(__name__)


def train(config: TrainConfig) -> None:
    """Run the stages asked for; a stage that is finished is not run again.

    Raises:
        InputError: Something is missing, or was made for something else.
    """
    check(config)
    env = env_of_run(config)
    recipe = settled_recipe(config, env)
    device = prepare(config.machine.device, config.machine.threads)
    with team_of(device) as team:
        with team.first_the_leader():
            run = Run(config.out, identity(config, recipe, env))
        stages = Stages(config, recipe, env, run, device)
        if config.stage in PRETRAINING:
            stages.pretrain(team)
        if team.leads:
            stages.finetune_and_evaluate()


def check(config: TrainConfig) -> None:
    """Refuse keys that do not go together.

    Raises:
        InputError: They contradict each other, or one is missing.
    """
    recipe = config.recipe
    if recipe.pretrain.features and recipe.encoder_from is None:
        raise InputError("pretrain.features=true needs encoder_from=, as encode.py was given it")
    if recipe.pretrain.features and observed_by(recipe.planner.encoder) == "features":
        raise InputError("pretrain.features=true is of encoded clouds: choose encoder=dp3")
    if recipe.init_from is not None and config.stage in PRETRAINING:
        raise InputError(
            f"init_from= takes the place of pre-training: stage={config.stage} does not go with it;"
            " choose stage=finetune or zero_shot"
        )
    if recipe.init_from is None and config.stage == "zero_shot":
        raise InputError("stage=zero_shot needs init_from=<a pre-trained planner>")


class Stages:
    """What a run does, stage by stage.

    Args:
        config: The command.
        recipe: What shapes the result, with nothing left open.
        env: The task.
        run: The run's folder.
        device: Where to compute.
    """

    def __init__(
        self,
        config: TrainConfig,
        recipe: Recipe,
        env: EnvConfig,
        run: Run,
        device: torch.device,
    ) -> None:
        self.config, self.recipe, self.env = config, recipe, env
        self.run, self.device = run, device

    def pretrain(self, team: Team) -> None:
        """Pre-train on the stores, unless that is done."""
        if self.run.checkpoint(pretraining.STAGE).exists():
            return
        plan, recipe = self.recipe.planner, self.recipe
        windows = load_windows(
            self.config.data,
            history=plan.history,
            horizon=plan.horizon,
            chunk=plan.chunk,
            features=recipe.pretrain.features,
            observes=observed_by(plan.encoder),
        ).to(self.device)
        torch.manual_seed(recipe.seed)
        planner = make_planner(recipe, self.config.data, windows).to(self.device)
        pretrain(planner, windows, recipe.pretrain, run=self.run, seed=recipe.seed, team=team)

    def finetune_and_evaluate(self) -> None:
        """Do what follows pre-training, and write the run's page."""
        stage = self.config.stage
        if stage in PRETRAINING:
            self._evaluate(pretraining.STAGE, "pretrained")
        if stage == "zero_shot":
            self._take_over()
        if stage in ("finetune", "all"):
            self._finetune()
        # Here, since Matplotlib takes a second that a run need not wait for at its beginning.
        from policy.viewing.run_page import write_run_page  # noqa: PLC0415

        data = self.config.data[0] if self.recipe.init_from is None else None
        logger.info("look at %s", write_run_page(self.run, self.env, data))

    def _take_over(self) -> None:
        """Evaluate a planner that was pre-trained elsewhere on this task, as it is."""
        planner, about = load_planner(find_checkpoint(self._start))
        save_planner(
            planner, self.run.checkpoint(pretraining.STAGE), {**about, **self.run.config["about"]}
        )
        self._evaluate(pretraining.STAGE, self.config.variant)

    def _finetune(self) -> None:
        if not self.run.checkpoint(finetuning.STAGE).exists():
            planner, _ = load_planner(find_checkpoint(self._start))
            recipe, env = self.recipe, self.env
            envs = make_envs(env, planner, envs=recipe.envs, workers=self.config.machine.workers)
            finetune(
                planner.to(self.device),
                envs,
                recipe.finetune,
                run=self.run,
                seed=recipe.seed,
                success_at=env.success_at,
            )
            envs.close()
        self._evaluate(finetuning.STAGE, self.config.variant)

    @property
    def _start(self) -> Path:
        return self.recipe.init_from or self.run.checkpoint(pretraining.STAGE)

    def _evaluate(self, stage: str, variant: str) -> None:
        """Evaluate a stage's planner, unless that is done, and keep the result."""
        planner, about = load_planner(self.run.checkpoint(stage))
        planner.to(self.device)
        config, env = self.config, self.env
        seeds = tuple(evaluation_seeds(self.recipe.seed, config.episodes))
        evaluation = read_evaluation(self.run.path, stage)
        if evaluation is None or evaluation.seeds != seeds:
            workers = config.machine.workers
            envs = make_envs(env, planner, envs=self.recipe.envs, workers=workers)
            evaluation = evaluate(planner, envs, seeds, success_at=env.success_at)
            envs.close()
            write_evaluation(self.run.path, stage, evaluation)
        logger.info("%s: %s", stage, evaluation)
        if config.experiment is not None:
            result = make_result(
                evaluation,
                about,
                experiment=config.experiment,
                variant=variant,
                config_sha256=self.run.config_sha256,
                metrics=self.run.path / f"{stage}.jsonl",
            )
            self._keep_result(result.write(config.results), stage, planner, seeds)

    def _keep_result(
        self, path: Path, stage: str, planner: Planner, seeds: tuple[int, ...]
    ) -> None:
        """Put what the reports draw beside an experiment's figures."""
        if stage == finetuning.STAGE:
            shutil.copy(self.run.path / f"{stage}.jsonl", path.with_suffix(".jsonl"))
        if self.config.traces:
            write_traces(path.with_suffix(".npz"), planner, self.env, seeds[: self.config.traces])
        logger.info("written to %s", path)


def make_planner(recipe: Recipe, data: tuple[Path, ...], windows: Windows) -> Planner:
    """Make a fresh planner for some data; for features of clouds, with the encoder that made them.

    Raises:
        InputError: The features were made by another planner than `encoder_from`.
    """
    observations = windows.observations
    robot_state, actions = observations.robot_state.shape[-1], windows.actions.shape[-1]
    if isinstance(observations, Observation):
        channels = observations.points.shape[-1]
        return Planner(recipe.planner, Sizes(channels, robot_state, actions))
    if recipe.encoder_from is None:
        raise RuntimeError("A run on features was begun without the encoder that made them")
    path = find_checkpoint(recipe.encoder_from)
    for store in data:
        check_encoder(EpisodeStore.open(store), path)
    seeing, _ = load_planner(path)
    planner = Planner(recipe.planner, Sizes(seeing.sizes.channels, robot_state, actions))
    copy_visual_part(seeing, planner)
    return planner
