"""Of Hydra's flags and keys a short list is taken; none that reads or runs what it names."""

import os
import pickle
from pathlib import Path

import pytest

from configs.command.flags import read_arguments
from perception.errors import InputError
from tests.helpers.commands import ROOT, refuse, run, succeed


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("joined", [True, False])
def test_a_pickle_is_never_read(joined: bool, tmp_path: Path) -> None:
    trap, file = tmp_path / "sprung", tmp_path / "config.pickle"
    file.write_bytes(pickle.dumps(Trap(trap)))
    flag = "--experimental-rerun"
    given = [f"{flag}={file}"] if joined else [flag, str(file)]
    assert "--experimental-rerun" in refuse("datasets/summary.py", *given)
    assert not trap.exists()


def test_a_folder_of_ones_own_must_be_there(tmp_path: Path) -> None:
    told = refuse("datasets/summary.py", f"--config-dir={tmp_path / 'none'}", "data=x.zarr")
    assert "is no folder" in told


@pytest.mark.parametrize(
    "given",
    [
        ["--experimental-rerun", "x"], ["--experimental-r=x"], ["--info"], ["-i", "all"], ["-x"],
        ["--config-dir"], ["-cd="], ["--config-path=x"], ["-cp", "x"], ["-cn", "x"],
        ["--config-name=x"], ["--hydra-help"], ["--version"], ["-sc", "install=bash"], ["--run"],
        ["--package", "x"], ["--resolve"], ["--cfg", "hydra"], ["--cfg"], ["-c", "all"], ["--"],
    ],
)  # fmt: skip
def test_other_flags_are_refused(given: list[str]) -> None:
    with pytest.raises(InputError, match="there are --help"):
        read_arguments(given)


@pytest.mark.parametrize(
    "key",
    [
        "hydra.launcher._target_=os.system", "hydra/launcher=basic", "hydra.run.dir=x",
        "+hydra.callbacks.a._target_=os.system", "hydra/job_logging=x", "hydra.searchpath=[x]",
        "++hydra.job_logging.handlers.x={(): os.system}", "~hydra.run",
    ],
)  # fmt: skip
def test_hydras_own_keys_are_refused(key: str) -> None:
    with pytest.raises(InputError, match="key of Hydra's own"):
        read_arguments([key]).refuse_hydra_keys()


@pytest.mark.parametrize(
    ("key", "taken"),
    [
        ("hydra/launcher=submitit_local", True),
        ("hydra.launcher.timeout_min=60", True),
        ("hydra.launcher._target_=os.system", False),
        ("hydra.launcher.setup=[ls]", False),
        ("hydra.launcher={_target_: os.system}", False),
        ("hydra/job_logging=x", False),
        ("hydra/launcher=../x", False),
    ],
)
def test_a_sweep_takes_a_launcher_by_name(key: str, taken: bool) -> None:
    arguments = read_arguments(["-m", key])
    assert arguments.sweep
    if taken:
        arguments.refuse_hydra_keys()
    else:
        with pytest.raises(InputError):
            arguments.refuse_hydra_keys()


def test_a_typo_is_blamed_before_a_key_of_hydras() -> None:
    line = refuse("datasets/summary.py", "hydra.run.dir=elsewhere", "dat=x")
    assert "Unknown key dat" in line
    assert not (ROOT / "elsewhere").exists()


def test_a_configuration_is_shown_with_its_texts() -> None:
    shown = succeed("datasets/summary.py", "data=run(1).zarr", "--cfg", "job")
    assert "- run(1).zarr" in shown


def test_a_sweep_runs_once_for_each_value() -> None:
    wanted = ("experiment=adroit-images", "only=cells", "list=true")
    shown = succeed("policy/experiment.py", "-m", *wanted, "cell=0,1")
    assert shown.count("python policy/train.py") == 2


def test_the_locale_is_nobodys_business(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("LC_ALL", "C"), ("PYTHONUTF8", "0"), ("PYTHONCOERCECLOCALE", "0")):
        monkeypatch.setenv(name, value)
    done = run("datasets/summary.py", "data=日本.zarr", cwd=tmp_path, cold=True)
    assert done.returncode == 2
    assert "There is no store 日本.zarr" in done.stderr
