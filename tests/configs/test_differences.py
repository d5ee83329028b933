"""What differs is a short list of keys, however much there is behind them."""

from configs.build import differences


def test_what_differs_is_named_key_by_key() -> None:
    there = {"a": 1, "b": {"c": 2, "d": [1, 2]}, "same": 0}
    here = {"a": 1, "b": {"c": 3, "d": [1, 2]}, "same": 0, "new": True}
    assert list(differences(there, here)) == ["b.c: 2 -> 3", "new: None -> True"]


def test_a_long_value_is_cut() -> None:
    (line,) = differences({"env": {str(n): n for n in range(200)}}, {"env": None})
    assert line.startswith("env: {'0': 0, '1': 1")
    assert line.endswith("... -> None")
    assert len(line) < 90
