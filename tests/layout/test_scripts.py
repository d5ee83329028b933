"""Scripts: short, and running from anywhere."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.layout.sources import ROOMS, ROOT, SCRIPTS


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_a_short_main_without_classes(script: str) -> None:
    tree = ast.parse((ROOT / script).read_text(encoding="utf-8"))
    (main,) = (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "main")
    assert main.end_lineno is not None
    assert main.end_lineno - main.lineno < 30
    # They would exist twice, here and in `__main__`.
    assert not [node.name for node in tree.body if isinstance(node, ast.ClassDef)]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where every script was asked for its help, beside a foreign package `datasets`."""
    # Hugging Face's package is called `datasets` too; a stand-in of that name must not be found.
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "datasets").mkdir()
    (folder / "datasets" / "__init__.py").write_text(
        "raise ImportError('not ours')", encoding="utf-8"
    )
    scripts = [str(ROOT / script) for script in SCRIPTS]
    env = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, str(ROOT / "tests/helpers/warm/forked_help.py"), *scripts]
    subprocess.run(command, cwd=folder, env=env, check=True, timeout=600)
    return folder


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_runs_from_anywhere_beside_a_foreign_datasets_package(
    script: str, elsewhere: Path
) -> None:
    said = (elsewhere / f"{script.replace('/', '.')}.txt").read_text(encoding="utf-8")
    assert said.endswith("exit code 0\n"), said
    # What it lists is held to the configuration in tests/configs/test_help.py.
    assert "Flags: --help (-h)" in said


def test_a_script_runs_cold_beside_a_foreign_datasets_package(elsewhere: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(elsewhere)}
    command = [sys.executable, str(ROOT / "datasets/merge.py"), "--help"]
    done = subprocess.run(
        command, cwd=elsewhere, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Flags: --help (-h)" in done.stdout


def test_installing_puts_no_package_into_anyones_environment() -> None:
    assert "packages = []" in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for room in (*ROOMS, "configs"):
        assert (ROOT / room / "__init__.py").exists()


@pytest.mark.parametrize("file", ["Makefile", ".ci/run"])
def test_commands_of_the_house_name_files_that_exist(file: str) -> None:
    ours = "|".join((*ROOMS, "configs", "tests", "studies", "docs"))
    named = re.findall(
        rf"(?<![\w./])(?:{ours})/[\w./-]+", (ROOT / file).read_text(encoding="utf-8")
    )
    assert named
    assert not [path for path in named if not (ROOT / path).exists()]
