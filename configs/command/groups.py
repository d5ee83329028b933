"""The choices of a configuration group, each a YAML file, also one that a user wrote."""

from pathlib import Path

from configs.command.own_yaml import read_yaml
from configs.command.schema import nearest
from perception.errors import InputError

CONFIGS = Path(__file__).resolve().parents[1]
_FOLDERS = [CONFIGS]  # Of this process: the project's own, then what `--config-dir` names.
MOVED = {"behaviour=planner": "policy/record.py records a planner"}


def add_folder(folder: Path) -> None:
    """Take the groups of a folder of the user's own, too.

    Raises:
        InputError: It is none.
    """
    if not folder.is_dir():
        raise InputError(f"--config-dir {folder} is no folder")
    _FOLDERS.append(folder.resolve())


def search_path() -> list[str]:
    """Tell Hydra of the folders that are not the project's."""
    own = ",".join(f"'file://{folder}'" for folder in _FOLDERS[1:])
    return [f"hydra.searchpath=[{own}]"] if own else []


def is_group(name: str) -> bool:
    """Tell whether there is a group of that name."""
    return any((folder / name).is_dir() for folder in _FOLDERS)


def file_of(group: str, choice: str) -> Path:
    """Give the file of a choice, or of a shared part; where the project's would be if none is."""
    files = [folder / group / f"{choice}.yaml" for folder in _FOLDERS]
    return next((file for file in files if file.is_file()), files[0])


def options(group: str) -> list[str]:
    """Name the choices of a configuration group (files that start with `_` are shared parts)."""
    files = (path for folder in _FOLDERS for path in (folder / group).glob("*.yaml"))
    return sorted({p.stem for p in files if p.is_file() and not p.stem.startswith("_")})


def check_choice(group: str, choice: str) -> None:
    """Refuse a choice that there is not, or whose files are broken.

    Raises:
        InputError: What is wrong, with file and line, or what there is instead.
    """
    there = options(group)
    if choice not in there:
        near = nearest(choice, there)
        meant = f"; did you mean {near}?" if near else ""
        what = MOVED.get(f"{group}={choice}", f"choose one of {', '.join(there)}{meant}")
        raise InputError(f"{group}={choice} is unknown; {what}")
    _check_files(group, choice, ())


def _check_files(group: str, name: str, above: tuple[str, ...]) -> None:
    """Read a file of a group and those that it begins with."""
    path = file_of(group, name)
    if name in above:
        raise InputError(f"{path}: its defaults lead back to itself")
    defaults = read_yaml(path).get("defaults", [])
    if not isinstance(defaults, list):
        raise InputError(f"{path}: defaults must be a list, not {defaults!r}")
    for other in defaults:
        if isinstance(other, str) and other != "_self_" and "/" not in other:
            if not file_of(group, other).is_file():
                known = ", ".join(options(group))
                raise InputError(f"{path}: defaults names {other}, which is none of {known}")
            _check_files(group, other, (*above, name))
