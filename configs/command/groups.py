"""The choices of a configuration group, each a YAML file, also one that a user wrote."""

from pathlib import Path

from configs.command.own_yaml import read_yaml
from configs.command.schema import nearest
from perception.errors import InputError

CONFIGS = Path(__file__).resolve().parents[1]
MOVED = {"behaviour=planner": "policy/record.py records a planner"}


def options(group: str) -> list[str]:
    """Name the choices of a configuration group (files that start with `_` are shared parts)."""
    files = (path for path in (CONFIGS / group).glob("*.yaml") if path.is_file())
    return sorted(path.stem for path in files if not path.stem.startswith("_"))


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
    path = CONFIGS / group / f"{name}.yaml"
    if name in above:
        raise InputError(f"{path}: its defaults lead back to itself")
    defaults = read_yaml(path).get("defaults", [])
    if not isinstance(defaults, list):
        raise InputError(f"{path}: defaults must be a list, not {defaults!r}")
    for other in defaults:
        if isinstance(other, str) and other != "_self_" and "/" not in other:
            if not (CONFIGS / group / f"{other}.yaml").is_file():
                known = ", ".join(options(group))
                raise InputError(f"{path}: defaults names {other}, which is none of {known}")
            _check_files(group, other, (*above, name))
