"""Bands over seeds, paths of the hand, chunks laid out by t-SNE, and the files they come from."""

from pathlib import Path

import numpy as np
import pytest

from perception.errors import InputError
from policy.reports.bands import band
from policy.reports.paths_and_chunks import embed, largest_spread
from policy.reports.traces import Traces, read_traces


def test_a_band_covers_what_all_seeds_cover() -> None:
    early = (np.array([10.0, 20.0, 30.0]), np.array([0.0, 0.2, 0.4]))
    late = (np.array([15.0, 25.0, 35.0]), np.array([1.0, 1.0, 1.0]))
    steps, values = band([early, late])
    np.testing.assert_array_equal(steps, [15, 20, 25, 30])
    np.testing.assert_allclose(values, [[0.1, 0.2, 0.3, 0.4], [1, 1, 1, 1]])
    np.testing.assert_array_equal(band([early])[1][0], early[1])


def test_paths_are_shown_where_they_spread() -> None:
    rng = np.random.default_rng(0)
    paths = rng.normal(size=(5, 9, 3)) * [1.0, 0.01, 3.0]
    paths[0, 4:] = np.nan
    found = Traces(paths, np.ones(5, bool), np.zeros((1, 4, 2)))
    assert largest_spread([found]) == (0, 2)


def test_chunks_are_laid_out_alike_each_time_and_apart_where_they_differ() -> None:
    rng = np.random.default_rng(0)
    chunks = {"a": rng.normal(size=(60, 4, 3)), "b": rng.normal(size=(50, 4, 3)) + 20}
    places, owners = embed(chunks)
    np.testing.assert_array_equal(places, embed(chunks)[0])
    assert [int((owners == i).sum()) for i in (0, 1)] == [60, 50]
    own = np.linalg.norm(places[:, None] - places[None], axis=-1) + 1e9 * np.eye(110)
    assert (owners[own.argmin(1)] == owners).all()  # The nearest plan is one of the same variant.
    with pytest.raises(InputError, match="different shapes"):
        embed({"a": chunks["a"], "b": np.zeros((5, 3, 3))})


def test_traces_without_an_array_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "seed0.npz"
    np.savez(path, paths=np.zeros((2, 3, 3)), successes=np.zeros(2, bool))
    with pytest.raises(InputError, match="lacks chunks; there are paths, successes"):
        read_traces(path)
    np.savez(path, paths=np.zeros((2, 3)), successes=np.zeros(2), chunks=np.zeros((1, 2, 3)))
    with pytest.raises(InputError, match="paths must be"):
        read_traces(path)
