"""The project's files, and what each of them imports."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("perception", "visualizer", "envs", "datasets", "policy")  # Each may import to its left.
FOLDERS = (*ROOMS, "configs", "tests", "studies", "clients", "examples")
SCRIPTS = sorted(
    str(path.relative_to(ROOT))
    for room in ROOMS
    for path in (ROOT / room).rglob("*.py")
    if "@script(" in path.read_text(encoding="utf-8")
)
OURS = re.compile(rf"({'|'.join(FOLDERS)})(\.\w+)+(:\w+)?")


def sources(*folders: str) -> list[Path]:
    """List the Python files below some folders of the repository."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name_of(source: Path) -> str:
    """Say where a file lies, from the root."""
    return str(source.relative_to(ROOT))


@cache
def imports(source: Path) -> frozenset[str]:
    """Collect the dotted names that a file imports.

    A string that is the dotted name of a module here counts too: `import_module` gets such.
    """
    return frozenset(_imports(ast.parse(source.read_text(encoding="utf-8"))))


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and _is_module(node.value):
            yield str(node.value)


def _is_module(value: object) -> bool:
    """Tell whether a constant is the name of a module here, or of a class in one."""
    if not isinstance(value, str) or not OURS.fullmatch(value):
        return False
    place = ROOT.joinpath(*value.partition(":")[0].split("."))
    return place.with_suffix(".py").exists() or (place / "__init__.py").exists()


def roots(source: Path) -> set[str]:
    """Collect the top-level names that a file imports."""
    return {name.partition(".")[0] for name in imports(source)}
