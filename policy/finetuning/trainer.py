"""The loop of fine-tuning on one task: play, remember, update, evaluate, save, resume.

How to learn is the algorithm's matter (`policy/finetuning/algorithms`).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from configs.kinds import make_kind
from datasets.behaviours.training_state import load_state
from envs.seeding import derive_seed
from envs.vector.vector_env import VectorEnv
from perception.errors import InputError
from policy.finetuning.algorithms.algorithm import Algorithm, DivergedError
from policy.finetuning.config import ALGORITHMS, FinetuneConfig
from policy.finetuning.learning_rate import exponential_decay
from policy.finetuning.states import as_written_now
from policy.finetuning.validation import validate
from policy.planner.checkpoint import save_planner
from policy.planner.planner import Planner
from policy.rollouts.rollout import Rollout, roll_out
from policy.runs.run import Clock, Run

STAGE = "finetune"
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

    Raises:
        InputError: It diverged; the planner before that is kept.
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


def _last_good(trainer: "Trainer", run: Run) -> str:
    """Keep the planner of the last training state, and say where."""
    state = load_state(run.state_path(STAGE))
    if state is None:
        return "No planner was kept before"
    trainer.load(state)
    path = run.checkpoint(LAST)
    save_planner(trainer.planner.eval(), path, trainer.about(run))
    return f"The last good planner is {path}"


class Trainer:
    """A fine-tuning under way: the planner, what improves it, and how far it is.

    Args:
        planner: Pre-trained.
        envs: The task.
        config: See `FinetuneConfig`.
        seed: Of everything random here.
        success_at: See `roll_out`.
        on_episodes: Called after every rollout with its number of episodes.
    """

    def __init__(
        self,
        planner: Planner,
        envs: VectorEnv,
        config: FinetuneConfig,
        *,
        seed: int,
        success_at: str,
        on_episodes: Callable[[int], object] = lambda _: None,
    ) -> None:
        self.planner, self.config = planner, config
        self._envs, self._seed, self._success_at = envs, seed, success_at
        self._on_episodes = on_episodes
        self.algorithm: Algorithm = make_kind(ALGORITHMS, config.algorithm, planner, config, seed)
        self.episodes = self.env_steps = 0
        self.seconds = 0.0

    def iterate(self) -> dict[str, float]:
        """Play episodes side by side, then update; give what to watch, by metric name.

        The first time nothing is updated: the algorithm only gets something to begin with.
        """
        if self.config.experience is not None:
            metrics = self._learn_offline(self.config.experience)
        elif self.episodes == 0:
            metrics = self._begin()
        else:
            rollout = self._play()
            metrics = {**self._summary([rollout]), **self._update(len(rollout))}
        return {**metrics, **self._validate()}

    def _begin(self) -> dict[str, float]:
        """Roll out until there are enough successes, or the search has lasted long enough."""
        rollouts: list[Rollout] = []
        successes = 0
        while successes < self.config.initial_episodes:
            rollouts.append(self._play())
            successes += int(rollouts[-1].episodes.successes.sum())
            if self.episodes >= self.config.initial_limit:
                break
        self._forget_if_from_scratch()
        return self._summary(rollouts)

    def _learn_offline(self, experience: Path) -> dict[str, float]:
        """Take the steps of as many episodes from what another run has played."""
        if self.episodes == 0:
            self.algorithm.load_experience(experience)
            self._forget_if_from_scratch()
        episodes = min(self._envs.shapes.envs, self.config.episodes - self.episodes)
        self._count(episodes)
        return self._update(episodes)

    def _play(self) -> Rollout:
        """Play an episode in each environment and let the algorithm see it."""
        numbers = range(self.episodes, self.episodes + self._envs.shapes.envs)
        alike = self.config.group_size
        rollout = roll_out(
            self.planner,
            self._envs,
            [self._seed_of(number) for number in numbers],
            starts=[self._seed_of(number - number % alike) for number in numbers],
            success_at=self._success_at,
            min_std=self.algorithm.min_std,
            keep_observations=self.algorithm.keep_observations,
        )
        self.env_steps += rollout.steps
        self.algorithm.observe(rollout)
        self._count(len(numbers))
        return rollout

    def _update(self, episodes: int) -> dict[str, float]:
        """Let the algorithm learn at the rate of this moment."""
        first, last = self.config.learning_rate, self.config.last_learning_rate
        rate = exponential_decay(first, last, self.episodes / self.config.episodes)
        metrics = self.algorithm.update(episodes, rate)
        return {**metrics, "finetune/learning_rate": rate}

    def _summary(self, rollouts: list[Rollout]) -> dict[str, float]:
        successes = torch.cat([r.episodes.successes for r in rollouts])
        return {
            "finetune/success": successes.float().mean().item(),
            "finetune/return": torch.cat([r.returns for r in rollouts]).mean().item(),
            **self.algorithm.summary(),
        }

    def _validate(self) -> dict[str, float]:
        return validate(
            self.planner,
            self._envs,
            self.config,
            episodes=self.episodes,
            seed=self._seed,
            success_at=self._success_at,
        )

    def _forget_if_from_scratch(self) -> None:
        if self.config.init == "scratch":
            self.planner.reset_denoiser(derive_seed("scratch", self._seed, 0))

    def _count(self, episodes: int) -> None:
        self.episodes += episodes
        self._on_episodes(episodes)

    def _seed_of(self, episode: int) -> int:
        return derive_seed("finetune", self._seed, episode)

    def about(self, run: Run) -> dict[str, Any]:
        """What a checkpoint says of itself."""
        return {
            **run.config["about"],
            "stage": STAGE,
            "env_steps": self.env_steps,
            "gradient_steps": self.algorithm.gradient_steps,
            "seconds": self.seconds,
        }

    def state(self) -> dict[str, Any]:
        """Everything that the next iteration depends on."""
        return {
            "step": self.episodes,
            "env_steps": self.env_steps,
            "seconds": self.seconds,
            "planner": self.planner.state_dict(),
            "algorithm": self.algorithm.state(),
        }

    def load(self, state: dict[str, Any] | None) -> None:
        """Go on from a saved state, if there is one."""
        if state is None:
            return
        state = as_written_now(state)
        self.episodes, self.env_steps = state["step"], state["env_steps"]
        self.seconds = state["seconds"]
        self.planner.load_state_dict(state["planner"])
        self.algorithm.load(state["algorithm"])
