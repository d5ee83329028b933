"""The rollouts that fine-tuning begins with: a search for successes to learn from."""

import logging
from dataclasses import dataclass, field
from typing import Any

from perception.errors import InputError
from policy.finetuning.config import FinetuneConfig
from policy.rollouts.rollout import Rollout

logger = logging.getLogger(__name__)


@dataclass
class Search:
    """How far the search is.

    Attributes:
        successes: Whether each episode succeeded, so far.
        returns: What each earned.
        over: Whether it has ended, by its own rules; not by the end of all episodes.
    """

    successes: list[bool] = field(default_factory=list)
    returns: list[float] = field(default_factory=list)
    over: bool = False

    def room(self, config: FinetuneConfig, played: int) -> int:
        """Say how many more episodes it may play, `played` before in this round."""
        return min(config.initial_limit, config.episodes) - played

    def note(self, rollout: Rollout, config: FinetuneConfig, played: int) -> None:
        """Note episodes; the search ends with enough successes, or after enough episodes."""
        self.successes += map(bool, rollout.episodes.successes)
        self.returns += map(float, rollout.returns)
        self.over = sum(self.successes) >= config.initial_episodes or played >= config.initial_limit

    def tell(self, remembered: float | None) -> None:
        """Say it where no episode succeeded, and of how many best ones is learned instead."""
        if not any(self.successes):
            best = "" if remembered is None else f"{remembered:.0f} "
            count = len(self.successes)
            logger.info("no success in %d rollouts, learning from the %sbest returns", count, best)

    def state(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        return dict(vars(self))


def fewest_episodes(config: FinetuneConfig, envs: int) -> int:
    """Say how many episodes a search takes at least, if all of them succeed."""
    rollouts = -(-config.initial_episodes // envs)
    return min(rollouts * envs, config.initial_limit)


def check_budget(config: FinetuneConfig, envs: int) -> None:
    """Refuse fewer episodes than the search for successes takes at best.

    Raises:
        InputError: Nothing could be learned.
    """
    fewest = fewest_episodes(config, envs)
    if config.experience is None and config.episodes <= fewest:
        raise InputError(
            f"finetune.episodes={config.episodes} leaves nothing to learn from: the rollouts at the"
            f" beginning (finetune.initial_episodes={config.initial_episodes}, envs={envs},"
            f" finetune.initial_limit={config.initial_limit}) count too and take {fewest} or more;"
            " give more episodes, or a lower finetune.initial_limit"
        )


def nothing_learned(search: Search, config: FinetuneConfig) -> str:
    """Say why no gradient step was taken, and what to change."""
    return (
        f"No gradient step was taken: all {config.episodes} episodes were played in search of"
        f" finetune.initial_episodes={config.initial_episodes} successes"
        f" ({sum(search.successes)} found). Give more finetune.episodes, and the same command goes"
        f" on; or a finetune.initial_limit below {config.episodes} in another out="
    )
