"""How often the program waits for the card in a step: CUDA's own count, by the line that waits.

Without a card what would wait is counted as it is dispatched (`tests/helpers/reads.py`).
"""

import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from policy.pretraining.learner import Learner
from policy.reports.result import ROOT
from tests.benchmarks.gpu import made_up
from tests.benchmarks.gpu.bench import Bench
from tests.helpers.reads import Reads


def pretraining(bench: Bench) -> dict[str, Any]:
    """One step of pre-training."""
    of = made_up.recipe(bench)
    planner = made_up.planner_of(bench, of)
    windows = made_up.windows(bench, of, bench.size(10_000, 100)).to(bench.device)
    learner = Learner(planner, of.pretrain, 0)
    learner.update(windows)
    return {"steps": 1, **count(bench, lambda: learner.update(windows))}


def finetuning(bench: Bench, algorithm: str) -> dict[str, Any]:
    """One update of fine-tuning after ten episodes, all its gradient steps."""
    of = made_up.recipe(bench, f"finetune={algorithm}")
    planner = made_up.planner_of(bench, of)
    learning = made_up.algorithm_of(bench, of, planner)
    episodes, before = bench.size(10, 1), learning.gradient_steps
    learning.update(episodes, 1e-5)
    steps = learning.gradient_steps - before
    found = count(bench, lambda: learning.update(episodes, 1e-5))
    return {"planner_steps": steps, "per_planner_step": found["waits"] / max(steps, 1), **found}


def count(bench: Bench, call: Callable[[], object]) -> dict[str, Any]:
    """Count what waits in a call."""
    if not bench.on_card:
        with Reads() as reads:
            call()
        return {"waits": sum(reads.counts.values()), "where": dict(reads.counts), "by": "dispatch"}
    bench.wait()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            call()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    waits = [w for w in caught if "synchroniz" in str(w.message)]
    where = Counter(f"{_named(Path(w.filename))}:{w.lineno}" for w in waits)
    others = Counter(str(w.message)[:200] for w in caught if w not in waits)
    return {
        "waits": len(waits),
        "where": dict(where.most_common(20)),
        "by": "torch.cuda.set_sync_debug_mode",
        "other_warnings": dict(others.most_common(5)),
    }


def _named(source: Path) -> str:
    """Name a source file of this project or of a package, wherever these lie."""
    if source.is_relative_to(ROOT):
        return source.relative_to(ROOT).as_posix()
    return source.as_posix().rpartition("/site-packages/")[2]
