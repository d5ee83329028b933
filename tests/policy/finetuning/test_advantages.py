"""How good each chunk was, worked by hand."""

import torch

from policy.finetuning.advantages import advantages


def test_the_raw_advantage_is_the_chunks_own_return() -> None:
    rewards = torch.randn(3, 2)
    given = advantages(rewards, torch.ones(3, 2, dtype=torch.bool), "chunk_return")
    assert torch.equal(given, rewards)


def test_return_to_go_worked_by_hand() -> None:
    rewards = torch.tensor([[1.0, 0.0], [0.0, 2.0], [4.0, 0.0]])
    valid = torch.ones(3, 2, dtype=torch.bool)
    to_go = torch.tensor([[5.0, 2.0], [4.0, 2.0], [4.0, 0.0]])
    centred = to_go - to_go.mean(dim=1, keepdim=True)
    given = advantages(rewards, valid, "return_to_go")
    torch.testing.assert_close(given, centred / to_go.std())
    torch.testing.assert_close(given.sum(dim=1), torch.zeros(3))


def test_what_was_not_played_has_no_advantage() -> None:
    rewards = torch.tensor([[1.0, 1.0], [3.0, 9.0]])
    valid = torch.tensor([[True, True], [True, False]])
    given = advantages(rewards, valid, "return_to_go")
    assert given[1].tolist() == [0.0, 0.0]  # Alone at that time: equal to its own mean.
    assert given[0, 0] > 0 > given[0, 1]


def test_episodes_that_began_alike_are_compared_with_each_other_alone() -> None:
    rewards = torch.tensor([[1.0, 3.0, 90.0, 50.0, 70.0]])
    starts = torch.tensor([8, 8, 5, 5, 5])
    valid = torch.ones(1, 5, dtype=torch.bool)
    given = advantages(rewards, valid, "return_to_go", starts)
    centred = torch.tensor([[-1.0, 1.0, 20.0, -20.0, 0.0]])
    torch.testing.assert_close(given, centred / centred.std())
    easier = advantages(rewards + 40 * (starts == 8), valid, "return_to_go", starts)
    torch.testing.assert_close(easier, given)  # An easier start changes nothing.


def test_of_those_alike_only_what_was_played_counts() -> None:
    rewards = torch.tensor([[1.0, 5.0, 2.0, 2.0], [3.0, 99.0, 4.0, 6.0]])
    valid = torch.tensor([[True] * 4, [True, False, True, True]])
    given = advantages(rewards, valid, "return_to_go", torch.tensor([1, 1, 2, 2]))
    assert given[1, :2].tolist() == [0.0, 0.0]  # Alone at that time; the other was not played.
    assert given[0, 1] > given[0, 0]
    assert given[1, 2] == -given[1, 3] < 0
