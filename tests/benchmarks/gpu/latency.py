"""How long a whole plan takes at batch 1: encoding and all denoising steps, from card to card."""

import statistics
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from policy.planner.planner import Planner
from tests.benchmarks.gpu import made_up
from tests.benchmarks.gpu.bench import Bench

AGREE = 1e-3  # The largest difference of a plan's numbers, which lie in [-1, 1].
CALLS = 300


def eager(bench: Bench, planner: Planner) -> dict[str, Any]:
    """As it is, and captured as one CUDA graph."""
    with planner.fixed_weights():
        plan = _planning(bench, planner)
        reference = plan().clone()
        return {"eager": _timed(bench, plan, reference), **_graph(bench, plan, reference)}


def compiled(bench: Bench, planner: Planner) -> dict[str, Any]:
    """Encoder and denoiser compiled, once for all steps; the same in a CUDA graph."""
    backend = "inductor" if bench.on_card else "eager"
    with planner.fixed_weights():
        reference = _planning(bench, planner)().clone()
        encode = torch.compile(planner.encoder.forward, backend=backend, dynamic=False)
        denoise = torch.compile(planner.denoiser.denoise, backend=backend, dynamic=False)
        vars(planner.encoder)["forward"], vars(planner.denoiser)["denoise"] = encode, denoise
        try:
            plan = _planning(bench, planner)
            first = bench.seconds(plan)
            found = {"first call, s": round(first, 2), "backend": backend}
            found["compiled"] = _timed(bench, plan, reference)
            return {**found, **_graph(bench, plan, reference)}
        finally:
            del planner.encoder.forward, planner.denoiser.denoise


def planner_with(bench: Bench, denoiser: str, steps: int) -> Planner:
    """Make a planner that takes so many denoising steps."""
    given = [f"planner.sampling_steps={steps}"]
    given += [f"denoiser={denoiser}"] if bench.on_card else []
    return made_up.planner_of(bench, made_up.recipe(bench, *given)).eval()


def _planning(bench: Bench, planner: Planner) -> Callable[[], Tensor]:
    torch.manual_seed(0)  # The same for every way of planning.
    seen = made_up.observations(bench, 1, planner.config.history)
    seen = seen.each(lambda part: part.to(bench.device))
    noises = planner.noises([torch.Generator().manual_seed(0)])

    @torch.no_grad()
    def plan() -> Tensor:
        return planner.sample(planner.encode(seen), noises).plan

    return plan


def _graph(bench: Bench, plan: Callable[[], Tensor], reference: Tensor) -> dict[str, Any]:
    """Capture a plan and replay it."""
    if not bench.on_card:
        return {"CUDA graph": {"skipped": "needs a card"}}
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            plan()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = plan()

    def replay() -> Tensor:
        graph.replay()
        return out

    return {"CUDA graph": _timed(bench, replay, reference)}


def _timed(bench: Bench, plan: Callable[[], Tensor], reference: Tensor) -> dict[str, Any]:
    """Give the median and tails of a call's milliseconds, and how far its plan is from eager's."""
    for _ in range(bench.size(20, 1)):
        plan()
    times = sorted(1000 * bench.seconds(plan) for _ in range(bench.size(CALLS, 3)))
    difference = (plan() - reference).abs().max().item()
    return {
        "median_ms": round(statistics.median(times), 4),
        "p05_p95_ms": [round(times[len(times) // 20], 4), round(times[-1 - len(times) // 20], 4)],
        "calls": len(times),
        "largest_difference": difference,
        "passed": difference <= AGREE,
    }
