"""One iteration of fine-tuning: play, remember, update (SODP, Algorithm 1).

What is minimised (Eq. 15) is in `policy/finetuning/objective.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from envs.seeding import derive_seed
from envs.vector.vector_env import VectorEnv
from perception.errors import InputError
from policy.finetuning.buffers import (
    Chunks,
    Experience,
    ReplayBuffer,
    TargetBuffer,
    read_experience,
)
from policy.finetuning.objective import Objective, ObjectiveConfig, Terms
from policy.planner.planner import Planner
from policy.rollouts.evaluation import evaluate
from policy.rollouts.rollout import Rollout, roll_out
from policy.runs.run import Run

STAGE = "finetune"


@dataclass(frozen=True)
class FinetuneConfig:
    """How to fine-tune. Names of the paper in brackets.

    Attributes:
        objective: What every gradient step minimises.
        init: Begin with the `pretrained` denoiser, or from `scratch`; the rollouts at the beginning
            are the pre-trained planner's either way (Appendix C.2), and so is the eye.
        experience: The state of a finished fine-tuning (`finetune-state.pt`), whose buffers are
            learned from without playing (Appendix C.1, offline); None plays.
        episodes: Online episodes in all, those at the beginning included.
        initial_episodes: Proficient episodes to roll out at the beginning (N_init).
        initial_limit: Rollouts after which their search ends.
        gradient_steps: Updates per episode (p_step).
        learning_rate: Of Adam at the beginning.
        last_learning_rate: At the end; it decays exponentially in between.
        weight: How good a chunk was; see `chunk_weights`.
        group_size: Episodes that begin alike. Where several do, `return_to_go` compares them
            with each other alone.
        replay_capacity: Newest episodes that the improvement loss draws from (B).
        target_capacity: Episodes in the target buffer.
        target_top: While fewer succeeded, the best returns fill it (n).
        gradient_norm: Largest norm of the gradient.
        largest_ratio: A mean ratio beyond this stops the run.
        evaluate_every: Episodes between evaluations along the way; 0 for none.
        evaluate_episodes: Episodes of each of them.
    """

    objective: ObjectiveConfig
    init: Literal["pretrained", "scratch"]
    experience: Path | None
    episodes: int
    initial_episodes: int
    initial_limit: int
    gradient_steps: int
    learning_rate: float
    last_learning_rate: float
    weight: Literal["return_to_go", "whitened", "chunk_return"]
    group_size: int
    replay_capacity: int
    target_capacity: int
    target_top: int
    gradient_norm: float
    largest_ratio: float
    evaluate_every: int
    evaluate_episodes: int


class DivergedError(Exception):
    """A loss, ratio or gradient that no further step can mend."""


class Trainer:
    """The state of a fine-tuning: planner, optimiser, target buffer, and how far it is."""

    def __init__(
        self,
        planner: Planner,
        envs: VectorEnv,
        config: FinetuneConfig,
        *,
        seed: int,
        success_at: str,
        on_episodes: Callable[[int], object] = lambda _: None,  # Told how many are over, each time.
    ) -> None:
        self._by_start = config.group_size > 1
        if self._by_start and config.weight != "return_to_go":
            raise InputError("finetune.group_size > 1 goes with finetune.weight=return_to_go")
        self.planner, self.config = planner, config
        self._on_episodes = on_episodes
        self.episodes = self.env_steps = self.gradient_steps = 0
        self.seconds = 0.0
        self._envs, self._seed, self._success_at = envs, seed, success_at
        planner.requires_grad_(requires_grad=False)
        planner.denoiser.requires_grad_(requires_grad=True)
        planner.encoder.requires_grad_(config.objective.encoder == "trained")
        self._weights = [w for w in planner.parameters() if w.requires_grad]
        self.optimizer = torch.optim.Adam(self._weights, fused=True)
        self.objective = Objective(planner, config.objective)
        self.replay = ReplayBuffer(config.replay_capacity)
        self.target = TargetBuffer(config.target_capacity, config.target_top)
        self.generator = torch.Generator().manual_seed(derive_seed("finetune-draws", seed, 0))

    def iterate(self) -> dict[str, float]:
        """Play episodes side by side, then update; the first time only fill the buffers."""
        if self.config.experience is not None:
            return self._learn_offline(self.config.experience)
        if self.episodes == 0:
            return self._begin()
        rollout = self._play()
        values = self._update(self._experience(), len(rollout.successes))
        return {**self._summary([rollout]), **values, **self._evaluation()}

    def _begin(self) -> dict[str, float]:
        """Roll out until there are N_init proficient episodes (Algorithm 1, initialisation)."""
        rollouts = []
        while self.target.successes < self.config.initial_episodes:
            rollouts.append(self._play())
            if self.episodes >= self.config.initial_limit:
                break
        if self.config.init == "scratch":
            self.planner.forget_denoising(derive_seed("scratch", self._seed, 0))
        return {**self._summary(rollouts), **self._evaluation()}

    def _learn_offline(self, experience: Path) -> dict[str, float]:
        """Take the steps of as many episodes from what another run has played."""
        if self.episodes == 0:
            replay, target = read_experience(experience, by_start=self._by_start)
            self.replay.load(replay)
            self.target.load(target)
            if self.config.init == "scratch":
                self.planner.forget_denoising(derive_seed("scratch", self._seed, 0))
        episodes = min(self._envs.shapes.envs, self.config.episodes - self.episodes)
        self.episodes += episodes
        self._on_episodes(episodes)
        values = self._update(self._experience(), episodes)
        return {**values, **self._evaluation()}

    def _play(self) -> Rollout:
        numbers = range(self.episodes, self.episodes + self._envs.shapes.envs)
        self.episodes += len(numbers)
        seeds, alike = [self._seed_of(number) for number in numbers], self.config.group_size
        objective = self.config.objective
        rollout = roll_out(
            self.planner,
            self._envs,
            seeds,
            starts=[self._seed_of(number - number % alike) for number in numbers],
            success_at=self._success_at,
            min_std=objective.min_std,
            keep_observations=objective.encoder == "trained",
        )
        self.env_steps += rollout.steps
        self.replay.add(rollout)
        self.target.add(rollout)
        self._on_episodes(len(numbers))
        return rollout

    def _seed_of(self, episode: int) -> int:
        return derive_seed("finetune", self._seed, episode)

    def _experience(self) -> Experience:
        return self.replay.experience(self.config.weight, by_start=self._by_start)

    def _update(self, experience: Experience, episodes: int) -> dict[str, float]:
        """Take p_step gradient steps per episode on Eq. 15."""
        rate = self._learning_rate()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        target = self.target.chunks()
        steps = self.config.gradient_steps * episodes
        sums = self._norms(self.objective.terms(experience, target, self.generator))
        for _ in range(steps):
            for name, value in self._gradient_step(experience, target).items():
                sums[name] = sums.get(name, 0.0) + value.item() / steps
        return {**sums, "finetune/learning_rate": rate}

    def _norms(self, terms: Terms) -> dict[str, float]:
        """Give the gradient norm of each weighed term alone: neither should drown the other."""
        config = self.config.objective
        parts = {
            "improvement": config.improvement * terms.improvement.loss,
            "regularisation": config.regularisation * terms.regularisation,
        }
        found = {}
        for name, loss in parts.items():
            gradients: tuple[torch.Tensor | None, ...] = (None,)
            if loss.requires_grad:
                gradients = torch.autograd.grad(
                    loss, self._weights, retain_graph=True, allow_unused=True
                )
            squares = [float(g.square().sum()) for g in gradients if g is not None]
            found[f"finetune/{name}_norm"] = sum(squares) ** 0.5
        return found

    def _gradient_step(self, experience: Experience, target: Chunks) -> dict[str, torch.Tensor]:
        """One update: improvement on own chains, and the regulariser."""
        terms = self.objective.terms(experience, target, self.generator)
        loss = self.objective.weighed(terms)
        self._check(loss, terms.improvement.ratio)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self._weights, self.config.gradient_norm)
        if not torch.isfinite(norm):
            raise DivergedError(f"the norm of the gradient is {norm.item()}")
        self.optimizer.step()
        self.gradient_steps += 1
        return {
            "finetune/improvement_loss": terms.improvement.loss.detach(),
            "finetune/regularisation_loss": terms.regularisation.detach(),
            "finetune/clipped": terms.improvement.clipped,
            "finetune/ratio": terms.improvement.ratio,
            "finetune/gradient_norm": norm,
        }

    def _check(self, loss: torch.Tensor, ratio: torch.Tensor) -> None:
        """Stop before a step that would spoil the weights.

        Raises:
            DivergedError: The loss is not finite, or the ratio has exploded.
        """
        if not torch.isfinite(loss):
            raise DivergedError(f"the loss is {loss.item()}")
        largest = self.config.largest_ratio
        if not ratio.item() < largest:
            raise DivergedError(f"the mean ratio is {ratio.item():.3g}, beyond {largest:g}")

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

    def about(self, run: Run) -> dict[str, Any]:
        """What a checkpoint says of itself."""
        return {
            **run.config["about"],
            "stage": STAGE,
            "env_steps": self.env_steps,
            "gradient_steps": self.gradient_steps,
            "seconds": self.seconds,
        }

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
