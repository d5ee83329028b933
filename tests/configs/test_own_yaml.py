"""A YAML file of one's own: what is wrong with it is said with file and line."""

import re
from pathlib import Path

import pytest

from configs.command.own_yaml import read_yaml
from perception.errors import InputError

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"view:\n\tpoints: 64\n", ":2: a tab where only spaces may stand"),
        (b"a: 1\nb: 2\na: 3\n", ":3: has the key a twice (lines 1 and 3)"),
        (b"v:\n  a: 1\n  a: 3\n", ":3: has the key a twice"),
        (b"a: 1\nname: caf\xe9\n", ":2: is not UTF-8"),
        (b"- a\n- b\n", ":1: must be a group of keys"),
        (b"just text\n", ":1: must be a group of keys"),
        (b"a: 1\nx: y: z\n", ":2: mapping values are not allowed here; a text with ': '"),
        (b"a: [1, 2\n", ":2: "),
        (b"a: \0\n", ":1: "),
        (LAUGHS.encode(), ":1: is too large once its anchors are written out"),
        (b"a: " + b"[" * 400 + b"]" * 400, "is nested too deeply"),
        (b"a: &a [*a]\n", ":1: "),
        (b"a: !!python/object/apply:os.system [ls]\n", ":1: could not determine a constructor"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(str(path))) as refused:
        read_yaml(path)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "content", [b"", b"# nothing\n", b"\xef\xbb\xbfa: 1\n", "a: 日本\n".encode()]
)
def test_what_is_right_is_read(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    assert read_yaml(path) in ({}, {"a": 1}, {"a": "日本"})


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Is a directory"):
        read_yaml(tmp_path)
