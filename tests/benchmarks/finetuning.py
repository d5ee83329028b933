"""How fast whole iterations of fine-tuning are: drawing, planning and gradient steps.

The reference is a plain loop of DPPO's kind (Ren et al., ICLR 2025) on the same losses: every frame
is drawn, the encoder runs again at every denoising step and learns in every gradient step, and the
log-probabilities of whole chains are computed anew after each rollout.
"""

import itertools
import time
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from configs.command import compose_part
from envs.vector.vector_env import Shapes, VectorEnv
from perception.observation import Observation
from policy.finetuning.advantages import advantages
from policy.finetuning.algorithms import sodp
from policy.finetuning.config import FinetuneConfig
from policy.finetuning.terms import ppo
from policy.finetuning.trainer import Trainer
from policy.planner.planner import Planner
from policy.planner.schedule import Step, log_probability
from policy.runs.device import keep_memory
from tests.benchmarks.planners import PLAIN, make_plain, make_planner
from tests.benchmarks.timing import Entry, entry, seconds
from tests.conftest import task_config

ENVS = 10
EPISODE_STEPS = 10  # A tenth of the door's, and of the ten updates per episode: the same mixture.
UPDATES = 1  # Per episode.
POINTS = 512  # The default.


def benchmark() -> dict[str, list[Entry]]:
    """Measure fine-tuning with the encoder frozen and trained, in turns with the reference.

    By processor time, which counts every thread but not what else the machine does. All in one
    process, so that memory is kept (`keep_memory`) for the reference too.
    """
    torch.set_num_threads(1)
    keep_memory()
    sides = {
        "frozen, as by default": _trainer("frozen"),
        "plain": PlainTuner(make_plain(make_planner()), _envs(chunk=1), _config("trained")),
        "trained along": _trainer("trained"),
    }
    calls = {name: side.iterate for name, side in sides.items()}
    times = seconds(calls, rounds=1, warm_up=0, clock=time.process_time)
    return {"finetune_loop": [_entry(name, times) for name in sides if name != "plain"]}


def _entry(name: str, times: dict[str, float]) -> Entry:
    steps = ENVS * EPISODE_STEPS
    return entry(
        f"whole iterations, door, {POINTS} points, ten agent steps per update, encoder {name}",
        ours=steps / times[name],
        reference=steps / times["plain"],
        unit="agent steps/s of processor time",
        reference_is=f"a loop of DPPO's kind, same losses: every frame drawn, encoder run at every"
        f" denoising step and trained in every gradient step; {PLAIN}, memory kept",
    )


def _config(encoder: Literal["frozen", "trained"]) -> FinetuneConfig:
    """Give the default fine-tuning with shorter episodes' share of gradient steps."""
    changes = [f"algorithm.encoder={encoder}", f"gradient_steps={UPDATES}", "evaluate_every=0"]
    changes += [f"initial_limit={ENVS}"]
    overrides = [f"finetune.{change}" for change in changes]
    return compose_part(FinetuneConfig, "finetune", "ppo_bc", overrides)


def _envs(*, chunk: int) -> VectorEnv:
    """Make ten environments side by side in this process; each chunk ends with a drawn frame."""
    task = task_config(
        "adroit-door", f"env.episode_steps={EPISODE_STEPS}", f"env.view.points={POINTS}"
    )
    return VectorEnv(task, Shapes(envs=ENVS, history=2, chunk=chunk), workers=0)


def _trainer(encoder: Literal["frozen", "trained"]) -> Trainer:
    """Make our own, past the rollouts at the beginning, which also warm it up."""
    planner, envs = make_planner().eval(), _envs(chunk=3)
    trainer = Trainer(planner, envs, _config(encoder), seed=0, success_at="end")
    trainer.iterate()
    return trainer


@dataclass(frozen=True)
class Chains:
    """What a plain loop remembers of its newest episodes, flat over their chunks."""

    seen: Observation[Tensor]
    samples: Float[Tensor, "chunk S+1 horizon action"]
    weights: Float[Tensor, " chunk"]


class PlainTuner:
    """Fine-tunes the plain way, the same losses over as many environment and gradient steps.

    Args:
        planner: Computes plainly; see `make_plain`.
        envs: Of chunks of one action: all frames are drawn.
        config: Of which the losses and the number of updates are used.
    """

    def __init__(self, planner: Planner, envs: VectorEnv, config: FinetuneConfig) -> None:
        assert isinstance(config.algorithm, sodp.Config)
        self.planner, self.envs, self.config = planner, envs, config
        self.minibatch, self.terms = config.algorithm.minibatch, config.algorithm.terms
        self.optimizer = torch.optim.Adam(planner.parameters(), config.learning_rate)
        self._seeds = itertools.count()
        self._generator = torch.Generator().manual_seed(0)

    def iterate(self) -> None:
        """Play an episode in each environment, then take p_step gradient steps for each."""
        chains = self._play()
        before = self._log_probs(chains)
        for _ in range(self.config.gradient_steps * self.envs.shapes.envs):
            self._gradient_step(chains, before)

    @torch.no_grad()
    def _play(self) -> Chains:
        envs, moments = self.envs.shapes.envs, []
        observations = self.envs.reset([next(self._seeds) for _ in range(envs)])
        done = False
        while not done:
            seen = observations.each(torch.from_numpy)
            samples = self._plan(seen)
            rewards = torch.zeros(envs)
            for action in self.planner.to_actions(samples[:, -1]).unbind(1):
                outcome = self.envs.step(action[:, None].numpy())
                observations, done = outcome.observations, bool(outcome.done.all())
                rewards += torch.from_numpy(outcome.rewards[:, 0])
            moments.append((seen.points, seen.robot_state, samples, rewards))
        points, state, chains, earned = (torch.stack(part) for part in zip(*moments, strict=True))
        played = torch.ones_like(earned, dtype=torch.bool)  # No episode ends before the others.
        weights = advantages(earned, played, self.config.advantage)
        seen = Observation(points.flatten(0, 1), state.flatten(0, 1))
        return Chains(seen, chains.flatten(0, 1), weights.flatten())

    def _plan(self, seen: Observation[Tensor]) -> Float[Tensor, "env S+1 horizon action"]:
        noises = self.planner.noises([self._generator] * len(seen.robot_state))
        samples = [noises[:, 0]]
        for position in range(noises.shape[1] - 1):
            step = self._step(seen, samples[-1], torch.full((len(noises),), position))
            samples.append(step.mean + step.std * noises[:, position + 1])
        return torch.stack(samples, dim=1)

    @torch.no_grad()
    def _log_probs(self, chains: Chains) -> Float[Tensor, "chunk S"]:
        """Give the log-probabilities of whole chains, as DPPO does after each rollout."""
        found = []
        for position in range(chains.samples.shape[1] - 1):
            noisy, taken = chains.samples[:, position], chains.samples[:, position + 1]
            step = self._step(chains.seen, noisy, torch.full((len(noisy),), position))
            found.append(self._log_prob(taken, step))
        return torch.stack(found, dim=1)

    def _gradient_step(self, chains: Chains, before: Float[Tensor, "chunk S"]) -> None:
        batch, (count, steps) = self.minibatch.batch, before.shape
        chunk, best = torch.randint(count, (2, batch), generator=self._generator)
        index = torch.randint(steps, (batch,), generator=self._generator)
        now = self._step(_take(chains.seen, chunk), chains.samples[chunk, index], index)
        new = self._log_prob(chains.samples[chunk, index + 1], now)
        old, weights = before[chunk, index], chains.weights[chunk]
        improvement_config = self.terms["ppo"]
        assert isinstance(improvement_config, ppo.Config)
        improvement = ppo.clipped_loss(new, old, weights, improvement_config.clip).loss
        context, plans = self.planner.encode(_take(chains.seen, best)), chains.samples[best, -1]
        cloning = self.planner.denoising_loss(context, plans.clamp(-1, 1), self._generator)
        self.optimizer.zero_grad()
        weight, cloning_weight = improvement_config.weight, self.terms["bc"].weight
        (weight * improvement + cloning_weight * cloning).backward()
        torch.nn.utils.clip_grad_norm_(self.planner.parameters(), self.config.gradient_norm)
        self.optimizer.step()

    def _step(self, seen: Observation[Tensor], noisy: Tensor, index: Tensor) -> Step:
        """Encode and take one reverse step."""
        min_std = self.minibatch.min_std
        return self.planner.step(noisy, index, self.planner.encode(seen), min_std=min_std)

    def _log_prob(self, taken: Tensor, step: Step) -> Float[Tensor, " chunk"]:
        return self.planner.executed(log_probability(taken, step)).mean(dim=(1, 2))


def _take(seen: Observation[Tensor], index: Tensor) -> Observation[Tensor]:
    return Observation(seen.points[index], seen.robot_state[index])
