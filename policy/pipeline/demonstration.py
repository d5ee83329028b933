"""The words that end a demonstration."""

import logging
from dataclasses import dataclass

from datasets.cards.card import outcomes
from datasets.store.store import EpisodeStore
from policy.pipeline.config import TrainConfig
from policy.rollouts.evaluation_file import guided, read_evaluation

logger = logging.getLogger(__name__)

PLANNERS = {
    "pretrain": "pre-trained planner",
    "finetune": "fine-tuned planner",
    guided("finetune"): "the same with its critics",
}


@dataclass(frozen=True)
class DemoConfig:
    """The overrides of `collect` and `train` that make the demonstration small."""

    collect: tuple[str, ...]
    train: tuple[str, ...]


def conclude(config: TrainConfig) -> None:
    """Say what was reached and where to look."""
    known = outcomes(EpisodeStore.open(config.data[0]))
    logger.info("")
    logger.info(
        "recorded data: %.0f%% of %d episodes succeed",
        100 * known.successes.mean(),
        len(known.returns),
    )
    for stage, name in PLANNERS.items():
        evaluation = read_evaluation(config.out, stage)
        if evaluation is not None:
            logger.info("%s: %s", name, evaluation)
    logger.info("look at %s (no network needed)", config.out / "report.html")
