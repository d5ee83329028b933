"""Every text file is opened as UTF-8, whatever the locale says."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.layout.sources import ROOMS, name_of, sources

TEXT = {"read_text": 1, "write_text": 2}  # Which argument is the encoding.


def without_encoding(source: Path) -> Iterator[int]:
    """List the lines that open a text file in whatever encoding the locale has."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and not any(k.arg == "encoding" for k in node.keywords):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if (name in TEXT and len(node.args) < TEXT[name]) or (
                name == "open" and opens_text(node)
            ):
                yield node.lineno


def opens_text(call: ast.Call) -> bool:
    """Tell whether a call opens a file as text; a class's own `open` has no mode."""
    method = isinstance(call.func, ast.Attribute)
    if method and isinstance(call.func.value, ast.Name) and call.func.value.id[0].isupper():
        return False
    modes = call.args[0 if method else 1 :][:1] + [
        k.value for k in call.keywords if k.arg == "mode"
    ]
    known = [m.value for m in modes if isinstance(m, ast.Constant) and isinstance(m.value, str)]
    return bool(known) and "b" not in known[0] and set(known[0]) <= set("rwaxt+")


@pytest.mark.parametrize("folder", [*ROOMS, "configs", "studies"])
def test_text_is_utf8_everywhere(folder: str) -> None:
    wrong = {name_of(s): lines for s in sources(folder) if (lines := list(without_encoding(s)))}
    assert not wrong
