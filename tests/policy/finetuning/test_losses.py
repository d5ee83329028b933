"""The fine-tuning losses, worked by hand."""

import pytest
import torch

from policy.finetuning.losses import chunk_weights, improvement_loss


def test_the_clipped_loss_worked_by_hand() -> None:
    old = torch.zeros(4)
    new = torch.tensor([0.5, 0.5, -0.5, -0.5]).exp().log()  # Ratios e^0.5 and e^-0.5.
    weights = torch.tensor([1.0, -1.0, 1.0, -1.0])
    up, down = float(torch.tensor(0.5).exp()), float(torch.tensor(-0.5).exp())
    # min(w r, w clip(r)): gains are cut at 1.2, losses are not.
    terms = [1.2, -up, down, -0.8]
    result = improvement_loss(new, old, weights, clip=0.2)
    assert result.loss.item() == pytest.approx(-sum(terms) / 4)
    assert result.clipped.item() == 1.0


def test_where_nothing_changed_the_gradient_is_the_policy_gradient() -> None:
    log_probs = torch.randn(6, requires_grad=True)
    weights = torch.randn(6)
    result = improvement_loss(log_probs, log_probs.detach(), weights, clip=0.02)
    result.loss.backward()
    assert result.ratio.item() == pytest.approx(1.0)
    assert result.clipped.item() == 0.0
    torch.testing.assert_close(log_probs.grad, -weights / 6)


def test_beyond_the_clip_a_good_step_gives_no_gradient_and_a_bad_one_does() -> None:
    log_probs = torch.tensor([0.5, 0.5], requires_grad=True)
    weights = torch.tensor([1.0, -1.0])
    improvement_loss(log_probs, torch.zeros(2), weights, clip=0.2).loss.backward()
    assert log_probs.grad is not None
    assert log_probs.grad[0] == 0
    assert log_probs.grad[1] > 0


def test_the_raw_weight_is_the_chunks_own_return() -> None:
    rewards = torch.randn(3, 2)
    weights = chunk_weights(rewards, torch.ones(3, 2, dtype=torch.bool), "chunk_return")
    assert torch.equal(weights, rewards)


def test_return_to_go_worked_by_hand() -> None:
    rewards = torch.tensor([[1.0, 0.0], [0.0, 2.0], [4.0, 0.0]])
    played = torch.ones(3, 2, dtype=torch.bool)
    to_go = torch.tensor([[5.0, 2.0], [4.0, 2.0], [4.0, 0.0]])
    centred = to_go - to_go.mean(dim=1, keepdim=True)
    weights = chunk_weights(rewards, played, "return_to_go")
    torch.testing.assert_close(weights, centred / to_go.std())
    torch.testing.assert_close(weights.sum(dim=1), torch.zeros(3))


def test_what_was_not_played_has_no_weight() -> None:
    rewards = torch.tensor([[1.0, 1.0], [3.0, 9.0]])
    played = torch.tensor([[True, True], [True, False]])
    weights = chunk_weights(rewards, played, "return_to_go")
    assert weights[1].tolist() == [0.0, 0.0]  # Alone at that time: equal to its own mean.
    assert weights[0, 0] > 0 > weights[0, 1]


def test_episodes_that_began_alike_are_compared_with_each_other_alone() -> None:
    rewards = torch.tensor([[1.0, 3.0, 90.0, 50.0, 70.0]])
    starts = torch.tensor([8, 8, 5, 5, 5])
    played = torch.ones(1, 5, dtype=torch.bool)
    weights = chunk_weights(rewards, played, "return_to_go", starts)
    centred = torch.tensor([[-1.0, 1.0, 20.0, -20.0, 0.0]])
    torch.testing.assert_close(weights, centred / centred.std())
    easier = chunk_weights(rewards + 40 * (starts == 8), played, "return_to_go", starts)
    torch.testing.assert_close(easier, weights)  # An easier start is no merit.


def test_of_those_alike_only_what_was_played_counts() -> None:
    rewards = torch.tensor([[1.0, 5.0, 2.0, 2.0], [3.0, 99.0, 4.0, 6.0]])
    played = torch.tensor([[True] * 4, [True, False, True, True]])
    weights = chunk_weights(rewards, played, "return_to_go", torch.tensor([1, 1, 2, 2]))
    assert weights[1, :2].tolist() == [0.0, 0.0]  # Alone at that time; the other was not played.
    assert weights[0, 1] > weights[0, 0]
    assert weights[1, 2] == -weights[1, 3] < 0
