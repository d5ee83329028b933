"""Measure one card, or a tiny likeness on the CPU, and write one JSON file: make gpu.

    python tests/benchmarks/gpu/run.py [device=auto|cuda|cpu] [seconds=165] [out=FILE] [only=TEXT]

Every part stands alone: one that fails leaves its error in the file. After `seconds` the process
ends wherever it is, with what was found until then.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[3])

import logging
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, cast

from perception.errors import InputError
from policy.reports.result import ROOT
from policy.runs.device import DeviceName, prepare
from tests.benchmarks.gpu import correctness, latency, speed, waiting
from tests.benchmarks.gpu.bench import Bench, Report, describe

DEFAULTS = {"device": "auto", "seconds": "165", "out": "", "only": ""}
PRECISIONS = ("float32", "bfloat16")
LAST = 3.0  # Seconds before the end at which no part begins any more.


def main(arguments: Sequence[str]) -> int:
    """Run every part that there is time for; exit code 1 if any failed."""
    start = time.monotonic()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options = read(arguments)
    device = prepare(cast(DeviceName, options["device"]), threads=0)
    about = describe(device, shlex.join(["python", "tests/benchmarks/gpu/run.py", *arguments]))
    card = about["card"].lower().replace(" ", "-").replace("/", "-")
    path = Path(options["out"] or ROOT / "results" / "gpu" / f"{card}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    seconds = float(options["seconds"])
    bench, report = Bench(device, start + seconds - LAST), Report(path, about, seconds)
    for name, needs, part in parts(bench):
        if options["only"] not in name:
            continue
        if bench.left < (needs if bench.on_card else 0):
            report.skip(name, f"{max(bench.left, 0):.0f} s were left, it needs about {needs}")
        else:
            report.add(name, part)
    report.close()
    logging.info("%s", path)
    if report.failed:
        logging.error("failed: %s", ", ".join(report.failed))
    return bool(report.failed)


def read(arguments: Sequence[str]) -> dict[str, str]:
    """Read `key=value`.

    Raises:
        InputError: A key or a value makes no sense.
    """
    options = dict(DEFAULTS)
    for argument in arguments:
        key, _, value = argument.partition("=")
        if key not in options or not value:
            raise InputError(f"{argument}: give {', '.join(f'{k}=' for k in DEFAULTS)}")
        options[key] = value
    if options["device"] not in ("auto", "cpu", "cuda"):
        raise InputError(f"device={options['device']}: choose auto, cpu or cuda")
    try:
        float(options["seconds"])
    except ValueError:
        raise InputError(f"seconds={options['seconds']} is no number") from None
    return options


def parts(bench: Bench) -> Iterator[tuple[str, float, Callable[[], Any]]]:
    """List the parts by name, each with the seconds that it may need; what matters most first."""
    yield "correctness: encoder", 5, partial(correctness.encoder, bench)
    for name, task in (
        ("unet-simple", "adroit-door"),
        ("mlp", "adroit-door"),
        ("mixer", "metaworld"),
    ):
        yield f"correctness: {name}", 3, partial(correctness.denoiser, bench, name, task)
    yield (
        "correctness: unet-simple, 12 steps",
        3,
        partial(correctness.denoiser, bench, "unet-simple", "metaworld"),
    )
    yield "correctness: losses", 5, partial(correctness.losses, bench)
    yield "correctness: log-probability", 5, partial(correctness.probability, bench)
    for backend in ("torch", "pytorch3d"):
        yield f"correctness: FPS by {backend}", 3, partial(correctness.sampling, bench, backend)
    yield "waits: pre-training", 3, partial(waiting.pretraining, bench)
    for algorithm in ("ppo_bc", "q_guided"):
        yield f"waits: {algorithm}", 5, partial(waiting.finetuning, bench, algorithm)
    yield from _speeds(bench)
    yield from _latencies(bench)


def _speeds(bench: Bench) -> Iterator[tuple[str, float, Callable[[], Any]]]:
    for precision in PRECISIONS:
        name = f"pre-training: unet-simple, {precision}"
        yield name, 5, partial(speed.pretraining, bench, "unet-simple", precision)
    for algorithm in ("ppo_bc", "q_guided"):
        yield f"fine-tuning: {algorithm}, float32", 8, partial(speed.finetuning, bench, algorithm)
    for name, precision, tf32 in (
        ("unet-simple", "float32", True),
        ("mixer", "float32", False),
        ("mixer", "bfloat16", False),
        ("unet-dp3", "float32", False),
        ("unet-dp3", "bfloat16", False),
    ):
        whole = f"pre-training: {name}, {precision}{', TF32' if tf32 else ''}"
        yield whole, 6, partial(speed.pretraining, bench, name, precision, tf32=tf32)


def _latencies(bench: Bench) -> Iterator[tuple[str, float, Callable[[], Any]]]:
    choices = (("unet-simple", 10), ("unet-simple", 2), ("mixer", 2), ("mixer", 10))
    for way, needs, measure in (("eager", 4, latency.eager), ("compiled", 30, latency.compiled)):
        for name, steps in choices if way == "eager" else choices[:3]:

            def part(measure: Any = measure, name: str = name, steps: int = steps) -> Any:  # noqa: ANN401
                return measure(bench, latency.planner_with(bench, name, steps))

            yield f"latency: {name}, {steps} steps, {way}", needs, part


if __name__ == "__main__":
    try:
        code = main(sys.argv[1:])
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        code = 2
    sys.exit(code)
