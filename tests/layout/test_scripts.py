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


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_runs_from_anywhere_beside_a_foreign_datasets_package(
    script: str, tmp_path: Path
) -> None:
    # Hugging Face's package is called `datasets` too; a stand-in of that name must not be found.
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "__init__.py").write_text(
        "raise ImportError('not ours')", encoding="utf-8"
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, str(ROOT / script), "--help"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    config = re.search(r'@script\("([\w-]+)"', (ROOT / script).read_text(encoding="utf-8"))
    assert config is not None
    told = (
        (ROOT / "configs" / "scripts" / f"{config[1]}.yaml")
        .read_text(encoding="utf-8")
        .split("\n", 1)[1]
    )
    assert told in done.stdout


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
