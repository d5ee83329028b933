"""Fine-tuning on one task: PPO over denoising steps, and behaviour cloning of one's own best.

SODP, Algorithm 1 and Eq. 15. The encoder stays as pre-trained, so each observation is encoded once.
"""

import logging
from dataclasses import dataclass
from typing import Any, Literal

import torch
from tqdm import tqdm

from envs.seeding import derive_seed
from envs.vector import VectorEnv
from policy.buffers import Experience, ReplayBuffer, TargetBuffer
from policy.checkpoint import save_planner
from policy.evaluation import evaluate
from policy.losses import improvement_loss
from policy.planner import Planner
from policy.rollout import Rollout, roll_out
from policy.run import Clock, Run
from policy.schedule import Step, log_probability

logger = logging.getLogger(__name__)

STAGE = "finetune"


@dataclass(frozen=True)
class FinetuneConfig:
    """How to fine-tune. Names of the paper in brackets.

    Attributes:
        episodes: Online episodes in all, those at the beginning included.
        initial_episodes: Proficient episodes to roll out at the beginning (N_init).
        initial_limit: Rollouts after which their search ends.
        gradient_steps: Updates per episode (p_step).
        batch: Pairs of the improvement loss, and chunks of the cloning loss, per update.
        learning_rate: Of Adam at the beginning.
        last_learning_rate: At the end; it decays exponentially in between.
        clip: How far the ratio of a step may leave 1 (epsilon).
        improvement: Weight of Eq. 12; 0 leaves behaviour cloning of own successes alone.
        cloning: Weight of Eq. 14 (lambda).
        floor: Least deviation of a step, in sampling and in log-probabilities.
        ratio: Log-probability of a step as `mean` or `sum` over the executed numbers.
        weight: How good a chunk was: `return_to_go` or `chunk_return`; see `chunk_weights`.
        replay_capacity: Newest episodes that the improvement loss draws from (B).
        target_capacity: Episodes in the target buffer.
        target_top: While fewer succeeded, the best returns fill it (n).
        gradient_norm: Largest norm of the gradient.
        evaluate_every: Episodes between evaluations along the way; 0 for none.
        evaluate_episodes: Episodes of each of them.
    """

    episodes: int
    initial_episodes: int
    initial_limit: int
    gradient_steps: int
    batch: int
    learning_rate: float
    last_learning_rate: float
    clip: float
    improvement: float
    cloning: float
    floor: float
    ratio: Literal["mean", "sum"]
    weight: Literal["return_to_go", "chunk_return"]
    replay_capacity: int
    target_capacity: int
    target_top: int
    gradient_norm: float
    evaluate_every: int
    evaluate_episodes: int


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
    tuner = Tuner(planner, envs, config, seed=seed, success_at=success_at)
    tuner.load(run.resume(STAGE))
    metrics = run.metrics(STAGE, tuner.episodes)
    clock = Clock(tuner.seconds)
    progress = tqdm(total=config.episodes, initial=tuner.episodes, desc="fine-tune", unit="episode")
    while tuner.episodes < config.episodes:
        before = tuner.episodes
        values = tuner.iterate()
        metrics.write(tuner.episodes, values)
        progress.update(tuner.episodes - before)
        progress.set_postfix(success=f"{values['finetune/success']:.0%}")
        tuner.seconds = clock.seconds
        run.save(STAGE, tuner.state())
    metrics.close()
    about = {
        **run.config["about"],
        "stage": STAGE,
        "env_steps": tuner.env_steps,
        "gradient_steps": tuner.gradient_steps,
        "seconds": tuner.seconds,
    }
    save_planner(tuner.planner.eval(), run.checkpoint(STAGE), about)
    return tuner.planner


class Tuner:
    """The state of a fine-tuning: planner, optimiser, target buffer, and how far it is."""

    def __init__(
        self,
        planner: Planner,
        envs: VectorEnv,
        config: FinetuneConfig,
        *,
        seed: int,
        success_at: str,
    ) -> None:
        self.planner, self.config = planner, config
        self.episodes = self.env_steps = self.gradient_steps = 0
        self.seconds = 0.0
        self._envs, self._seed, self._success_at = envs, seed, success_at
        planner.requires_grad_(requires_grad=False)
        planner.denoiser.requires_grad_(requires_grad=True)
        self.optimizer = torch.optim.Adam(planner.denoiser.parameters(), fused=True)
        self.replay = ReplayBuffer(config.replay_capacity)
        self.target = TargetBuffer(config.target_capacity, config.target_top)
        self.generator = torch.Generator().manual_seed(derive_seed("finetune-draws", seed, 0))

    def iterate(self) -> dict[str, float]:
        """Play episodes side by side, then update; the first time only fill the buffers."""
        if self.episodes == 0:
            return self._begin()
        rollout = self._play()
        values = self._update(self.replay.experience(self.config.weight), len(rollout.successes))
        return {**self._summary([rollout]), **values, **self._evaluation()}

    def _begin(self) -> dict[str, float]:
        """Roll out until there are N_init proficient episodes (Algorithm 1, initialisation)."""
        rollouts = []
        while self.target.successes < self.config.initial_episodes:
            rollouts.append(self._play())
            if self.episodes >= self.config.initial_limit:
                break
        return {**self._summary(rollouts), **self._evaluation()}

    def _play(self) -> Rollout:
        numbers = range(self.episodes, self.episodes + self._envs.shapes.envs)
        self.episodes += len(numbers)
        seeds = [derive_seed("finetune", self._seed, number) for number in numbers]
        floor = self.config.floor
        rollout = roll_out(
            self.planner, self._envs, seeds, success_at=self._success_at, floor=floor
        )
        self.env_steps += rollout.steps
        self.replay.add(rollout)
        self.target.add(rollout)
        return rollout

    def _update(self, experience: Experience, episodes: int) -> dict[str, float]:
        """Take p_step gradient steps per episode on Eq. 15."""
        rate = self._learning_rate()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        target = self.target.chunks()
        steps = self.config.gradient_steps * episodes
        sums: dict[str, float] = {}
        for _ in range(steps):
            for name, value in self._gradient_step(experience, target).items():
                sums[name] = sums.get(name, 0.0) + value.item() / steps
        return {**sums, "finetune/learning_rate": rate}

    def _gradient_step(
        self, experience: Experience, target: tuple[torch.Tensor, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """One update: improvement on own chains, cloning of own best chunks."""
        config, device = self.config, self.planner.device
        chunk, step = experience.draw(config.batch, self.generator)
        improvement = improvement_loss(
            *self.log_probs(experience, chunk, step),
            experience.weights[chunk].to(device),
            config.clip,
        )
        best = torch.randint(len(target[0]), (config.batch,), generator=self.generator)
        contexts, plans = (part[best].to(device) for part in target)
        cloning = self.planner.denoising_loss(contexts, plans, self.generator)
        loss = config.improvement * improvement.loss + config.cloning * cloning
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        weights = self.planner.denoiser.parameters()
        norm = torch.nn.utils.clip_grad_norm_(
            weights, config.gradient_norm, error_if_nonfinite=True
        )
        self.optimizer.step()
        self.gradient_steps += 1
        return {
            "finetune/improvement_loss": improvement.loss.detach(),
            "finetune/cloning_loss": cloning.detach(),
            "finetune/clipped": improvement.clipped,
            "finetune/ratio": improvement.ratio,
            "finetune/gradient_norm": norm,
        }

    def log_probs(
        self, experience: Experience, chunk: torch.Tensor, step: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probability of denoising steps under the planner now, and when they were taken."""
        device = self.planner.device
        noisy = experience.samples[chunk, step].to(device)
        taken = experience.samples[chunk, step + 1].to(device)
        contexts, index = experience.contexts[chunk].to(device), step.to(device)
        now = self.planner.step(noisy, index, contexts, floor=self.config.floor)
        then = Step(experience.means[chunk, step].to(device), now.deviation)
        return self._reduce(log_probability(taken, now)), self._reduce(log_probability(taken, then))

    def _reduce(self, log_probs: torch.Tensor) -> torch.Tensor:
        """Only the executed actions count: the others never met the task."""
        executed = self.planner.executed(log_probs)
        if self.config.ratio == "mean":
            return executed.mean(dim=(1, 2))
        return executed.sum(dim=(1, 2))

    def _learning_rate(self) -> float:
        done = self.episodes / self.config.episodes
        ratio = self.config.last_learning_rate / self.config.learning_rate
        return float(self.config.learning_rate * ratio**done)

    def _summary(self, rollouts: list[Rollout]) -> dict[str, float]:
        return {
            "finetune/success": torch.cat([r.successes for r in rollouts]).float().mean().item(),
            "finetune/return": torch.cat([r.returns for r in rollouts]).mean().item(),
            "finetune/target_episodes": float(len(self.target)),
            "finetune/target_successes": float(self.target.successes),
        }

    def _evaluation(self) -> dict[str, float]:
        every, side_by_side = self.config.evaluate_every, self._envs.shapes.envs
        if not every or self.episodes % every >= side_by_side:
            return {}
        episodes = self.config.evaluate_episodes
        seeds = [derive_seed("validation", self._seed, index) for index in range(episodes)]
        result = evaluate(self.planner, self._envs, seeds, success_at=self._success_at, quiet=True)
        return {"evaluation/success": result.rate, "evaluation/return": result.mean_return}

    def state(self) -> dict[str, Any]:
        """Everything that the next iteration depends on."""
        return {
            "step": self.episodes,
            "gradient_steps": self.gradient_steps,
            "env_steps": self.env_steps,
            "seconds": self.seconds,
            "planner": self.planner.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "replay": self.replay.state(),
            "target": self.target.state(),
            "generator": self.generator.get_state(),
        }

    def load(self, state: dict[str, Any] | None) -> None:
        """Go on from a saved state, if there is one."""
        if state is None:
            return
        self.episodes, self.env_steps = state["step"], state["env_steps"]
        self.gradient_steps, self.seconds = state["gradient_steps"], state["seconds"]
        self.planner.load_state_dict(state["planner"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.replay.load(state["replay"])
        self.target.load(state["target"])
        self.generator.set_state(state["generator"])
