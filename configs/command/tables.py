"""Tables of values by task, each a file beside the tasks: `configs/env/_metaworld-boxes.yaml`.

A YAML says `row(metaworld-boxes, ${..task}, 0)` for the first value of the task's row; a task that
has none takes the row `any`.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any

from configs.command.groups import file_of
from configs.command.overrides import Texts
from configs.command.own_yaml import read_yaml
from perception.errors import InputError

ROW = re.compile(r"row\(([\w-]+), (.*), (\d)\)", re.DOTALL)
OTHERS = "any"


def table(name: str) -> dict[str, Any]:
    """Give the rows of a table; there are none where there is no such file.

    Raises:
        InputError: The file is broken.
    """
    path = file_of("env", f"_{name}")
    return _read(path) if path.is_file() else {}


@cache
def _read(path: Path) -> dict[str, Any]:
    return read_yaml(path)


def with_rows(values: Any, texts: Texts) -> Any:  # noqa: ANN401
    """Put the values that stand in tables into a nest of values, and texts in place of tokens.

    What a user typed is still a token here, so that nobody's text is taken for a row.

    Raises:
        InputError: A table lacks the value.
    """
    if isinstance(values, dict):
        return {key: with_rows(value, texts) for key, value in values.items()}
    match = ROW.fullmatch(values) if isinstance(values, str) else None
    if match is None:
        return texts.put_back(values)
    return _value(match[1], str(texts.put_back(match[2])), int(match[3]))


def _value(name: str, key: str, index: int) -> Any:  # noqa: ANN401
    rows = table(name)
    row = rows.get(key, rows.get(OTHERS))
    if not isinstance(row, list) or index >= len(row):
        file = file_of("env", f"_{name}")
        raise InputError(f"{file}: has no row of {index + 1} values for {key}, and none for others")
    return row[index]
