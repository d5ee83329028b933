"""What a user can get wrong: one line that says what and what to do, exit code 2, nothing lost."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr

from datasets.store.store import EpisodeStore
from policy.planner.checkpoint import save_planner
from tests.helpers.commands import refuse
from tests.helpers.small_planner import small_planner

TINY = ("env.episode_steps=12", "points=64", "workers=0", "episodes=1")


@pytest.fixture
def store(tiny_store: Path, tmp_path: Path) -> Path:
    """A copy of a store, to be spoilt."""
    return Path(shutil.copytree(tiny_store, tmp_path / "copy.zarr"))


def refused_training(data: Path, tmp_path: Path, *more: str) -> str:
    out = tmp_path / "run"
    line = refuse("policy/train.py", f"data={data}", f"out={out}", "stage=pretrain", *more)
    assert not (out / "checkpoints").exists()
    return line


def test_an_unknown_key_is_named_behind_one_that_has_no_default() -> None:
    said = refuse("datasets/summary.py", "data=data/none.zarr", "quality=good")
    assert "Unknown key quality; there are data, out" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["env=adroit-dor"], "env=adroit-dor is unknown; choose one of adroit, adroit-door"),
        (["behaviour=agnt"], "choose one of agent, expert, random, replay, scripted"),
        (["epsodes=3"], "Unknown key epsodes; there are env, behaviour, episodes"),
        (["env.view.pionts=3"], "Unknown key env.view.pionts; there are cameras, image_size"),
        (["episodes=many"], "episodes must be a whole number, not 'many'"),
        (["episodes=0"], "episodes must be at least 1"),
        (["points=-1"], "points must be between 0 and 1048576, not -1"),
        (["env.episode_steps=0"], "env.episode_steps must be between 1 and 100000, not 0"),
        (["seed=-1"], "seed must be"),
        (["cameras=[]"], "cameras=[] must name one at least, or points=64 be 0"),
        (["env.view.crop_low=[0,0,9]"], "must lie below env.view.crop_high"),
        (["error_mm=nan"], "error_mm must be a finite number, not nan"),
        (["behaviour.noise=[2,1]"], "behaviour.noise must rise"),
        (["zarr_format=4"], "zarr_format=4 is unknown; choose one of 2, 3"),
        (["env=metaworld", "env.task=dance"], "Meta-World has no task 'dance'"),
        (["cameras=[roof]"], "adroit-door has no camera 'roof'; choose from ['fixed'"),
        (["behaviour.path=nowhere.npz"], "There is no agent nowhere.npz; shipped are adroit-door"),
        (["env.view.sampling=magic"], "env.view.sampling=magic is unknown; choose one of auto"),
        (["launcher=pigeon"], "launcher=pigeon is unknown; choose one of process, ray"),
    ],
)
def test_collecting_refuses(arguments: list[str], message: str, tmp_path: Path) -> None:
    line = refuse("datasets/collect.py", *TINY, f"out={tmp_path / 's.zarr'}", *arguments)
    assert message in line
    assert not (tmp_path / "s.zarr").exists()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("planner.horizon=6", "planner.horizon=6 must be a multiple of 4"),
        ("planner.chunk=9", "planner.horizon=4 must be at least planner.history + planner.chunk"),
        ("planner.sampling_steps=3", "must divide planner.denoising_steps=100"),
        (
            "denoiser.groups=5",
            "denoiser.widths=[128, 256, 384] must be multiples of denoiser.groups",
        ),
    ],
)
def test_training_refuses_before_it_touches_a_folder(
    override: str, message: str, tiny_store: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    unet = "denoiser=unet-simple"
    line = refuse("policy/train.py", f"data={tiny_store}", f"out={out}", unet, override)
    assert message in line
    assert not out.exists()


def test_a_store_of_another_configuration_is_not_overwritten(store: Path) -> None:
    line = refuse("datasets/collect.py", *TINY, f"out={store}", "seed=5")
    assert "seed: 0 -> 5" in line
    assert EpisodeStore.open(store).episodes == 4


def test_a_missing_store(tmp_path: Path) -> None:
    line = refused_training(tmp_path / "none.zarr", tmp_path)
    assert "There is no store" in line
    assert "collect" in line


def test_a_store_without_its_ends(store: Path, tmp_path: Path) -> None:
    shutil.rmtree(store / "meta")
    assert "has lost meta/episode_ends" in refused_training(store, tmp_path)


def test_a_folder_that_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    assert "is not a store" in refused_training(tmp_path / "photos", tmp_path)


def test_a_store_with_an_array_cut_short(store: Path, tmp_path: Path) -> None:
    zarr.open_group(store, mode="r+")["data/state"].resize((5, 24))
    assert "data/state has 5 of 48 steps" in refused_training(store, tmp_path)


def test_a_store_of_another_task(store: Path, tmp_path: Path) -> None:
    line = refused_training(store, tmp_path, "env=adroit-pen")
    assert "was made for adroit-door, not for adroit-pen" in line


def test_a_store_with_not_a_number(store: Path, tmp_path: Path) -> None:
    zarr.open_group(store, mode="r+")["data/action"][7, 3] = np.nan
    line = refused_training(store, tmp_path)
    assert "data/action holds NaN" in line


def test_a_missing_checkpoint(tmp_path: Path) -> None:
    line = refuse("policy/evaluate.py", f"checkpoint={tmp_path / 'x.safetensors'}")
    assert "There is no checkpoint" in line


def test_a_file_that_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"not a planner at all")
    line = refuse("policy/evaluate.py", f"checkpoint={tmp_path / 'x.safetensors'}")
    assert "is not a planner" in line


@pytest.mark.parametrize(
    "command", [["evaluate.py"], ["train.py", "stage=zero_shot"], ["train.py", "stage=finetune"]]
)
def test_a_checkpoint_of_another_task(command: list[str], tmp_path: Path) -> None:
    path = tmp_path / "planner.safetensors"
    save_planner(small_planner(), path, {"task": "adroit-door", "stage": "pretrain", "seed": 0})
    script, *more = command
    given = (f"checkpoint={path}", f"out={tmp_path / 'run'}", "env=adroit-pen")
    line = refuse(f"policy/{script}", *more, *given)
    assert "choose env=adroit-door" in line


def test_a_run_folder_of_another_configuration(store: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / "config.yaml").write_text("seed: 7\n", encoding="utf-8")
    line = refuse("policy/train.py", f"data={store}", f"out={out}")
    assert "seed: 7 -> 0" in line
    assert (out / "config.yaml").read_text(encoding="utf-8") == "seed: 7\n"


def test_no_gpu_where_one_is_asked_for(store: Path, tmp_path: Path) -> None:
    assert "finds no GPU" in refused_training(store, tmp_path, "device=cuda")


def test_no_opengl_where_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "egl")
    monkeypatch.setenv("MUJOCO_EGL_DEVICE_ID", "99")  # A device that no machine has.
    out = f"out={tmp_path / 's.zarr'}"
    line = refuse("datasets/collect.py", *TINY, out, "env.view.depth=gl", cold=True)
    assert "No OpenGL here (egl: " in line
    assert "apt-get install" in line
