"""The measurements of a GPU run without one, at tiny sizes, and survive a part that fails."""

import json
from math import inf
from pathlib import Path

import torch

from tests.benchmarks.gpu import correctness, speed, waiting
from tests.benchmarks.gpu.bench import Bench, Report, describe
from tests.benchmarks.gpu.correctness import compared
from tests.helpers.commands import refuse, succeed

SCRIPT = "tests/benchmarks/gpu/run.py"
NAMING = {"card", "driver", "torch", "command", "parts"}


def test_it_measures_on_the_cpu_at_tiny_sizes(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "cpu.json"
    succeed(SCRIPT, "device=cpu", f"out={out}", "only=mixer, 2 steps, eager")
    found = json.loads(out.read_text(encoding="utf-8"))
    assert found.keys() >= NAMING
    assert found["card"] == "cpu"
    (part,) = found["parts"].values()
    assert part["found"]["eager"]["passed"]


def test_every_kind_of_part_runs_on_the_cpu() -> None:
    bench = Bench(torch.device("cpu"), inf)
    assert correctness.denoiser(bench, "mixer", "metaworld")["gradients"]["passed"]
    assert speed.pretraining(bench, "mixer", "float32")["steps_per_s"] > 0
    assert waiting.pretraining(bench)["waits"] >= 0


def test_a_key_it_does_not_know_is_refused_in_a_line(tmp_path: Path) -> None:
    assert "device=" in refuse(SCRIPT, "devise=cpu")
    assert "is no number" in refuse(SCRIPT, "seconds=soon", f"out={tmp_path / 'x.json'}")


def test_a_part_that_fails_leaves_its_error_and_the_rest_goes_on(tmp_path: Path) -> None:
    device = torch.device("cpu")
    report = Report(tmp_path / "found.json", describe(device, "make gpu"), 60)
    report.add("broken", lambda: 1 / 0)
    far = compared([torch.ones(3)], [torch.zeros(3) + 0.9], 1e-5)
    report.add("wrong", lambda: {"value": far})
    report.add("whole", lambda: {"value": compared([torch.ones(3)], [torch.ones(3)], 1e-5)})
    report.close()
    parts = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))["parts"]
    assert "ZeroDivisionError" in parts["broken"]["found"]["error"]
    assert report.failed == ["broken", "wrong"]
