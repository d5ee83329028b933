"""What fine-tuning remembers: the newest episodes, the best, and both on disk, old or new."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from perception.errors import InputError
from policy.finetuning.buffers import ReplayBuffer, TargetBuffer
from policy.finetuning.states import as_written_now, read_experience
from tests.helpers.made_up_rollout import made_up_rollout

Written = Callable[[dict[str, Any]], dict[str, Any]]


def test_the_target_buffer_keeps_successes_and_until_then_the_best() -> None:
    buffer = TargetBuffer(capacity=3, top=2)
    buffer.add(made_up_rollout([False, False, False], [1.0, 5.0, 3.0]))
    assert sorted(e.episode_return for e in buffer.episodes) == [3.0, 5.0]
    buffer.add(made_up_rollout([True, False], [2.0, 9.0]))
    # One success, and the best of the others until two have succeeded.
    assert [(e.success, e.episode_return) for e in buffer.episodes] == [(False, 9.0), (True, 2.0)]
    buffer.add(made_up_rollout([True, True, True], [4.0, 5.0, 6.0]))
    assert [e.episode_return for e in buffer.episodes] == [4.0, 5.0, 6.0]  # The oldest left.
    assert buffer.successes == 3
    chunks = buffer.chunks()
    assert chunks.contexts.shape == (6, 5)
    assert chunks.plans.shape == (6, 4, 3)


def test_what_led_to_a_success_alone_is_imitated_where_that_is_asked_for() -> None:
    rollout = made_up_rollout([True, False], [2.0, 1.0])
    cut = replace(rollout.episodes, until_success=torch.tensor([1, 2]))
    rollout = replace(rollout, episodes=cut)
    for asked, chunks in ((True, [0, 1, 1]), (False, [0, 0, 1, 1])):
        buffer = TargetBuffer(capacity=3, top=2, until_success=asked)
        buffer.add(rollout)
        assert sorted(buffer.chunks().contexts[:, 0].tolist()) == chunks


def test_the_replay_buffer_keeps_the_newest_and_compares_them_together() -> None:
    buffer = ReplayBuffer(capacity=3)
    buffer.add(made_up_rollout([False, False], [1.0, 5.0]))
    assert buffer.experience("chunk_return").advantages.tolist() == [1.0, 5.0, 0.0, 0.0]
    buffer.add(made_up_rollout([False, True], [2.0, 3.0], chunks=1))
    experience = buffer.experience("chunk_return")
    assert experience.advantages.tolist() == [5.0, 2.0, 3.0, 0.0]
    assert len(experience.chunks.contexts) == len(experience.samples) == 4
    to_go = buffer.experience("return_to_go").advantages
    assert to_go[:3].sum().item() == pytest.approx(0, abs=1e-5)
    other = ReplayBuffer(capacity=3)
    other.load(buffer.state())
    again = other.experience("chunk_return").advantages
    assert torch.equal(again, experience.advantages)


def state() -> dict[str, Any]:
    """Give a training state as it is written now."""
    replay, target = ReplayBuffer(4), TargetBuffer(4, 2)
    for buffer in (replay, target):
        buffer.add(made_up_rollout([False, True], [1.0, 5.0]))
    own = {"gradient_steps": 3, "optimizer": {}, "generator": torch.zeros(1)}
    algorithm = {**own, "replay": replay.state(), "target": target.state()}
    return {"step": 6, "env_steps": 9, "seconds": 1.0, "planner": {}, "algorithm": algorithm}


def as_written_before(state: dict[str, Any]) -> dict[str, Any]:
    """Write it as it was written when the algorithm had no part of its own."""

    def renamed(values: dict[str, Any]) -> dict[str, Any]:
        names = {"valid": "played", "robot_state": "state"}
        return {names.get(name, name): value for name, value in values.items()}

    algorithm = dict(state["algorithm"])
    replay = algorithm["replay"]
    algorithm["replay"] = renamed({**replay["chunks"], **replay["episodes"]})
    algorithm["target"] = [{**e, "chunks": renamed(e["chunks"])} for e in algorithm["target"]]
    return {**{k: v for k, v in state.items() if k != "algorithm"}, **algorithm}


def test_a_training_state_from_before_is_read_as_one_of_now() -> None:
    now = state()
    assert as_written_now(now) == now
    before = as_written_before(now)
    assert "played" in before["replay"]
    again = as_written_now(before)
    assert {**again, "algorithm": None} == {**now, "algorithm": None}
    one, other = ReplayBuffer(4), ReplayBuffer(4)
    one.load(now["algorithm"]["replay"])
    other.load(again["algorithm"]["replay"])
    chances = [buffer.experience("return_to_go").advantages for buffer in (one, other)]
    assert torch.equal(*chances)
    target = TargetBuffer(4, 2)
    target.load(again["algorithm"]["target"])
    assert target.successes == 1


@pytest.mark.parametrize("written", [dict, as_written_before])
def test_experience_is_read_from_states_old_and_new(
    written: Callable[[dict[str, Any]], dict[str, Any]], tmp_path: Path
) -> None:
    path = tmp_path / "state.pt"
    torch.save(written(state()), path)
    replay, target = read_experience(path, by_start=False)
    assert replay["episodes"]["starts"].tolist() == [0, 1]
    assert len(target) == 2
    with pytest.raises(InputError, match="no two episodes began alike"):
        read_experience(path, by_start=True)


def test_what_is_no_experience_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    with pytest.raises(InputError, match="There is no experience"):
        read_experience(path, by_start=False)
    path.write_text("no state")
    with pytest.raises(InputError, match="is not a training state"):
        read_experience(path, by_start=False)
    torch.save({"step": 3}, path)
    with pytest.raises(InputError, match="is not the state of a fine-tuning"):
        read_experience(path, by_start=False)
    before = as_written_before(state())
    torch.save({**before, "replay": {"rewards": before["replay"]["rewards"]}}, path)
    with pytest.raises(InputError, match="is another version's"):
        read_experience(path, by_start=False)
