"""The loop of fine-tuning on one task: play, remember, update, evaluate, save, resume.

How to learn is the algorithm's matter (`policy/finetuning/algorithms`).
"""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from configs.kinds import make_kind
from configs.progress import progress
from configs.stopping import StopRequest
from datasets.behaviours.training_state import fitting, load_state
from envs.seeding import derive_seed
from envs.vector.vector_env import VectorEnv
from perception.errors import InputError
from policy.finetuning.algorithms.algorithm import Algorithm, DivergedError
from policy.finetuning.algorithms.saved_critics import save_critics
from policy.finetuning.config import ALGORITHMS, FinetuneConfig
from policy.finetuning.learning_rate import exponential_decay
from policy.finetuning.player import Player
from policy.finetuning.search import Search, check_budget, nothing_learned
from policy.finetuning.states import as_written_now
from policy.planner.checkpoint import save_planner
from policy.planner.planner import NotFiniteError, Planner
from policy.rollouts.rollout import Rollout
from policy.runs.clock import Clock, Spent
from policy.runs.run import Run, stopped

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
    stop: StopRequest | None = None,
) -> Planner:
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
        The fine-tuned planner, also saved as the stage's checkpoint.

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
        save_critics(trainer.algorithm, run.checkpoint(STAGE), trainer.about(run))
        save_planner(trainer.planner.eval(), run.checkpoint(STAGE), trainer.about(run))
    return trainer.planner


def _learn(trainer: "Trainer", run: Run, shown: Any, stop: StopRequest) -> None:  # noqa: ANN401
    """Play and update until all episodes are played, saving after every rollout."""
    clock = Clock(trainer.spent)
    with closing(run.metrics(STAGE, trainer.episodes)) as metrics:
        while trainer.episodes < trainer.config.episodes:
            values = _iterate(trainer, run)
            if values:
                metrics.write(trainer.episodes, values)
            if "finetune/success" in values:  # Offline nothing is played.
                shown.set_postfix(success=f"{values['finetune/success']:.0%}")
            trainer.spent = clock.spent
            run.save(STAGE, trainer.state())
            if stop.requested and trainer.episodes < trainer.config.episodes:
                raise stopped(f"at episode {trainer.episodes}")


def _iterate(trainer: "Trainer", run: Run) -> dict[str, float]:
    """Iterate once; where that diverges, keep the planner from before.

    Raises:
        InputError: It diverged.
    """
    before = trainer.episodes
    try:
        return trainer.iterate()
    except (DivergedError, NotFiniteError) as error:
        raise InputError(
            f"Fine-tuning diverged after episode {before}: {error}. {_last_good(trainer, run)};"
            " try a smaller finetune.learning_rate in another out="
        ) from error


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
        self.planner, self.config, self._seed = planner, config, seed
        self._player = Player(planner, envs, config, seed=seed, success_at=success_at)
        self.algorithm: Algorithm = make_kind(ALGORITHMS, config.algorithm, planner, config, seed)
        self.search, self.spent, self._on_episodes = Search(), Spent(), on_episodes
        self.episodes = self.env_steps = 0

    def iterate(self) -> dict[str, float]:
        """Play episodes side by side, then update; give what to watch, by metric name.

        In the search at the beginning nothing is updated, and what to watch comes at its end.
        """
        before = self.episodes
        if self.config.experience is not None:
            metrics = self._learn_offline(self.config.experience)
        elif not self.search.over:
            metrics = self._search()
        else:
            rollout = self._play(self.config.episodes - self.episodes)
            summary = self._summary(rollout.episodes.successes.tolist(), rollout.returns.tolist())
            metrics = {**summary, **self._update(len(rollout))}
        if metrics:
            metrics |= self._player.watch(self.algorithm, self.episodes, self.episodes - before)
        return metrics

    def _search(self) -> dict[str, float]:
        """Roll out once more in search of successes; at its end, say what it came to."""
        rollout = self._play(self.search.room(self.config, self.episodes))
        self.search.note(rollout, self.config, self.episodes)
        if not self.search.over:
            return {}
        self._forget_if_from_scratch()
        metrics = self._summary(self.search.successes, self.search.returns)
        self.search.tell(metrics.get("finetune/target_episodes"))
        return metrics

    def _learn_offline(self, experience: Path) -> dict[str, float]:
        """Take the steps of as many episodes from what another run has played."""
        if self.episodes == 0:
            self.algorithm.load_experience(experience)
            self._forget_if_from_scratch()
        episodes = min(self._player.side_by_side, self.config.episodes - self.episodes)
        self.episodes += episodes
        self._on_episodes(episodes)
        return self._update(episodes)

    def _play(self, most: int) -> Rollout:
        """Play an episode in each environment, or fewer, and let the algorithm see them."""
        numbers = range(self.episodes, self.episodes + min(most, self._player.side_by_side))
        rollout = self._player.play(self.algorithm, numbers)
        self.env_steps += rollout.steps
        self.algorithm.observe(rollout)
        self.episodes += len(numbers)
        self._on_episodes(len(numbers))
        return rollout

    def _update(self, episodes: int) -> dict[str, float]:
        """Let the algorithm learn at the rate of this moment."""
        first, last = self.config.learning_rate, self.config.last_learning_rate
        rate = exponential_decay(first, last, self.episodes / self.config.episodes)
        metrics = self.algorithm.update(episodes, rate)
        return {**metrics, "finetune/learning_rate": rate}

    def _summary(self, successes: list[bool], returns: list[float]) -> dict[str, float]:
        return {
            "finetune/success": sum(successes) / len(successes),
            "finetune/return": sum(returns) / len(returns),
            **self.algorithm.summary(),
        }

    def _forget_if_from_scratch(self) -> None:
        if self.config.init == "scratch":
            self.planner.reset_denoiser(derive_seed("scratch", self._seed, 0))

    def about(self, run: Run) -> dict[str, Any]:
        """What a checkpoint says of itself."""
        return {
            **run.config["about"],
            "stage": STAGE,
            "episodes": self.episodes,
            "env_steps": self.env_steps,
            "gradient_steps": self.algorithm.gradient_steps,
            **vars(self.spent),
        }

    def state(self) -> dict[str, Any]:
        """Everything that the next iteration depends on."""
        return {
            "step": self.episodes,
            "env_steps": self.env_steps,
            **vars(self.spent),
            "search": self.search.state(),
            "planner": self.planner.state_dict(),
            "algorithm": self.algorithm.state(),
        }

    def load(self, state: dict[str, Any] | None) -> None:
        """Go on from a saved state, if there is one."""
        if state is None:
            return
        state = as_written_now(state)
        self.episodes, self.env_steps = state["step"], state["env_steps"]
        self.spent = Spent.of(state)  # Older states were saved behind the search only:
        self.search = Search(**state.get("search", {"over": True}))
        self.planner.load_state_dict(state["planner"])
        self.algorithm.load(state["algorithm"])
