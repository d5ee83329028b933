"""Make the pages of the API reference: one for each package, from the docstrings of its modules.

MkDocs calls these functions by their names. Pages are made in memory, so a module that is moved or
added is where it belongs at the next `make docs`.
"""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("perception", "visualizer", "envs", "datasets", "policy", "configs")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Append the reference to the navigation, a section for each room."""
    nav = [{room: [{name: page(name)} for name in packages(room)]} for room in ROOMS]
    config.nav = [*(config.nav or []), {"Reference": nav}]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for room in ROOMS:
        for name in packages(room):
            files.append(File.generated(config, page(name), content=text(name)))
    return files


def page(package: str) -> str:
    """Say where a package's page lies."""
    return f"reference/{package}.md"


def packages(room: str) -> list[str]:
    """Name a room and its sub-packages that have modules of their own."""
    folders = sorted({path.parent for path in (ROOT / room).rglob("*.py")})
    named = {".".join(folder.relative_to(ROOT).parts): folder for folder in folders}
    return [name for name, folder in named.items() if modules(folder)]


def modules(folder: Path) -> list[str]:
    """Name a folder's modules."""
    return sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")


def text(package: str) -> str:
    """Write a page: a heading, and for each module a line that mkdocstrings fills."""
    folder = ROOT.joinpath(*package.split("."))
    parts = [f"::: {package}.{name}\n" for name in modules(folder)]
    return "\n".join([f"# `{package}`\n", *parts])
