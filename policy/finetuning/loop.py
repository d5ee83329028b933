"""Fine-tuning from its first episode to its last: it resumes, saves, and ends in words."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from configs.progress import progress
from configs.stopping import StopRequest
from datasets.behaviours.training_state import fitting, load_state
from envs.vector.vector_env import VectorEnv
from perception.errors import InputError
from policy.finetuning.config import FinetuneConfig
from policy.finetuning.diverging import DivergedError
from policy.finetuning.guided.saved_critics import save_critics
from policy.finetuning.search import check_budget, nothing_learned
from policy.finetuning.trainer import Trainer
from policy.finetuning.validation import Best
from policy.planner.checkpoint import save_planner
from policy.planner.planner import Planner
from policy.planner.policy import NotFiniteError, Policy
from policy.runs.clock import Clock
from policy.runs.run import Run, stopped

STAGE = "finetune"
BEST = "best"  # The planner of the best evaluation along the run.
LAST = "finetune-last"  # The planner of the last whole iteration, kept when the next one diverges.


def finetune(
    planner: Planner,
    envs: VectorEnv,
    config: FinetuneConfig,
    *,
    run: Run,
    seed: int,
    success_at: str,
    stop: StopRequest | None = None,
) -> Policy:
    """Fine-tune until all episodes are played, going on where a stopped or shorter run ended.

    Args:
        planner: Pre-trained.
        envs: The task; as many episodes are played side by side as it has environments.
        config: See `FinetuneConfig`.
        run: Where metrics and checkpoints go.
        seed: Of everything random here.
        success_at: See `roll_out`.
        stop: Asked after every rollout; where it says so, the state is saved first.

    Returns:
        What was fine-tuned (or taught in its place), also saved as the stage's checkpoint.

    Raises:
        InputError: It diverged (the planner before that is kept), or nothing could be learned.
        StoppedError: It was asked to stop.
    """
    check_budget(config, envs.shapes.envs)
    shown = progress(None, "fine-tune", config.episodes, unit="episode")
    trainer = Trainer(
        planner, envs, config, seed=seed, success_at=success_at, on_episodes=shown.update
    )
    with fitting(run.state_path(STAGE)):
        trainer.load(run.resume(STAGE))
    shown.initial = shown.n = trainer.episodes
    shown.refresh()
    with run.writing(STAGE), shown:
        _learn(trainer, run, shown, stop or StopRequest())
        if trainer.algorithm.gradient_steps == 0:
            raise InputError(nothing_learned(trainer.search, config))
        clock = Clock(trainer.spent)
        with _diverging(trainer, run):
            trainer.finish()
        trainer.spent = clock.spent
        save_critics(trainer.algorithm, run.checkpoint(STAGE), _about(trainer, run))
        save_planner(trainer.policy.eval(), run.checkpoint(STAGE), _about(trainer, run))
    return trainer.policy


def _learn(trainer: Trainer, run: Run, shown: Any, stop: StopRequest) -> None:  # noqa: ANN401
    """Play and update until all episodes are played, saving after every rollout."""
    clock, best = Clock(trainer.spent), Best(run, trainer.episodes)
    with closing(run.metrics(STAGE, trainer.episodes)) as metrics:
        while trainer.episodes < trainer.config.episodes:
            before = trainer.episodes
            with _diverging(trainer, run):
                values = trainer.iterate()
            if values:
                metrics.write(trainer.episodes, values)
            if "finetune/success" in values:  # Offline nothing is played.
                shown.set_postfix(success=f"{values['finetune/success']:.0%}")
            trainer.spent = clock.spent
            _keep(trainer, run, best, before, values)
            run.save(STAGE, trainer.state())
            if stop.requested and trainer.episodes < trainer.config.episodes:
                raise stopped(f"at episode {trainer.episodes}")


def _keep(trainer: Trainer, run: Run, best: Best, before: int, values: dict[str, float]) -> None:
    """Keep the planner of this moment where it is due, or the best one that was evaluated."""
    if run.keeping.due(before, trainer.episodes):
        save_planner(trainer.policy, run.kept(STAGE, trainer.episodes), _about(trainer, run))
    if best.beaten_by(values):
        save_planner(trainer.policy, run.checkpoint(BEST), _about(trainer, run))


@contextmanager
def _diverging(trainer: Trainer, run: Run) -> Iterator[None]:
    """Where learning diverges, keep the planner from before.

    Raises:
        InputError: It diverged.
    """
    before = trainer.episodes
    try:
        yield
    except (DivergedError, NotFiniteError) as error:
        raise InputError(
            f"Fine-tuning diverged after episode {before}: {error}. {_last_good(trainer, run)};"
            " try a smaller finetune.learning_rate in another out="
        ) from error


def _last_good(trainer: Trainer, run: Run) -> str:
    """Keep the planner of the last training state, and say where."""
    state = load_state(run.state_path(STAGE))
    if state is None:
        return "No planner was kept before"
    trainer.load(state)
    path = run.checkpoint(LAST)
    save_planner(trainer.policy.eval(), path, _about(trainer, run))
    return f"The last good planner is {path}"


def _about(trainer: Trainer, run: Run) -> dict[str, Any]:
    """Say what a checkpoint is of."""
    return {**run.config["about"], "stage": STAGE, **trainer.about()}
