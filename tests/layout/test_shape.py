"""How large folders and files are, how they are named, and which rules nobody may switch off."""

import re
import statistics
import sys
import tomllib
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from tests.layout.sources import FOLDERS, ROOT, name_of, sources

LINES, MEDIAN_LINES, ENTRIES = 250, 100, 16
NOQA = re.compile(r"#\s*noqa\b(?::\s*([A-Z]+\d+(?:[,\s]+[A-Z]+\d+)*))?")
FORCED = {  # By a library's types, or by an import that must come late.
    "ANN401",  # A library without types.
    "E402",  # An import that must come after something else.
    "F401",  # An import for what it does.
    "N812",  # A library's own short name.
    "NPY002",  # The global generator, which libraries draw from.
    "PLC0415",  # A library that takes seconds and is not always needed, or is an extra.
    "RUF012",  # A class attribute that a library defines.
    "SIM118",  # A library's object that has keys and is no dictionary.
}


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def entries(folder: Path) -> list[str]:
    return [p.name for p in folder.iterdir() if p.name not in ("__init__.py", "__pycache__")]


@pytest.mark.parametrize("top", [*FOLDERS, "docs"])
def test_no_folder_is_full(top: str) -> None:
    folders = [p for p in (ROOT / top, *(ROOT / top).rglob("*")) if p.is_dir()]
    counts = {name_of(p): len(entries(p)) for p in folders if p.name != "__pycache__"}
    assert not {name: count for name, count in counts.items() if count > ENTRIES}


def test_files_stay_small() -> None:
    lengths = {
        name_of(s): len(s.read_text(encoding="utf-8").splitlines()) for s in sources(*FOLDERS)
    }
    assert not {name: length for name, length in lengths.items() if length > LINES}
    assert statistics.median(n for name, n in lengths.items() if "__init__" not in name) <= (
        MEDIAN_LINES
    )


def declared() -> set[str]:
    """Give the names by which the project's dependencies are imported."""
    said = project()["project"]
    wanted = [*said["dependencies"], *chain(*said["optional-dependencies"].values())]
    names = {re.split(r"[^\w.-]", requirement)[0].lower() for requirement in wanted}
    by_import = packages_distributions().items()
    found = {module for module, dists in by_import if names & {dist.lower() for dist in dists}}
    return found | {name.replace("-", "_") for name in names}


def test_no_file_borrows_the_name_of_another_module() -> None:
    taken = set(sys.stdlib_module_names) - {"__future__"} | declared()
    borrowed = [name_of(s) for s in sources(*FOLDERS) if s.stem in taken]
    assert not borrowed


def test_no_rule_is_switched_off_but_where_a_library_forces_it() -> None:
    found = [
        f"{name_of(source)}:{number}: {line.strip()}"
        for source in [*sources(*FOLDERS), ROOT / "conftest.py"]
        for number, line in enumerate(source.read_text(encoding="utf-8").splitlines(), 1)
        for match in NOQA.finditer(line)
        if match[1] is None or not set(re.split(r"[,\s]+", match[1])) <= FORCED
    ]
    assert not found, "\n".join(found)


def test_the_limits_stand_and_hold_everywhere() -> None:
    lint = project()["tool"]["ruff"]["lint"]
    assert lint["mccabe"] == {"max-complexity": 8}
    assert lint["pylint"] == {
        "max-args": 8,
        "max-branches": 8,
        "max-nested-blocks": 3,
        "max-statements": 30,
    }
    assert {"C90", "PL", "PLR1702"} <= set(lint["select"])
    assert lint["per-file-ignores"] == {"tests/*": ["D"]}
