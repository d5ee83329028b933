"""The shape of the repository: who imports whom, which names are taken, what says nothing of us."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = (
    "perception",
    "visualizer",
    "envs",
    "datasets",
    "policy",
)  # Each may import those to its left.
OWNED = {
    "open3d": "perception",
    "fpsample": "perception",
    "pytorch3d": "perception",
    "mujoco": "envs",
    "gymnasium": "envs",
    "gymnasium_robotics": "envs",
    "metaworld": "envs",
    "zarr": "datasets",
}
SCRIPTS = sorted(
    str(path.relative_to(ROOT))
    for room in ROOMS
    for path in (ROOT / room).glob("*.py")
    if "@script(" in path.read_text()
)


def imports(source: Path) -> set[str]:
    """Collect the top-level names that a file imports, also by name in `import_module`."""
    roots: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            roots |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            roots.add(node.module.split(".")[0])
    return roots


def sources(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_only_those_to_their_left(room: str) -> None:
    beyond = {*ROOMS[ROOMS.index(room) + 1 :], "tests"}
    for source in set(sources(room)) - {ROOT / script for script in SCRIPTS}:  # They wire rooms.
        assert not imports(source) & beyond, source


@pytest.mark.parametrize("package", OWNED)
def test_a_package_is_imported_in_its_room_only(package: str) -> None:
    for room in (*ROOMS, "configs"):
        for source in sources(room):
            assert package not in imports(source) or room == OWNED[package], source


def test_hydra_is_imported_where_configurations_are_composed_only() -> None:
    users = {s for room in (*ROOMS, "configs") for s in sources(room) if "hydra" in imports(s)}
    assert users == {ROOT / "configs" / "command.py"}


@pytest.mark.parametrize("room", [*ROOMS, "configs"])
def test_no_file_borrows_the_name_of_another_module(room: str) -> None:
    packages = {*OWNED, "torch", "hydra", "numpy", "viser", "tensorboard", "matplotlib", "ray"}
    taken = set(sys.stdlib_module_names) | packages
    assert not {source.stem for source in sources(room)} & taken


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_a_short_main_without_classes_of_behaviour(script: str) -> None:
    tree = ast.parse((ROOT / script).read_text())
    (main,) = (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "main")
    assert main.end_lineno is not None
    assert main.end_lineno - main.lineno < 30


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_runs_from_anywhere_beside_a_foreign_datasets_package(
    script: str, tmp_path: Path
) -> None:
    # Hugging Face's package is called `datasets` too; a stand-in of that name must not be found.
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "__init__.py").write_text("raise ImportError('not ours')")
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
    config = re.search(r'@script\("([\w-]+)"', (ROOT / script).read_text())
    assert config is not None
    told = (ROOT / "configs" / "scripts" / f"{config[1]}.yaml").read_text().split("\n", 1)[1]
    assert told in done.stdout


def test_data_are_made_and_experiments_listed_without_torch() -> None:
    # It takes as long to import, in every worker again, as all else together.
    collection = ", ".join(f"datasets.collection.{n}" for n in ("collector", "rerender", "merger"))
    rooms = f"{collection}, datasets.formats.converter"
    code = f"import sys, {rooms}, policy.reports.grid; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert done.returncode == 0


def test_installing_puts_no_package_into_anyones_environment() -> None:
    assert "packages = []" in (ROOT / "pyproject.toml").read_text()
    for room in (*ROOMS, "configs"):
        assert (ROOT / room / "__init__.py").exists()


def test_files_stay_small() -> None:
    for room in (*ROOMS, "configs"):
        for source in sources(room):
            assert len(source.read_text().splitlines()) <= 300, source
