"""A choice is a file: found by name, built by its configuration, made by its function."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest

from configs.build import Inline, build
from configs.command.schema import choices
from configs.kinds import Kind, NoKeys, OneOf, find_kind, kinds, make_kind
from perception.errors import InputError

PACKAGE = "shapes"


class Foreign:
    """Somebody else's kind, with keys of its own."""

    @dataclass(frozen=True)
    class Config:
        kind: str
        corners: int

    def __init__(self, config: "Foreign.Config", colour: str) -> None:
        self.config, self.colour = config, colour


class Plain:
    """Somebody else's kind without keys."""

    def __init__(self, config: NoKeys, colour: str) -> None:
        self.config, self.colour = config, colour


@dataclass(frozen=True)
class Size:
    width: int
    height: int


@dataclass(frozen=True)
class Drawing:
    shape: Annotated[Kind, OneOf(PACKAGE)]
    many: dict[str, Annotated[Kind, OneOf(PACKAGE)]]
    size: Annotated[Size, Inline()]


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / PACKAGE
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "shape.py").write_text(
        "class Shape: pass\n", encoding="utf-8"
    )  # The protocol: no choice.
    (folder / "broken.py").write_text(
        "class Config: pass\nraise ImportError('never asked for')\n", encoding="utf-8"
    )
    (folder / "circle.py").write_text(
        "from dataclasses import dataclass\n\n@dataclass(frozen=True)\nclass Config:\n"
        "    kind: str\n    radius: float\n\n"
        "def make(config, colour):\n    return f'{colour} circle of {config.radius}'\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name in list(sys.modules):
        if name.partition(".")[0] == PACKAGE:
            monkeypatch.delitem(sys.modules, name)
    return folder


def drawing(**shape: object) -> Drawing:
    return build(Drawing, {"shape": shape, "many": {}, "width": 3, "height": 4})


def test_choices_are_the_files_that_have_a_configuration() -> None:
    assert kinds(PACKAGE) == ["broken", "circle"]
    assert list(choices(Drawing, lambda _: "circle")) == [("shape", PACKAGE)]


def test_a_kind_is_built_and_made_by_its_own_file(package: Path) -> None:
    config = drawing(kind="circle", radius=2).shape
    assert make_kind(PACKAGE, config, "red") == "red circle of 2.0"
    (package / "dot.py").write_text(
        (package / "circle.py").read_text(encoding="utf-8"), encoding="utf-8"
    )
    assert drawing(kind="dot", radius=1).shape.kind == "dot"  # A new file is a new choice.


def test_a_name_in_a_group_of_kinds_is_its_kind() -> None:
    values = {"kind": "circle", "radius": 1}
    built = build(
        Drawing, {"shape": values, "many": {"circle": {"radius": 5}}, "width": 3, "height": 4}
    )
    assert built.many["circle"].kind == "circle"
    assert built.size == Size(3, 4)  # Its keys stand among the others.


def test_a_kind_from_elsewhere_is_a_class() -> None:
    config = drawing(kind=f"{__name__}:Foreign", corners=5).shape
    made = make_kind(PACKAGE, config, "blue")
    assert isinstance(made, Foreign)
    assert (made.config.corners, made.colour) == (5, "blue")
    plain = drawing(kind=f"{__name__}:Plain").shape
    assert isinstance(make_kind(PACKAGE, plain, "blue"), Plain)
    assert find_kind(PACKAGE, f"{__name__}:Plain").config is NoKeys


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"kind": "square"}, "shape.kind=square is unknown; choose one of broken, circle"),
        ({"radius": 2}, "Missing key shape.kind; choose one of broken, circle"),
        ({"kind": "circle"}, "Missing key shape.radius"),
        ({"kind": "circle", "radius": 1, "x": 1}, "Unknown key shape.x; there are kind, radius"),
        ({"kind": "nowhere:Shape"}, "shape.kind=nowhere:Shape does not import"),
        ({"kind": "shapes.circle:Nothing"}, "must be on PYTHONPATH"),
        ({"kind": f"{__name__}:Plain", "x": 1}, "Unknown key shape.x; there are kind"),
    ],
)
def test_everything_wrong_names_its_key(shape: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        drawing(**shape)


def test_a_kind_that_is_no_group_of_keys_is_refused() -> None:
    with pytest.raises(InputError, match="shape must be a group of keys, not 3"):
        build(Drawing, {"shape": 3, "many": {}, "width": 3, "height": 4})


def test_a_key_that_is_inlined_is_missed_by_its_name() -> None:
    shape = {"kind": "circle", "radius": 2}
    with pytest.raises(InputError, match="Missing key height"):
        build(Drawing, {"shape": shape, "many": {}, "width": 3})
    with pytest.raises(InputError, match="Unknown key size; there are shape, many, width, height"):
        build(Drawing, {"shape": shape, "many": {}, "width": 3, "height": 4, "size": {}})
