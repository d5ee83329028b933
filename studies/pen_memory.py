"""Measure whether fine-tuning has memorised its target buffer: `python -m studies.pen_memory`.

The cloning loss of Eq. 14 on the successes in the target buffer, the oldest and the newest, beside
that on successes of episodes never learned from. Needs the finished runs named below; writes
`results/pen-repetition/memory.json`, in some minutes.
"""

import json
from collections.abc import Iterator, Sequence

import torch

from configs.command import compose
from datasets.behaviours.training_state import load_state
from envs.seeding import derive_seed
from policy.finetuning.algorithms import sodp
from policy.finetuning.buffers import TargetBuffer
from policy.finetuning.experience import Chunks
from policy.finetuning.states import as_written_now
from policy.pipeline.config import TrainConfig
from policy.planner.planner import FirstPlan, Planner
from policy.reports.result import ROOT
from policy.rollouts.loading import make_envs
from policy.rollouts.rollout import roll_out
from studies.probes import planner_of

RUNS = tuple(f"pen-repetition/adroit-pen/two_steps/seed{seed}" for seed in (0, 1))
EPISODES, SIDE_BY_SIDE, BATCH, BATCHES = 300, 20, 256, 32


def main() -> None:
    """Measure each run."""
    torch.set_num_threads(1)
    config = compose(TrainConfig, "train", ["env=adroit-pen", "env.view.points=256"])
    report = {
        "command": "python -m studies.pen_memory",
        "episodes": EPISODES,
        "runs": {run: losses(run, config) for run in RUNS},
    }
    path = ROOT / "results" / "pen-repetition" / "memory.json"
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def losses(run: str, config: TrainConfig) -> dict[str, object]:
    """Give the losses of one run."""
    path = ROOT / "outputs" / run / "checkpoints" / "finetune-state.pt"
    planner = planner_of(run, "finetune")
    buffer = TargetBuffer(config.recipe.finetune.target_capacity, config.recipe.finetune.target_top)
    buffer.load(as_written_now(load_state(path) or {})["algorithm"]["target"])
    kept = [episode.chunks for episode in buffer.episodes if episode.success]
    tenth = max(len(kept) // 10, 1)
    new = list(successes(planner, config))
    return {
        "successes_kept": len(kept),
        "successes_new": len(new),
        "loss_oldest_tenth": cloning_loss(planner, kept[:tenth]),
        "loss_all": cloning_loss(planner, kept),
        "loss_newest_tenth": cloning_loss(planner, kept[-tenth:]),
        "loss_new": cloning_loss(planner, new),
    }


def successes(planner: Planner, config: TrainConfig) -> Iterator[Chunks]:
    """Play fresh episodes as when exploring; give those that succeed."""
    envs = make_envs(config.task.config, planner, envs=SIDE_BY_SIDE, workers=config.machine.workers)
    assert isinstance(config.recipe.finetune.algorithm, sodp.Config)
    min_std = config.recipe.finetune.algorithm.minibatch.min_std
    for first in range(0, EPISODES, SIDE_BY_SIDE):
        seeds = [derive_seed("remembered", 0, first + env) for env in range(SIDE_BY_SIDE)]
        rollout = roll_out(
            planner,
            envs,
            seeds,
            success_at=config.task.config.success_at,
            decide=FirstPlan(planner, min_std),
        )
        yield from (
            Chunks.of(rollout, int(env)) for env in rollout.episodes.successes.nonzero()[:, 0]
        )
    envs.close()


@torch.no_grad()
def cloning_loss(planner: Planner, episodes: Sequence[Chunks]) -> float:
    """Average Eq. 14 over chunks and denoising steps."""
    chunks, generator = Chunks.join(episodes), torch.Generator().manual_seed(0)
    losses = []
    for _ in range(BATCHES):
        drawn = torch.randint(len(chunks.plans), (BATCH,), generator=generator)
        part = chunks.contexts[drawn], chunks.plans[drawn]
        losses.append(planner.denoising_loss(*part, generator))
    return round(torch.stack(losses).mean().item(), 5)


if __name__ == "__main__":
    main()
