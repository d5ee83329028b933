"""Minari's folder, read back by Minari itself."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasets.formats import to_minari
from tests.formats.in_hdf5.test_robomimic_and_back import written
from tests.formats.test_convert_out import made_store, pictured_store

minari: Any = pytest.importorskip("minari")  # The extra `convert`.


def test_minari_reads_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = pictured_store(tmp_path)
    to_minari.write(store, tmp_path / "door-v0")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    dataset = minari.load_dataset("door-v0")
    assert (dataset.total_episodes, dataset.total_steps) == (3, 36)
    camera = next(iter(store.attributes["cameras"]))
    seen = {
        "state": "state", "point_cloud": "point_cloud",
        f"{camera}_image": "img", f"{camera}_depth": "depth",
    }  # fmt: skip
    for index, one in enumerate(dataset.iterate_episodes()):
        rows = store.rows(index)
        assert one.observations.keys() == seen.keys()
        for key, name in seen.items():
            values = store.read(name, rows)
            np.testing.assert_array_equal(one.observations[key][:-1], values)
            np.testing.assert_array_equal(one.observations[key][-1], values[-1])
            assert dataset.observation_space[key].contains(values[0]), key
        np.testing.assert_array_equal(one.actions, store.read("action", rows))
        np.testing.assert_array_equal(one.rewards, store.read("reward", rows))
        np.testing.assert_array_equal(one.infos["success"][1:], store.read("success", rows))
        np.testing.assert_array_equal(one.infos["sim_state"][:-1], store.read("sim_state", rows))
        assert dataset.action_space.contains(one.actions[0])
        assert one.truncations.tolist() == [False] * 11 + [True]
        assert not one.terminations.any()
    seeds = [one["seed"] for one in dataset.storage.get_episode_metadata(range(3))]
    assert seeds == store.read("meta/seed").tolist()


def test_true_ends_are_terminations(tmp_path: Path) -> None:
    to_minari.write(written(tmp_path / "s.zarr", terminals=True), tmp_path / "out")
    ends = [
        (bool(one.terminations[-1]), bool(one.truncations[-1]))
        for one in minari.MinariDataset(tmp_path / "out/data").iterate_episodes()
    ]
    assert ends == [(False, True), (True, False), (False, True)]


def test_what_was_never_recorded_is_no_number(tmp_path: Path) -> None:
    to_minari.write(made_store(tmp_path / "s.zarr", bare=True), tmp_path / "out")
    dataset = minari.MinariDataset(tmp_path / "out/data")
    one = next(iter(dataset.iterate_episodes()))
    assert np.isnan(one.rewards).all()
    assert list(one.observations) == ["state"]
    said = json.loads((tmp_path / "out/data/metadata.json").read_text(encoding="utf-8"))
    assert said["made_from"]["task"] == "made-up"
