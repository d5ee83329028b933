"""The stages of a run, one after the other; one that is finished is not run again."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from configs.locks import only_writer
from configs.stopping import StopRequest, stop_request
from datasets.collection.further import load_further
from datasets.collection.held_out import held_out_steps
from datasets.windows import load_windows
from envs.config import EnvConfig
from perception.errors import InputError
from policy.finetuning import loop as finetuning
from policy.finetuning.guided.learner import sees_state
from policy.finetuning.loop import finetune
from policy.pipeline.checks import FINETUNING, PRETRAINING, check, check_task
from policy.pipeline.config import TrainConfig
from policy.pipeline.evaluator import Evaluator
from policy.pipeline.growth import open_run
from policy.pipeline.identity import env_of_run, settled_recipe, start_of
from policy.pipeline.judge import Court
from policy.pipeline.planners import Planners, make_planner
from policy.pipeline.training import Training
from policy.planner.checkpoint import save_planner, tempered
from policy.planner.config import observed_by
from policy.planner.policy import Policy
from policy.pretraining import pretrain as pretraining
from policy.pretraining.looks import Looks
from policy.pretraining.pretrain import pretrain
from policy.rollouts.evaluation import Evaluation, validation_seeds
from policy.rollouts.loading import EnvPool
from policy.runs.device import prepare
from policy.runs.distributed import Team, said_once, team_of
from policy.runs.memory import names_memory
from policy.runs.run import CONFIG, leave_no_trace

logger = logging.getLogger(__name__)


def train(config: TrainConfig) -> None:
    """Run the stages asked for; a stage that is finished is not run again.

    Raises:
        InputError: Something is missing, or was made for something else.
        StoppedError: It was asked to stop, and has saved.
    """
    planners = Planners()
    with said_once():
        check(config)
        env, task = env_of_run(config, planners)
        check_task(config, env, task)
        recipe = settled_recipe(config, env)
        device = prepare(config.machine.device, config.machine.threads)
    with stop_request() as stop, team_of(device) as team, ExitStack() as held:
        with team.first_the_leader():
            if team.leads:
                held.enter_context(_only_trainer(config.out))
            run = open_run(config, recipe, env)
        pool = held.enter_context(EnvPool(config.machine.workers, config.machine.launcher))
        stages = Stages(Training(config, recipe, env, run, device, planners, stop, pool))
        if config.stage in PRETRAINING:
            stages.pretrain(team)
        if team.leads:
            stages.finetune_and_evaluate()


@contextmanager
def _only_trainer(out: Path) -> Iterator[None]:
    """Hold a run's folder; where nothing comes to be learned in it, leave it as it was.

    Raises:
        InputError: Another process trains in it.
    """
    with only_writer(out):
        before = (out / CONFIG).exists()
        try:
            yield
        finally:
            if not before:
                leave_no_trace(out)


class Stages:
    """What a run does, stage by stage.

    Args:
        training: The run.
    """

    def __init__(self, training: Training) -> None:
        self.config, self.recipe, self.env = training.config, training.recipe, training.env
        self.run, self.device = training.run, training.device
        self._planners, self._stop, self._pool = training.planners, training.stop, training.pool
        self._evaluator = Evaluator(training)

    def pretrain(self, team: Team) -> None:
        """Pre-train on the stores, unless that is done."""
        recipe, plan = self.recipe, self.recipe.planner
        if self._is_done(pretraining.STAGE, "gradient_steps", recipe.pretrain.steps):
            return
        mapped = recipe.pretrain.memory == "map"
        if mapped and self.device.type != "cpu":
            raise InputError("pretrain.memory=map is read by the CPU: give device=cpu, or leave it")
        remedy = "give pretrain.memory=map, fewer data=, or data of fewer points"
        in_turn = team.first_the_leader() if mapped else nullcontext()  # They share its file.
        with names_memory("reading the data", remedy), in_turn:
            windows = load_windows(
                self.config.data,
                history=plan.history,
                horizon=plan.horizon,
                chunk=plan.padded,
                features=recipe.pretrain.features,
                observes=observed_by(plan.encoder),
                places=recipe.pretrain.auxiliary > 0,
                memory_map=self.run.path / "decoded" if mapped else None,
            )
            if not plan.asked.nothing:
                windows = windows.telling(load_further(self.config.data, plan.asked))
            windows = windows.observing(plan.observed).to(self.device)
        looks = Looks(play=self._play_along())
        if share := recipe.pretrain.held_out:
            windows, held_out = windows.apart(held_out_steps(self.config.data, share))
            looks = replace(looks, held_out=held_out)
        torch.manual_seed(recipe.seed)
        planner = make_planner(recipe, self.config.data, windows).to(self.device)
        self._planners.forget(self.run.checkpoint(pretraining.STAGE))
        with names_memory("pre-training", "give a smaller pretrain.batch= or denoiser="):
            pretrain(
                planner, windows, recipe.pretrain, run=self.run,
                seed=recipe.seed, looks=looks, team=team, stop=self._stop,
            )  # fmt: skip

    def _play_along(self) -> Callable[[Policy], Evaluation] | None:
        """Give what evaluates a planner while it learns; None where that is not asked for."""
        recipe = self.recipe
        if self.env is None or not recipe.pretrain.evaluate_every:
            return None
        court = Court(self.env, self.device, recipe.envs, self._pool, StopRequest())  # To the end.
        seeds = validation_seeds(recipe.seed, recipe.pretrain.evaluate_episodes)
        return partial(court.judge, seeds=seeds, quiet=True)

    def finetune_and_evaluate(self) -> None:
        """Do what follows pre-training, and write the run's page."""
        stage = self.config.stage
        if stage in PRETRAINING:
            alone = stage == "pretrain" and self.config.variant
            self._evaluator.evaluate(pretraining.STAGE, alone or "pretrained")
        if stage == "zero_shot":
            self._take_over()
        if stage in FINETUNING and self.env is not None:
            self._finetune(self.env)
        elif stage in FINETUNING:
            logger.info("not fine-tuned either: that plays episodes; see docs/extend.md")
        # Here, since Matplotlib takes a second that a run need not wait for at its beginning.
        from policy.viewing.run_page import write_run_page  # noqa: PLC0415

        data = [Path(path) for path in self.run.config["stores"]]
        page = write_run_page(self.run, self.env, data[0] if data else None, self._planners.read)
        logger.info("look at %s", page)
        logger.info("next: python policy/view.py checkpoint=%s", self.run.path)

    def _take_over(self) -> None:
        """Evaluate a planner that was pre-trained elsewhere on this task, as it is."""
        start = start_of(self.config)
        planner, about = self._planners.read(start)
        planner = tempered(planner, self.recipe.temperature, start)
        path = self.run.checkpoint(pretraining.STAGE)
        save_planner(planner, path, {**about, **self.run.config["about"]})
        self._planners.forget(start)  # It may act at another temperature than its file says.
        self._evaluator.evaluate(pretraining.STAGE, self.config.variant or "pretrained")

    def _finetune(self, env: EnvConfig) -> None:
        recipe, stage = self.recipe, finetuning.STAGE
        if not self._is_done(stage, "episodes", recipe.finetune.episodes):
            planner, _ = self._planners.take(self._start())
            if self.recipe.temperature is not None:
                planner.at_temperature(self.recipe.temperature)
            self._planners.forget(self.run.checkpoint(stage))
            remedy = "give fewer envs=, a smaller finetune.algorithm.batch= or replay_capacity="
            with names_memory("fine-tuning", remedy):
                features = sees_state(recipe.finetune.algorithm)
                envs = self._pool.take(env, planner, envs=recipe.envs, features=features)
                finetune(
                    planner.to(self.device), envs, recipe.finetune, run=self.run,
                    seed=recipe.seed, success_at=env.success_at, stop=self._stop,
                )  # fmt: skip
        self._evaluator.evaluate(stage, self.config.variant or "bc")

    def _start(self) -> Path:
        """Give the planner that fine-tuning starts from.

        Raises:
            InputError: It is the run's own, and is not pre-trained to the end.
        """
        path = start_of(self.config)
        if self.recipe.init_from is None:
            wanted = self.run.config["pretrain"]["steps"]
            taken = self._planners.read(path)[1].get("gradient_steps", wanted)
            if taken < wanted:
                raise InputError(
                    f"{path} was pre-trained for {taken} of {wanted} steps: finish that first"
                    " (stage=pretrain or stage=all)"
                )
        return path

    def _is_done(self, stage: str, counted: str, wanted: int) -> bool:
        """Tell whether a stage has finished, also by the numbers of this command.

        Raises:
            InputError: It is to go on, and what it needs for that is gone.
        """
        path = self.run.checkpoint(stage)
        if not path.exists():
            return False
        _, about = self._planners.read(path)
        state = self.run.state_path(stage)
        if about.get(counted, wanted) >= wanted:
            return True
        if not state.exists():
            raise InputError(
                f"{path} is of {about[counted]} {counted.replace('_', ' ')}, and {state} is gone:"
                " it cannot go on from there; choose another out="
            )
        return False
