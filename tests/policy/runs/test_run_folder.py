"""The files of a run: whole, valid, and named in words where they are damaged."""

import errno
import json
import math
from pathlib import Path

import pytest

from configs.stopping import StoppedError
from perception.errors import InputError
from policy.runs.json_files import read_json, write_json
from policy.runs.memory import names_memory
from policy.runs.metrics import read_metrics
from policy.runs.newest import given_or_newest
from policy.runs.run import Run, has_begun, leave_no_trace, read_config, stops

CONFIG = {"about": {"task": "adroit-door", "seed": 0}}


def begun(path: Path) -> Run:
    run = Run(path, CONFIG)
    run.save("pretrain", {"step": 7})
    return run


@pytest.mark.parametrize("left", ["", "\0\0\0\0"])
def test_an_empty_configuration_that_a_full_disk_left_is_written_anew(
    tmp_path: Path, left: str
) -> None:
    (tmp_path / "config.yaml").write_text(left)
    Run(tmp_path, CONFIG)
    assert read_config(tmp_path) == CONFIG


@pytest.mark.parametrize("left", [b"", b"about: {task: [", b"\xff\xfe", b"- a list", b"words"])
def test_a_damaged_configuration_is_named_where_something_was_learned(
    tmp_path: Path, left: bytes
) -> None:
    begun(tmp_path)
    (tmp_path / "config.yaml").write_bytes(left)
    with pytest.raises(InputError, match=r"config\.yaml is .*: restore it from a copy, or delete"):
        Run(tmp_path, CONFIG)
    (tmp_path / "config.yaml").unlink()
    Run(tmp_path, CONFIG)


def test_a_refused_try_leaves_no_trace_and_a_run_stays(tmp_path: Path) -> None:
    tried, kept = tmp_path / "tried", tmp_path / "kept"
    Run(tried, CONFIG).metrics("pretrain", 0).close()
    leave_no_trace(tried)
    assert not tried.exists()
    begun(kept)
    leave_no_trace(kept)
    assert has_begun(kept, "pretrain")
    assert not has_begun(kept, "finetune")


def test_metrics_are_valid_json_and_survive_damage(tmp_path: Path) -> None:
    run = Run(tmp_path, CONFIG)
    metrics = run.metrics("pretrain", 0)
    for step in range(1, 6):
        metrics.write(step, {"loss": math.nan if step == 2 else step / 2})
    metrics.close()
    path = tmp_path / "pretrain.jsonl"
    lines = path.read_text().splitlines()
    assert json.loads(lines[1], parse_constant=pytest.fail) == {"step": 2, "loss": None}
    path.write_text("\n".join([lines[0], lines[1][:9], *lines[2:], '{"step": 6, "lo']))
    assert [line["step"] for line in read_metrics(path)] == [1, 3, 4, 5]
    run.metrics("pretrain", 4).close()
    assert [line["step"] for line in read_metrics(path)] == [1, 3, 4]
    assert len(list((tmp_path / "tensorboard" / "pretrain").iterdir())) == 2


def test_metrics_are_not_touched_where_nothing_is_to_forget(tmp_path: Path) -> None:
    run = Run(tmp_path, CONFIG)
    metrics = run.metrics("pretrain", 0)
    metrics.write(1, {"loss": 0.1})
    metrics.close()
    before = (tmp_path / "pretrain.jsonl").stat().st_ino
    run.metrics("pretrain", 1).close()
    assert (tmp_path / "pretrain.jsonl").stat().st_ino == before


def test_tensorboard_reads_what_was_written(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = Run(tmp_path, CONFIG)
    for step in (0, 2):  # Stopped after step 2, and 3 was not saved.
        metrics = run.metrics("pretrain", step)
        for number in range(step + 1, step + 4):
            metrics.write(number, {"loss": number / 2 + step})
        metrics.close()
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard" / "pretrain")).Reload()
    scalars = [(scalar.step, scalar.value) for scalar in events.Scalars("loss")]
    assert scalars == [(1, 0.5), (2, 1.0), (3, 3.5), (4, 4.0), (5, 4.5)]


def test_a_full_disk_names_the_last_good_state(tmp_path: Path) -> None:
    run = begun(tmp_path)
    words = r"No space left.*pretrain\.jsonl.*pretrain-state\.pt, after step 7.*same command"
    with pytest.raises(InputError, match=words), run.writing("pretrain"):
        raise OSError(errno.ENOSPC, "No space left on device", "pretrain.jsonl")
    with pytest.raises(FileNotFoundError), run.writing("pretrain"):
        raise FileNotFoundError(errno.ENOENT, "not a full disk")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] . DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
)
def test_out_of_memory_is_named_with_what_to_lower(error: Exception) -> None:
    words = "Memory ran out while fine-tuning: give fewer envs="
    with pytest.raises(InputError, match=words), names_memory("fine-tuning", "give fewer envs="):
        raise error
    with pytest.raises(RuntimeError, match="a fault"), names_memory("fine-tuning", ""):
        raise RuntimeError("a fault of the program")


@pytest.mark.parametrize("left", [b"", b"{", b"\xff", b"[" * 100_000])
def test_damaged_json_is_named(tmp_path: Path, left: bytes) -> None:
    (tmp_path / "a.json").write_bytes(left)
    with pytest.raises(InputError, match=r"a\.json is no JSON, or is cut off"):
        read_json(tmp_path / "a.json")


def test_what_is_not_finite_is_null(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": (1.5, math.inf), "b": {"c": math.nan}})
    assert read_json(tmp_path / "a.json") == {"a": [1.5, None], "b": {"c": None}}


def test_the_newest_run_is_taken_where_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no finished planner under outputs/: train first"):
        given_or_newest(None)
    for name in ("old", "deep/er/new"):
        folder = tmp_path / "outputs" / name / "checkpoints"
        folder.mkdir(parents=True)
        (folder / "pretrain.safetensors").write_bytes(b"")
    with caplog.at_level("INFO"):
        assert given_or_newest(None) == Path("outputs/deep/er/new")
    assert "checkpoint=outputs/deep/er/new, the newest run" in caplog.text
    assert given_or_newest(Path("x")) == Path("x")


def test_ctrl_c_ends_in_one_line_where_nothing_is_to_be_saved() -> None:
    told = "stopped while drawing; the same command"
    with pytest.raises(StoppedError, match=told), stops("while drawing"):
        raise KeyboardInterrupt
