"""What `--help` prints: every key of a script, with its value, what it means and what it may be."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args, get_origin

import yaml
from omegaconf import DictConfig, OmegaConf

from configs.command.composing import NEEDED, SCRIPTS, chosen_kinds, compose_values
from configs.command.groups import CONFIGS, file_of, options
from configs.command.own_yaml import read_yaml
from configs.command.schema import (
    KindOf,
    Leaf,
    choices,
    hints_of,
    keys_of_kind,
    leaves,
    notes_of,
    package_of,
    takes_none,
    type_of,
    value_hint,
)
from configs.kinds import kinds
from configs.ranges import Check

KEY = re.compile(r"^(?P<indent> *)(?P<key>[\w-]+):(?P<rest>.*)$")
COMMENT = re.compile(r"(?:^|\s)#\s*(?P<said>.*)$")
KEYS = "Keys (key=value on the command line; text and paths as the shell gives them):"


def help_text(config_name: str, schema: type[Any], module: ModuleType | None) -> str:
    """Say what a script does, and list its keys: those of groups and chosen kinds among them."""
    path = f"{SCRIPTS}/{config_name}"
    kind_of = chosen_kinds(path)
    cfg = compose_values(path, [])
    said = dict(_comments(CONFIGS / f"{path}.yaml", ""))
    groups = dict(_chosen_groups(path))
    for group, choice in groups.items():
        said = {**dict(_group_comments(group, choice)), **said}
    every = [one for leaf in leaves(schema, kind_of) for one in _entries(leaf, cfg, kind_of)]
    kinds_there = [(key, package) for key, package in choices(schema, kind_of) if _own(cfg, key)]
    files = [f"{group}={name}  # or {_others(group, name)}" for group, name in groups.items()]
    parts = [
        inspect.getdoc(module),
        _part(KEYS, [_line(leaf, cfg, said) for leaf in every]),
        _part("Groups (a file of configs/, which sets the keys below it):", files),
        _part("Kinds, and the keys that each takes:", list(_kind_lines(kinds_there))),
        "Flags: --help (-h), --cfg job (-c job): the configuration alone, --multirun (-m)",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _part(title: str, lines: list[str]) -> str:
    return "\n".join([title, *(f"  {line}" for line in lines)]) if lines else ""


def _entries(leaf: Leaf, cfg: DictConfig, kind_of: KindOf) -> Iterator[Leaf]:
    """Give the keys of each entry of a dictionary, or a key that is of none by itself."""
    entry, node = value_hint(leaf.hint), _node(cfg, leaf.key)
    if entry is None or not isinstance(node, DictConfig):
        yield leaf
        return
    for name in map(str, node):
        yield from leaves(entry, kind_of, f"{leaf.key}.{name}")
    if package_of(entry) is None:
        some = [f"{leaf.key}.<name>.{key}" for key in hints_of(type_of(entry))]
        yield from (Leaf(key, None) for key in some)
    else:
        yield Leaf(f"{leaf.key}.<name>.kind", None)


def _own(cfg: DictConfig, key: str) -> bool:
    """Tell whether a kind is chosen at a key itself, and not taken from another key."""
    node = _node(cfg, key)
    return node is None or isinstance(node, DictConfig)


def _node(cfg: DictConfig, key: str) -> Any:  # noqa: ANN401
    node: Any = cfg
    for part in key.split("."):
        there = isinstance(node, DictConfig) and part in list(node)  # `in` overlooks ???
        node = node._get_node(part) if there else None
    return node


def _others(group: str, choice: str) -> str:
    return ", ".join(other for other in options(group) if other != choice)


def _chosen_groups(path: str) -> Iterator[tuple[str, str]]:
    for entry in read_yaml(CONFIGS / f"{path}.yaml").get("defaults", []):
        if isinstance(entry, dict):
            yield from ((key.removeprefix("/"), choice) for key, choice in entry.items())


def _line(leaf: Leaf, cfg: DictConfig, said: dict[str, str]) -> str:
    """Give one key with its value, its comment and its range."""
    comment = said.get(leaf.key, "").rstrip(":;, ")
    allowed = _range(leaf.hint)
    notes = [comment, f"({allowed})" if allowed and allowed not in comment else ""]
    text = " ".join(note for note in notes if note)
    return f"{leaf.key}={_value(cfg, leaf.key)}" + (f"  # {text}" if text else "")


def _value(cfg: DictConfig, key: str) -> str:
    """Write a value as it may be typed; of one that must be given, nothing."""
    node = _node(cfg, key)
    if node is None:
        return ""
    value = OmegaConf.to_container(node) if OmegaConf.is_config(node) else node._value()
    if value is None:
        return "null"
    if value == NEEDED:
        return ""
    if isinstance(value, str):
        return value
    return yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("...\n").strip()


def _range(hint: Any) -> str:  # noqa: ANN401
    """Say what a key may be."""
    kind = type_of(hint)
    words = [str(note) for note in notes_of(hint) if isinstance(note, Check)]
    if get_origin(kind) is Literal:
        words = [" or ".join(map(str, get_args(kind)))]
    elif get_origin(kind) is tuple:
        words += sorted({_range(option) for option in get_args(kind) if option is not ...} - {""})
    elif kind is bool:
        words = ["true or false"]
    if takes_none(hint):
        words.append("or null")
    return ", ".join(words)


def _kind_lines(chosen: list[tuple[str, str]]) -> Iterator[str]:
    """List the kinds of each key that chooses one, with the keys of each."""
    for key, package in chosen:
        for kind in kinds(package):
            own = ", ".join(keys_of_kind(package, kind))
            yield f"{key}.kind={kind}" + (f"  # {own}" if own else "")
        yield f"{key}.kind=module:Class  # a class of your own"


def _group_comments(group: str, choice: str) -> Iterator[tuple[str, str]]:
    """Collect the comments of a group's file, and of those that it begins with."""
    path = file_of(group, choice)
    for other in read_yaml(path).get("defaults", []):
        if isinstance(other, str) and other != "_self_":
            yield from _group_comments(group, other)
    glob = path.read_text(encoding="utf-8").startswith("# @package _global_")
    yield from _comments(path, "" if glob else group)


def _comments(path: Path, where: str) -> Iterator[tuple[str, str]]:
    """Collect the comments beside keys of a YAML file, by dotted key."""
    above: list[tuple[int, str]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        match = KEY.match(line)
        if match is None:
            continue
        indent = len(match["indent"])
        above = [(depth, key) for depth, key in above if depth < indent]
        above.append((indent, match["key"]))
        comment = COMMENT.search(match["rest"])
        if comment:
            yield ".".join(filter(None, [where, *(key for _, key in above)])), comment["said"]
