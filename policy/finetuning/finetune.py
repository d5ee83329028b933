"""Fine-tuning on one task: PPO over denoising steps, and behaviour cloning of one's own best.

SODP, Algorithm 1; its iterations are in `policy/finetuning/trainer.py`.
"""

from tqdm import tqdm

from datasets.behaviours.training_state import load_state
from envs.vector.vector_env import VectorEnv
from perception.errors import InputError
from policy.finetuning.trainer import STAGE, DivergedError, FinetuneConfig, Trainer
from policy.planner.checkpoint import save_planner
from policy.planner.planner import Planner
from policy.runs.run import Clock, Run

LAST = "finetune-last"  # The planner of the last whole iteration, kept when the next one diverges.


def finetune(
    planner: Planner,
    envs: VectorEnv,
    config: FinetuneConfig,
    *,
    run: Run,
    seed: int,
    success_at: str,
) -> Planner:
    """Fine-tune until all episodes are played, going on where a killed run stopped.

    Args:
        planner: Pre-trained.
        envs: The task; as many episodes are played side by side as it has environments.
        config: See `FinetuneConfig`.
        run: Where metrics and checkpoints go.
        seed: Of everything random here.
        success_at: See `roll_out`.

    Returns:
        The fine-tuned planner, also saved as the stage's checkpoint.
    """
    progress = tqdm(total=config.episodes, desc="fine-tune", unit="episode")
    trainer = Trainer(
        planner, envs, config, seed=seed, success_at=success_at, on_episodes=progress.update
    )
    trainer.load(run.resume(STAGE))
    progress.initial = progress.n = trainer.episodes
    progress.refresh()
    metrics = run.metrics(STAGE, trainer.episodes)
    clock = Clock(trainer.seconds)
    while trainer.episodes < config.episodes:
        before = trainer.episodes
        try:
            values = trainer.iterate()
        except DivergedError as error:
            metrics.close()
            raise InputError(
                f"Fine-tuning diverged after episode {before}: {error}. {_last_good(trainer, run)};"
                " try a smaller finetune.learning_rate in another out="
            ) from error
        metrics.write(trainer.episodes, values)
        if "finetune/success" in values:  # Offline nothing is played.
            progress.set_postfix(success=f"{values['finetune/success']:.0%}")
        trainer.seconds = clock.seconds
        run.save(STAGE, trainer.state())
    metrics.close()
    save_planner(trainer.planner.eval(), run.checkpoint(STAGE), trainer.about(run))
    return trainer.planner


def _last_good(trainer: Trainer, run: Run) -> str:
    """Keep the planner of the last training state, and say where."""
    state = load_state(run.state_path(STAGE))
    if state is None:
        return "No planner was kept before"
    trainer.load(state)
    path = run.checkpoint(LAST)
    save_planner(trainer.planner.eval(), path, trainer.about(run))
    return f"The last good planner is {path}"
