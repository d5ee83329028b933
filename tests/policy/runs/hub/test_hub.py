"""A run and a store go to the Hub and come back; what the Hub refuses is one line."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from configs.command import compose
from perception.errors import InputError
from policy.runs.hub_transfer import HubConfig, pull, push, transfer
from tests.datasets.test_collect import assert_equal
from tests.policy.runs.hub.stand_in import TOKEN, Hub, standing_in

hub_library = pytest.importorskip("huggingface_hub")  # The extra `hub`.

VIEW = {
    "cameras": ["top"], "points": 512, "colour": False,
    "crop_low": [-1.0, -1.0, 0.001], "crop_high": [1.0, 1.0, 1.5],
}  # fmt: skip


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with standing_in() as stand_in:
        monkeypatch.setenv("HF_ENDPOINT", stand_in.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield stand_in


def made_run(folder: Path) -> Path:
    """Write what a finished run leaves, with what is not for others among it."""
    config = {
        "about": {"task": "adroit-door", "seed": 0, "env": {"view": VIEW}},
        "planner": {"kind": "dp3", "encoder": {"kind": "dp3"}, "denoiser": {"kind": "mixer"}},
    }
    judged = {
        "success_rate": 0.94,
        "wilson_95": [0.875, 0.972],
        "successes": [True] * 94 + [False] * 6,
    }
    texts = {
        "config.yaml": yaml.safe_dump(config), "evaluation.json": json.dumps({"pretrain": judged}),
        "pretrain.jsonl": "{}\n", "report.html": "<html>", ".seed0.lock": "", "README.md": "mine",
    }  # fmt: skip
    (folder / "checkpoints").mkdir(parents=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "checkpoints/pretrain.safetensors").write_bytes(bytes(range(256)) * 9)
    (folder / "checkpoints/pretrain-state.pt").write_bytes(b"what goes on")
    return folder


def test_a_run_goes_to_the_hub_and_comes_back(hub: Hub, tmp_path: Path) -> None:
    run = made_run(tmp_path / "run")
    push(run, "somebody/door", private=True)
    files = hub.repos["models", "somebody/door"]
    kept = ["config.yaml", "evaluation.json", "report.html", "pretrain.jsonl"]
    planner = "checkpoints/pretrain.safetensors"
    assert sorted(files) == sorted([*kept, planner, "README.md"])
    card = files["README.md"].decode()
    for fact in (
        "| task | adroit-door |",
        "| sees | 512 points of the cameras top |",
        "| success, pretrain | 94.0% of 100 episodes (95 % interval 87.5% to 97.2%) |",
        "| encoder, denoiser | dp3, mixer |",
        "python policy/runs/hub.py pull=somebody/door to=outputs/door",
    ):
        assert fact in card
    assert yaml.safe_load(card.split("---")[1])["pipeline_tag"] == "robotics"
    pull("somebody/door", tmp_path / "back", "main")
    for name in (*kept, planner):
        assert (tmp_path / "back" / name).read_bytes() == (run / name).read_bytes()
    there = {path.name for path in (tmp_path / "back").iterdir()}
    assert there == {*kept, "checkpoints", "README.md"}
    assert (run / "README.md").read_text() == "mine"


def test_a_store_goes_to_the_hub_and_comes_back(hub: Hub, tiny_store: Path, tmp_path: Path) -> None:
    push(tiny_store, "somebody/episodes", private=False)
    card = hub.repos["datasets", "somebody/episodes"]["README.md"].decode()
    assert "| task | adroit-door |" in card
    assert "`action` (step, 28) float32" in card
    pull("somebody/episodes", tmp_path / "back.zarr", "main")
    assert_equal(tiny_store, tmp_path / "back.zarr")
    assert hub.commits == 1
    files = hub.repos["datasets", "somebody/episodes"]
    files.update({"data/reward/9": b"of a longer store", "LICENSE": b"theirs"})
    push(tiny_store, "somebody/episodes", private=False)
    assert "data/reward/9" not in files
    assert files["LICENSE"] == b"theirs"


def test_what_is_pulled_has_its_name_once_it_is_whole(hub: Hub, tmp_path: Path) -> None:
    hub.repos["models", "somebody/notes"] = {"README.md": b"no planner"}
    with pytest.raises(InputError, match="holds neither a store nor the planner of a run"):
        pull("somebody/notes", tmp_path / "to", "main")
    assert not (tmp_path / "to").exists()
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(InputError, match="taken exists and is left alone"):
        pull("somebody/notes", tmp_path / "taken", "main")


def test_what_the_hub_refuses_is_said(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="somebody/none: there is no such repository"):
        pull("somebody/none", tmp_path / "to", "main")
    run = made_run(tmp_path / "run")
    with pytest.raises(InputError, match="a b is no name of a repository: it is user/name"):
        push(run, "a b", private=True)
    monkeypatch.setenv("HF_TOKEN", "another")
    with pytest.raises(InputError, match=r"the Hub refuses: log in \(hf auth login, or HF_TOKEN\)"):
        push(run, "somebody/door", private=True)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(InputError, match="the Hub cannot be reached: see the network"):
        pull("somebody/door", tmp_path / "to", "main")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((), r"say push=FOLDER repo=user/name, or pull=user/name to=FOLDER"),
        (("push=none",), "say push=FOLDER repo=user/name"),
        (("push=none", "repo=a/b"), "There is no folder none"),
    ],
)
def test_what_is_asked_for_must_be_whole(given: tuple[str, ...], said: str) -> None:
    with pytest.raises(InputError, match=said):
        transfer(compose(HubConfig, "hub", [*given]))


def test_what_is_no_run_is_not_pushed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no config\.yaml: it is no run"):
        push(tmp_path, "a/b", private=True)
    run = made_run(tmp_path / "run")
    (run / "checkpoints/pretrain.safetensors").unlink()
    with pytest.raises(InputError, match="holds no finished planner"):
        push(run, "a/b", private=True)


def test_the_extra_is_named_where_it_is_missing(
    tiny_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r"huggingface_hub is missing; run: pip install -e"):
        push(tiny_store, "a/b", private=True)
