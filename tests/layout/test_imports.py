"""Who imports whom: rooms to the left only, and each library in the room that it belongs to."""

import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest

from tests.layout.sources import FOLDERS, ROOMS, ROOT, imports, name_of, roots, sources

OWNED = {
    "open3d": "perception",
    "fpsample": "perception",
    "pytorch3d": "perception",
    "mujoco": "envs",
    "gymnasium": "envs",
    "gymnasium_robotics": "envs",
    "metaworld": "envs",
    "robosuite": "envs",
    "zarr": "datasets",
}
PACKAGES = sorted(
    {path.parent for room in ROOMS for path in (ROOT / room).rglob("__init__.py")}
)  # Rooms and the folders in them.


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_only_those_to_their_left(room: str) -> None:
    beyond = {*ROOMS[ROOMS.index(room) + 1 :], "tests", "studies"}
    wrong = {name_of(s): roots(s) & beyond for s in sources(room) if roots(s) & beyond}
    assert not wrong


def test_configurations_know_of_no_room_but_the_leftmost() -> None:
    beyond = {*ROOMS[1:], "tests", "studies"}
    assert not {name_of(s): roots(s) & beyond for s in sources("configs") if roots(s) & beyond}


def test_nothing_imports_studies() -> None:
    others = sources(*(folder for folder in FOLDERS if folder != "studies"))
    assert not [name_of(source) for source in others if "studies" in roots(source)]


def test_clients_import_nothing_of_the_project() -> None:
    ours = set(FOLDERS) | {"torch"}
    assert not {name_of(s): roots(s) & ours for s in sources("clients") if roots(s) & ours}


@pytest.mark.parametrize("package", PACKAGES, ids=name_of)
def test_no_two_sub_packages_import_each_other(package: Path) -> None:
    inner = [p for p in package.iterdir() if (p / "__init__.py").exists()]
    mutual = [
        (name_of(one), name_of(other))
        for one, other in combinations(sorted(inner), 2)
        if uses(one, other) and uses(other, one)
    ]
    assert not mutual


def uses(one: Path, other: Path) -> list[str]:
    """List the files of one folder that import something of another."""
    name = ".".join(other.relative_to(ROOT).parts)
    return [
        name_of(source)
        for source in sources(name_of(one))
        if any(f"{imported}.".startswith(f"{name}.") for imported in imports(source))
    ]


@pytest.mark.parametrize("library", OWNED)
def test_a_library_is_imported_in_its_room_only(library: str) -> None:
    users = [name_of(s) for s in sources(*ROOMS, "configs") if library in roots(s)]
    assert not [user for user in users if not user.startswith(f"{OWNED[library]}/")]


def test_hydra_is_imported_where_configurations_are_composed_only() -> None:
    users = [name_of(s) for s in sources(*ROOMS, "configs") if "hydra" in roots(s)]
    assert users
    assert not [user for user in users if not user.startswith("configs/command/")]


def test_data_are_made_and_experiments_listed_without_torch() -> None:
    # It takes as long to import, in every worker again, as all else together.
    collection = ", ".join(f"datasets.collection.{n}" for n in ("collector", "rerender", "merger"))
    rooms = f"{collection}, datasets.formats.converter"
    code = f"import sys, {rooms}, policy.reports.grid; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert done.returncode == 0
