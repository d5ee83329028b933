"""Windows: DP3's rules, checked by hand and against a slow reading of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.collection.further import Asked, load_further, returns_to_go
from datasets.episode import Episode
from datasets.store.store import EpisodeStore
from datasets.windows import load_windows, window_rows
from perception.errors import InputError
from tests.helpers.made_up import PLAIN, attributes, episode, write


def test_one_case_by_hand() -> None:
    rows = window_rows(np.array([5, 8]), history=2, horizon=4, chunk=3)
    # Windows start one step before an episode and end two after it.
    assert rows.tolist() == [
        [0, 0, 1, 2], [0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 4], [3, 4, 4, 4],
        [5, 5, 6, 7], [5, 6, 7, 7], [6, 7, 7, 7],
    ]  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=5),
    history=st.integers(1, 3),
    chunk=st.integers(1, 8),
    spare=st.integers(0, 4),
)
def test_windows_stay_inside_their_episode_and_see_every_step(
    lengths: list[int], history: int, chunk: int, spare: int
) -> None:
    horizon = history - 1 + chunk + spare
    ends = np.cumsum(lengths)
    rows = window_rows(ends, history=history, horizon=horizon, chunk=chunk)
    episode_of = np.searchsorted(ends, rows, side="right")
    assert (episode_of == episode_of[:, :1]).all()
    steps = np.diff(rows, axis=1)
    assert ((steps == 0) | (steps == 1)).all()
    # DP3's count: length - horizon + (history - 1) + (chunk - 1) + 1, none where that is negative.
    expected = sum(max(0, n - horizon + history - 1 + chunk) for n in lengths)
    assert len(rows) == expected


def test_a_chunk_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="holds 3 actions"):
        window_rows(np.array([9]), history=2, horizon=4, chunk=4)


def test_a_batch_is_what_was_recorded(tmp_path: Path) -> None:
    episodes = [episode(12, 0), episode(9, 1)]
    write(tmp_path / "s.zarr", *episodes)
    windows = load_windows([tmp_path / "s.zarr"], history=2, horizon=4, chunk=3)
    assert len(windows) == 21
    batch = windows[torch.tensor([0, 5, 12])]
    assert batch.observations.points.shape == (3, 2, 64, 3)
    points, actions = episodes[0].points, episodes[0].recording.actions
    np.testing.assert_array_equal(batch.observations.points[1], points[4:6])
    np.testing.assert_array_equal(batch.actions[1], actions[4:8])
    np.testing.assert_array_equal(batch.actions[0], actions[[0, 0, 1, 2]])
    np.testing.assert_array_equal(batch.actions[2], episodes[1].recording.actions[[0, 0, 1, 2]])


def test_a_batch_is_what_indexing_gives(tmp_path: Path) -> None:
    write(tmp_path / "s.zarr", episode(12, 0), episode(9, 1))
    windows = load_windows([tmp_path / "s.zarr"], history=2, horizon=4, chunk=3)
    index = torch.randint(len(windows), (50,), generator=torch.Generator().manual_seed(0))
    batch, rows = windows[index], windows.rows[index]
    assert torch.equal(batch.actions, windows.actions[rows])
    seen = vars(windows.observations)
    kept = {name: values for name, values in seen.items() if values is not None}
    for name, values in kept.items():
        assert torch.equal(getattr(batch.observations, name), values[rows[:, :2]])


def test_several_stores_follow_one_another(tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", episode(10, 0))
    write(tmp_path / "b.zarr", episode(10, 1))
    windows = load_windows(
        [tmp_path / "a.zarr", tmp_path / "b.zarr"], history=1, horizon=4, chunk=4
    )
    np.testing.assert_array_equal(windows.actions[10:], episode(10, 1).recording.actions)
    assert windows.rows.max() == 19


def test_decoded_clouds_can_lie_in_a_memory_map(tmp_path: Path) -> None:
    write(tmp_path / "s.zarr", episode(12))
    plan = {"history": 2, "horizon": 4, "chunk": 3}
    mapped = load_windows([tmp_path / "s.zarr"], memory_map=tmp_path / "decoded", **plan)
    plain = load_windows([tmp_path / "s.zarr"], **plan)
    assert (tmp_path / "decoded" / "point_cloud.npy").exists()
    assert torch.equal(mapped.observations.points, plain.observations.points)


@pytest.mark.parametrize("name", ["points", "states", "actions"])
def test_not_a_number_is_named(tmp_path: Path, name: str) -> None:
    spoilt = episode(12)
    target = spoilt.points if name == "points" else getattr(spoilt.recording, name)
    target[7, 0] = np.nan
    write(tmp_path / "s.zarr", spoilt)
    with pytest.raises(InputError, match="NaN"):
        load_windows([tmp_path / "s.zarr"], history=2, horizon=4, chunk=3)


def test_stores_of_other_shapes_do_not_mix(tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", episode(10))
    other = episode(10)
    with EpisodeStore.writing(tmp_path / "b.zarr", PLAIN, attributes()) as store:
        store.append(Episode(other.recording, other.points[:, :32]))
    with pytest.raises(InputError, match="differ in the shape of data/point_cloud"):
        load_windows([tmp_path / "a.zarr", tmp_path / "b.zarr"], history=2, horizon=4, chunk=3)


def test_some_windows_are_spread_over_all(tmp_path: Path) -> None:
    write(tmp_path / "s.zarr", episode(12))
    windows = load_windows([tmp_path / "s.zarr"], history=2, horizon=4, chunk=3)
    assert torch.equal(windows.some(3).rows, windows.rows[[0, len(windows) // 2, -1]])
    assert torch.equal(windows.some(10_000).rows, windows.rows)


def rewarded(steps: int, reward: float | None) -> Episode:
    made = episode(steps, seed=steps)
    rewards = None if reward is None else np.full(steps, reward, np.float32)
    return replace(made, recording=replace(made.recording, rewards=rewards))


def test_returns_are_discounted_and_shared_by_the_steps_that_are_left() -> None:
    rewards = np.array([1, 0, 2, 4], np.float32)
    found = returns_to_go(rewards, np.array([3, 4]), np.array([5, 5]), 0.5)
    assert found.tolist() == pytest.approx([1.5 / 5, 1 / 4, 2 / 3, 4 / 5])


def test_prompts_come_from_the_best_episodes_of_each_task(tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", rewarded(5, 1.0), rewarded(6, 3.0), rewarded(4, 2.0))
    write(tmp_path / "b.zarr", rewarded(8, 2.5))
    paths = [tmp_path / "a.zarr", tmp_path / "b.zarr"]
    found = load_further(paths, Asked(1.0, prompt=3, examples=2))
    assert found.prompts is not None
    assert found.returns is not None
    assert found.prompts.names == ("made-up",)
    assert found.prompts.ends.tolist() == [5, 11, 15, 23]
    assert found.prompts.shown.tolist() == [False, True, False, True]  # Of returns 18 and 20.
    assert found.returns[0] == pytest.approx(5 / 8)  # The longest episode has 8 steps.
    rows = found.prompts.beside(torch.tensor([7, 20]).repeat(20), torch.rand(40, 2))
    assert rows[0::2].min() >= 15  # Step 7 is of the second episode.
    assert rows[1::2].min() >= 5
    assert rows[1::2].max() < 11


def test_data_without_rewards_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", rewarded(5, None))
    with pytest.raises(InputError, match=r"has no data/reward"):
        load_further([tmp_path / "a.zarr"], Asked(0.99))
