"""YAML files that users wrote: what is wrong with one is said with its file and line."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from perception.errors import InputError

MOST_NODES, DEEPEST = 100_000, 50  # A file of a few lines can ask for billions by its anchors.


def read_yaml(path: Path) -> dict[str, Any]:
    """Read one group of keys from a YAML file; an empty file has none.

    Raises:
        InputError: It is no file, no UTF-8, no YAML, no group of keys, or names a key twice.
    """
    text = _text(path)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            return {}
        if not isinstance(node, yaml.MappingNode):
            raise InputError(f"{path}:{_line(node)}: must be a group of keys (key: value)")
        _count(node, path)
        _check_keys(node, path)
        return dict(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise InputError(f"{path}:{_mark(error)}: {_problem(error)}") from error
    except RecursionError as error:
        raise InputError(f"{path}: is nested too deeply") from error


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(f"{path}:{line}: is not UTF-8; save it as UTF-8") from error


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _mark(error: yaml.YAMLError) -> int:
    mark = getattr(error, "problem_mark", None)
    return 1 if mark is None else int(mark.line) + 1


def _problem(error: yaml.YAMLError) -> str:
    said = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
    if "\\t" in said:
        return "a tab where only spaces may stand"
    return f"{said}; a text with ': ' in it needs quotes" if "mapping values" in said else said


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _count(node: yaml.Node, path: Path) -> None:
    """Refuse what would not fit into memory, or into the interpreter's stack, once written out."""
    seen, level = 0, [node]
    for _ in range(DEEPEST):
        seen += len(level)
        if seen > MOST_NODES:
            raise InputError(f"{path}:{_line(node)}: is too large once its anchors are written out")
        below = (child for each in level for child in _children(each))
        level = list(islice(below, MOST_NODES + 1))
        if not level:
            return
    raise InputError(f"{path}:{_line(level[0])}: is nested too deeply")


def _check_keys(node: yaml.Node, path: Path) -> None:
    """Refuse a key that is there twice: which one counts is nobody's to say."""
    if isinstance(node, yaml.MappingNode):
        keys: dict[str, int] = {}
        for key, _ in node.value:
            name = str(key.value)
            if name in keys and name != "<<":
                there = f"{keys[name]} and {_line(key)}"
                raise InputError(f"{path}:{_line(key)}: has the key {name} twice (lines {there})")
            keys[name] = _line(key)
    for child in _children(node):
        _check_keys(child, path)
