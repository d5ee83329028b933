"""How fast fine-tuning is whatever its algorithm and denoiser, and how much a replay weighs.

Meta-World's reach on clouds of 512 points, ten episodes side by side in one process, on one thread,
by processor time. What is measured is one rollout of the search at the beginning and one whole
iteration after it, with a fifth of the steps and of the updates of an episode: the same mixture.
60K steps are reckoned from both: the search lasts as long as the configuration lets it where
nothing succeeds, and nothing is evaluated along the way.
"""

import time
from dataclasses import dataclass

import torch

from configs.command import compose_part
from envs.vector.vector_env import Shapes, VectorEnv
from policy.finetuning.config import FinetuneConfig
from policy.finetuning.guided.decisions import Decided, Decisions
from policy.finetuning.trainer import Trainer
from policy.rollouts.rollout import roll_out
from policy.runs.device import keep_memory
from tests.benchmarks.planners import make_for_reach
from tests.benchmarks.timing import Apart, Entry, entry
from tests.conftest import task_config

ENVS, POINTS = 10, 512
PART = 5  # So many times shorter than usual are episodes, with as many fewer updates in each.
STEPS = 200 // PART
EPISODES = 300  # 60K steps.
UPDATES = {
    "ppo_bc": ["gradient_steps=2"],
    "q_guided": ["gradient_steps=1", "algorithm.critic.steps=3"],
}
MILLION = 1_000_000
USUAL = ("ppo_bc", "unet-simple")
SETUPS = (("ppo_bc", "mlp"), ("q_guided", "mlp"))


@dataclass(frozen=True)
class Pace:
    """How fast a fine-tuning is.

    Attributes:
        search: Processor seconds of ten episodes of the search.
        iteration: Of ten episodes after it, with what is learned from them.
        searched: Episodes that a search without success lasts.
    """

    search: float
    iteration: float
    searched: int

    @property
    def minutes(self) -> float:
        """Those of 300 episodes."""
        rest = EPISODES - self.searched
        return PART * (self.searched * self.search + rest * self.iteration) / ENVS / 60


def benchmark() -> dict[str, list[Entry]]:
    """Measure each algorithm and denoiser beside the default, and a replay's memory."""
    torch.set_num_threads(1)
    keep_memory()
    usual = _pace(*USUAL)
    entries = []
    for algorithm, denoiser in SETUPS:
        pace = _pace(algorithm, denoiser)
        of = f"reach, {POINTS} points, {ENVS} episodes at a time: finetune={algorithm}"
        name = f"{of} denoiser={denoiser}"
        reference_is = f"finetune={USUAL[0]} denoiser={USUAL[1]}, in the same run"
        entries.append(
            entry(
                f"{name}, whole iterations",
                ours=ENVS * STEPS / pace.iteration,
                reference=ENVS * STEPS / usual.iteration,
                unit="agent steps/s of processor time",
                reference_is=reference_is,
            )
        )
        entries.append(
            entry(
                f"{name}, 60K steps, scaled from {2 * ENVS * STEPS:,}",
                ours=pace.minutes,
                reference=usual.minutes,
                unit="CPU minutes",
                reference_is=reference_is,
            )
        )
    return {"finetune": [*entries, _replay()]}


def _envs() -> VectorEnv:
    short = f"env.episode_steps={STEPS}"
    task = task_config("metaworld-reach", f"env.view.points={POINTS}", short)
    return VectorEnv(task, Shapes(ENVS, 2, 8), workers=0)


def _pace(algorithm: str, denoiser: str) -> Pace:
    """Time a rollout of the search, then an iteration with as much learning as any has."""
    usual = compose_part(FinetuneConfig, "finetune", algorithm)
    changes = ["evaluate_every=0", f"initial_limit={2 * ENVS}", *UPDATES[algorithm]]
    overrides = [f"finetune.{change}" for change in changes]
    config = compose_part(FinetuneConfig, "finetune", algorithm, overrides)
    planner = make_for_reach(denoiser).eval()
    trainer = Trainer(planner, _envs(), config, seed=0, success_at="end")
    taken = []
    for _ in range(3):
        start = time.process_time()
        trainer.iterate()
        taken.append(time.process_time() - start)
    return Pace(taken[1], taken[2], usual.initial_limit)


def _replay() -> Entry:
    """Measure what a million decisions add to a process of their own."""
    apart = Apart(Fill)
    before = apart.megabytes()
    apart()
    taken = apart.megabytes() - before
    apart.close()
    return entry(
        "replay of 1,000,000 decisions of reach, 7 plans each: memory of the process",
        ours=taken,
        reference=MILLION * 2 * POINTS * 3 * 4 / 1e6,
        unit="MB",
        reference_is=f"the two clouds of {POINTS} points of each decision alone, reckoned",
    )


class Fill:
    """Fills a replay with copies of a rollout's decisions, as many as it holds."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        config = compose_part(FinetuneConfig, "finetune", "q_guided")
        trainer = Trainer(make_for_reach("mlp").eval(), _envs(), config, seed=0, success_at="end")
        decide = trainer.algorithm.decide(explore=True)
        rollout = roll_out(
            trainer.planner, _envs(), list(range(ENVS)), success_at="end", decide=decide
        )
        self._decided, self._decisions = Decided.of(rollout), Decisions(MILLION)

    def __call__(self) -> None:
        """Add them."""
        while len(self._decisions) < MILLION:
            self._decisions.add(self._decided)
