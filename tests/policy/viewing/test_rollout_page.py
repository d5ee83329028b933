"""A planner at work as a page and a video."""

from dataclasses import replace
from pathlib import Path

import imageio.v3 as iio
import pytest

from envs.request import EnvRequest
from perception.errors import InputError
from policy.planner.checkpoint import save_planner
from policy.viewing.viewer import ViewRolloutConfig, run_folder
from policy.viewing.viewer import view as view_rollout
from tests.conftest import task_config
from tests.helpers.commands import succeed
from tests.helpers.pictures import FETCHED
from tests.helpers.small_planner import SHORT, quick_planner


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "checkpoints" / "finetune.safetensors"
    save_planner(quick_planner(), path, {"task": "adroit-door", "stage": "finetune", "seed": 0})
    return path


def rollout_config(checkpoint: Path, *overrides: str, **changes: object) -> ViewRolloutConfig:
    plain = ViewRolloutConfig(
        task=EnvRequest(task_config("adroit-door", *SHORT, *overrides)),
        checkpoint=checkpoint,
        beside=None,
        out=None,
        seed=0,
        episodes=1,
        camera=None,
        size=(64, 48),
        frames_per_second=20.0,
        live=False,
        port=0,
    )
    return replace(plain, **changes)


def test_a_planner_becomes_a_page_and_a_video(checkpoint: Path) -> None:
    overrides = [*SHORT, "size=[64,48]", f"checkpoint={checkpoint}"]
    told = succeed("policy/view.py", *overrides)
    page = run_folder(checkpoint) / "rollout.html"
    assert f"written to {page}" in told
    written = page.read_text()
    assert not FETCHED.search(written)
    assert "joint targets" in written
    assert "data:video/mp4;base64," in written
    frames = iio.imread(page.with_suffix(".mp4"))
    assert frames.shape == (13, 48, 64, 3)
    assert frames.std() > 5


def test_each_of_several_episodes_has_its_video(checkpoint: Path, tmp_path: Path) -> None:
    view_rollout(rollout_config(checkpoint, episodes=2, out=tmp_path / "deep" / "two.html"))
    names = sorted(path.name for path in (tmp_path / "deep").iterdir())
    assert names == ["two-0.mp4", "two-1.mp4", "two.html"]


def test_without_ffmpeg_the_page_is_written_without_a_video(
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "moved-away"))
    (tmp_path / "page.mp4").write_bytes(b"of an earlier planner")
    view_rollout(rollout_config(checkpoint, out=tmp_path / "page.html"))
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    assert "There is no video" in (tmp_path / "page.html").read_text()
    assert [r.levelname for r in caplog.records if "no ffmpeg" in r.message] == ["WARNING"]


@pytest.mark.parametrize(
    ("overrides", "changes", "told"),
    [
        (("env.name=adroit-pen",), {}, "adroit-door"),
        (("env.view.colour=true",), {}, "channels=3"),
        ((), {"camera": "behind"}, "vil_camera"),
        ((), {"size": (63, 48)}, "even"),
        ((), {"checkpoint": Path("nowhere.safetensors")}, "train first"),
    ],
)
def test_what_does_not_fit_is_refused(
    checkpoint: Path,
    tmp_path: Path,
    overrides: tuple[str, ...],
    changes: dict[str, object],
    told: str,
) -> None:
    config = rollout_config(checkpoint, *overrides, out=tmp_path / "a.html")
    with pytest.raises(InputError, match=told):
        view_rollout(replace(config, **changes))
