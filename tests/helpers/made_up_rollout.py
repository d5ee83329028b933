"""A rollout of two chunks an episode, made up: only returns and successes mean anything."""

import torch

from policy.rollouts.rollout import ChunkData, EpisodeData, Rollout


def made_up_rollout(successes: list[bool], returns: list[float], chunks: int = 2) -> Rollout:
    """Make episodes that earn everything in their first chunk."""
    count, won = len(successes), torch.tensor(successes)
    earned = torch.tensor(returns).view(1, count) * torch.tensor([[1.0], [0.0]])
    data = ChunkData(
        contexts=torch.arange(count).float().view(1, count, 1).expand(2, count, 5),
        features=torch.zeros(2, count, 0),
        points=torch.zeros(2, count, 0, 4, 3),
        robot_state=torch.zeros(2, count, 0, 24),
        plans=torch.zeros(2, count, 4, 3),
        candidates=torch.zeros(2, count, 0, 4, 3),
        means=torch.zeros(2, count, 1, 4, 3),
        samples=torch.zeros(2, count, 2, 4, 3),
        rewards=earned,
        valid=torch.ones(2, count, dtype=torch.bool),
    )
    shortened = ChunkData(**{name: part[:chunks] for name, part in vars(data).items()})
    lengths, starts = torch.full((count,), chunks), torch.arange(count)
    episodes = EpisodeData(won, won, won, lengths, starts, until_success=lengths)
    return Rollout(shortened, episodes)
