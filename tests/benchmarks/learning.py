"""How fast training, inference and fine-tuning are, beside the plain way of doing them.

The plain way: Torch in eager mode, float32: PointNet over all points forward and backward,
nn.Conv1d, every film and every encoding computed anew at each denoising step, one thread.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from configs.command import compose_part
from datasets.windows import Batch, load_windows
from envs.vector.vector_env import Shapes, VectorEnv
from perception.observation import Observation
from policy.planner.denoisers.mixer import Config as MixerConfig
from policy.planner.planner import FirstPlan
from policy.pretraining.config import PretrainConfig
from policy.pretraining.learner import Learner
from policy.rollouts.rollout import roll_out
from policy.runs.device import keep_memory
from tests.benchmarks.planners import PLAIN, make_plain, make_planner
from tests.benchmarks.timing import Apart, Entry, entry, seconds
from tests.conftest import task_config


def make_batch(size: int, points: int, data: Path) -> Batch:
    """Take real windows from a store."""
    windows = load_windows([data], history=2, horizon=4, chunk=3)
    batch = windows[
        torch.randint(len(windows), (size,), generator=torch.Generator().manual_seed(0))
    ]
    seen = Observation(batch.observations.points[:, :, :points], batch.observations.robot_state)
    return Batch(seen, batch.actions)


def benchmark(data: Path) -> dict[str, list[Entry]]:
    """Measure training steps, inference and fine-tuning rollouts."""
    torch.set_num_threads(1)
    found = _training(data)
    found["inference"] = _inference(data)
    found["finetune_env_steps"] = _rollouts()
    return found


def _training(data: Path) -> dict[str, list[Entry]]:
    """A whole optimiser step, batch 256, exact and in bfloat16, each in a process of its own.

    The plain way twice: in an ordinary process, and with memory kept as `keep_memory` keeps it.
    """
    sides = {
        "float32": Apart(partial(_our_step, data, "float32")),
        "bfloat16": Apart(partial(_our_step, data, "bfloat16")),
        PLAIN: Apart(partial(_plain_step, data, keep=False)),
        f"{PLAIN}, memory kept": Apart(partial(_plain_step, data, keep=True)),
    }
    times = seconds(sides, rounds=7, warm_up=9)
    for side in sides.values():
        side.close()
    names = {"train_step_exact": "float32", "train_step_bf16": "bfloat16"}
    return {
        name: [
            entry(
                f"Simple DP3 with encoder, batch 256, 2 x 512 points, {precision}",
                ours=1e3 * times[precision],
                reference=1e3 * times[reference],
                unit="ms per optimiser step",
                reference_is=reference,
            )
            for reference in sides
            if reference.startswith(PLAIN)
        ]
        for name, precision in names.items()
    }


def _our_step(data: Path, precision: Literal["float32", "bfloat16"]) -> Callable[[], object]:
    torch.set_num_threads(1)
    keep_memory()
    windows: Any = _Always(make_batch(256, 512, data))
    learner = Learner(make_planner(), PretrainConfig(1, 256, 1e-4, None, False, precision, 1, 1), 0)
    return lambda: learner.update(windows)


def _plain_step(data: Path, *, keep: bool) -> Callable[[], object]:
    torch.set_num_threads(1)
    if keep:
        keep_memory()
    batch, plain = make_batch(256, 512, data), make_plain(make_planner())
    optimizer = torch.optim.Adam(plain.parameters(), 1e-4)

    def step() -> None:
        loss = plain.loss(batch, plain.draw(256))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


class _Always:
    """Windows that always give one batch."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self.rows = torch.zeros(1)

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: Tensor) -> Batch:
        return self._batch


def _inference(data: Path) -> list[Entry]:
    """Ten DDIM steps and the encoding, for one observation and for ten."""
    planner = make_planner().eval()
    plain = make_plain(planner).eval()
    mixer = make_planner(compose_part(MixerConfig, "denoiser", "mixer"), 2).eval()
    found = []
    for size in (1, 10):
        batch = make_batch(size, 512, data)
        noises = planner.noises([torch.Generator().manual_seed(i) for i in range(size)])

        @torch.no_grad()
        def plan(batch: Batch = batch, noises: Tensor = noises) -> Tensor:
            return planner.sample(planner.encode(batch.observations), noises).plan

        @torch.no_grad()
        def plan_in_two(batch: Batch = batch, noises: Tensor = noises) -> Tensor:
            return mixer.sample(mixer.encode(batch.observations), noises[:, :3]).plan

        @torch.no_grad()
        def plan_plainly(batch: Batch = batch, noises: Tensor = noises) -> Tensor:
            context, noisy = plain.encode(batch.observations), noises[:, 0]
            for position in range(10):
                index = torch.full((len(noisy),), position)
                step = plain.step(noisy, index, context, min_std=0.0)
                noisy = step.mean + step.std * noises[:, position + 1]
            return noisy

        with planner.denoiser.fixed_weights():
            difference = (plan() - plan_plainly()).abs().max().item()
            if difference > 1e-4:
                raise AssertionError(f"The outputs differ by {difference}")
            times = seconds({"ours": plan, "plain": plan_plainly}, rounds=15, calls=5)
        in_two = seconds({"mixer": plan_in_two, "plain": plan_plainly}, rounds=15, calls=5)
        found.append(
            entry(
                f"encode and denoise in ten steps, batch {size}",
                ours=1e3 * times["ours"],
                reference=1e3 * times["plain"],
                unit="ms",
                reference_is=f"{PLAIN}; equal weights, outputs equal to 1e-4",
            )
        )
        found.append(
            entry(
                f"encode and denoise in two steps by the mixer, batch {size}",
                ours=1e3 * in_two["mixer"],
                reference=1e3 * in_two["plain"],
                unit="ms",
                reference_is=f"Simple DP3's U-Net in ten steps, {PLAIN}; another network",
            )
        )
    return found


def _rollouts() -> list[Entry]:
    """Agent steps a second of online episodes, drawing only what is read, against drawing all."""
    config = task_config("adroit-door", "env.episode_steps=30")
    planner = make_planner().eval()
    ours = VectorEnv(config, Shapes(envs=10, history=2, chunk=3), workers=0)
    plain = make_plain(planner)
    single = VectorEnv(config, Shapes(envs=1, history=2, chunk=1), workers=0)

    def one_by_one() -> None:
        """One episode at a time; every frame is drawn, each plan made for its chunk alone."""
        observations = single.reset([0])
        done = False
        generator = torch.Generator().manual_seed(0)
        while not done:
            seen = Observation(*(torch.from_numpy(a) for a in vars(observations).values()))
            with torch.no_grad():
                context = plain.encode(seen)
                chunk = plain.to_actions(plain.sample(context, plain.noises([generator])).plan)
            for action in chunk[0]:
                outcome = single.step(action[None, None].numpy())
                observations, done = outcome.observations, bool(outcome.done[0])
                if done:
                    break

    times = seconds(
        {
            "ours": lambda: roll_out(
                planner, ours, list(range(10)), success_at="end", decide=FirstPlan(planner, 0.1)
            ),
            "plain": one_by_one,
        },
        rounds=3,
    )
    return [
        entry(
            "adroit-door, ten episodes side by side, one core",
            ours=300 / times["ours"],
            reference=30 / times["plain"],
            unit="agent steps/s",
            reference_is="one episode at a time, every frame drawn and plain planner",
        )
    ]
