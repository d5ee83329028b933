"""Gradient steps a second and peak memory, of pre-training and of fine-tuning adroit-door."""

import statistics
from collections.abc import Callable
from typing import Any

import torch

from policy.pretraining.learner import Learner
from tests.benchmarks.gpu import made_up
from tests.benchmarks.gpu.bench import Bench


def pretraining(bench: Bench, denoiser: str, precision: str, *, tf32: bool = False) -> Any:  # noqa: ANN401
    """Take whole optimiser steps: windows, encoder, denoiser, Adam, moving average."""
    given = [f"pretrain.precision={precision}"]
    given += [f"denoiser={denoiser}"] if bench.on_card else []
    of = made_up.recipe(bench, *given)
    planner = made_up.planner_of(bench, of)
    windows = made_up.windows(bench, of, bench.size(10_000, 100)).to(bench.device)
    learner = Learner(planner, of.pretrain, 0)
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = tf32
    try:
        taken = _per_call(bench, lambda: learner.update(windows))
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
    return {
        "steps_per_s": round(1 / taken["seconds"], 2),
        "ms_per_step": round(1000 * taken["seconds"], 3),
        **taken,
        "batch": of.pretrain.batch,
        "parameters": sum(w.numel() for w in planner.parameters()),
        "final_loss": learner.update(windows)[0].item(),
        "data": made_up.MADE_OF,
    }


def finetuning(bench: Bench, algorithm: str, *overrides: str) -> Any:  # noqa: ANN401
    """Update after ten episodes, as fine-tuning does, from a full buffer."""
    of = made_up.recipe(bench, f"finetune={algorithm}", *overrides)
    planner = made_up.planner_of(bench, of)
    learning = made_up.algorithm_of(bench, of, planner)
    episodes = bench.size(10, 1)
    before = learning.gradient_steps
    learning.update(episodes, of.finetune.learning_rate)
    steps = learning.gradient_steps - before
    taken = _per_call(
        bench,
        lambda: learning.update(episodes, of.finetune.learning_rate),
        warm_up=0,
        batches=bench.size(5, 1),
        calls=1,
    )
    return {
        "updates_per_s": round(1 / taken["seconds"], 3),
        "planner_steps_per_s": round(steps / taken["seconds"], 1),
        "planner_steps_per_update": steps,
        "episodes_per_update": episodes,
        **taken,
        "data": made_up.MADE_OF,
    }


def _per_call(
    bench: Bench,
    call: Callable[[], object],
    *,
    warm_up: int = 10,
    batches: int = 7,
    calls: int = 15,
) -> dict[str, Any]:
    """Give the median seconds of a call over batches of them, their spread, and peak memory."""
    tiny = not bench.on_card
    for _ in range(min(warm_up, 1) if tiny else warm_up):
        call()
    if bench.on_card:
        torch.cuda.reset_peak_memory_stats()
    calls, batches = (1, 2) if tiny else (calls, batches)

    def some() -> None:
        for _ in range(calls):
            call()

    times = [bench.seconds(some) / calls for _ in range(batches)]
    peak = torch.cuda.max_memory_allocated() if bench.on_card else None
    spread = [round(min(times), 6), round(max(times), 6)]
    return {
        "seconds": statistics.median(times),
        "least_and_most": spread,
        "batches_of_calls": [batches, calls],
        "peak_memory_mb": None if peak is None else round(peak / 1e6, 1),
    }
