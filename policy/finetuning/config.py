"""How to fine-tune: every key of `finetune`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from configs.kinds import Kind, OneOf
from configs.ranges import Count, Players, Positive, Rate, Whole, above, require
from policy.finetuning.advantages import Advantage
from policy.runs.device import Precision

ALGORITHMS = "policy.finetuning.algorithms"


@dataclass(frozen=True)
class FinetuneConfig:
    """How to fine-tune. Names of the paper in brackets.

    Attributes:
        algorithm: Which algorithm learns, and its own keys.
        init: Begin with the `pretrained` denoiser, or from `scratch`; the rollouts at the beginning
            are the pre-trained planner's either way (Appendix C.2), and so is the encoder.
        experience: The state of a finished fine-tuning (`finetune-state.pt`), whose buffers are
            learned from without playing (Appendix C.1, offline); None plays.
        episodes: Online episodes in all, those at the beginning included.
        episodes_per_round: After so many, if as many are left, what is remembered is learned to
            the end (`finish`), and all but the planner begins anew: buffers, critics, optimiser,
            search. 0, or where nothing is played: one round.
        initial_episodes: Successful episodes to roll out at the beginning (N_init).
        initial_limit: Rollouts after which their search ends.
        gradient_steps: Updates per episode (p_step).
        learning_rate: Of Adam at the beginning.
        last_learning_rate: At the end; it decays exponentially in between.
        advantage: How good a chunk was; see `advantages`.
        group_size: Episodes that begin alike. Where several do, `return_to_go` compares them
            with each other alone.
        replay_capacity: Newest episodes that are learned from (B).
        target_capacity: Episodes in the target buffer.
        target_top: While fewer succeeded, the best returns fill it (n).
        imitated_until: How much of a successful episode is imitated: all of it (`end`), or, where a
            task is done once its goal is reached at any step, what led to that (`success`).
        gradient_norm: Largest norm of the gradient.
        largest_ratio: A mean ratio beyond this stops the run.
        evaluate_every: Episodes between evaluations along the way; 0 for none.
        evaluate_episodes: Episodes of each of them.
        precision: Of the matrix products in the planner's losses, as in `PretrainConfig`.
    """

    algorithm: Annotated[Kind, OneOf(ALGORITHMS)]
    init: Literal["pretrained", "scratch"]
    experience: Path | None
    episodes: Count
    initial_episodes: Count
    initial_limit: Count
    gradient_steps: Count
    learning_rate: Rate
    last_learning_rate: Rate
    advantage: Advantage
    group_size: Players
    replay_capacity: Count
    target_capacity: Count
    target_top: Count
    gradient_norm: Positive
    largest_ratio: Annotated[float, above(1)]
    evaluate_every: Whole
    evaluate_episodes: Count
    precision: Precision = "float32"
    imitated_until: Literal["end", "success"] = "end"
    episodes_per_round: Whole = 0

    def __post_init__(self) -> None:
        compared = self.group_size == 1 or self.advantage == "return_to_go"
        require(compared, f"@group_size={self.group_size} goes with @advantage=return_to_go")
        first = self.round_end(0, 0)
        searched = first == self.episodes or self.initial_limit < first
        require(searched, f"@initial_limit={self.initial_limit} is to be less than a round")

    def round_end(self, start: int, played: int) -> int:
        """Say at which episode a round ends: with the run, unless another whole one follows.

        Args:
            start: The episode that it began with.
            played: Episodes so far; beyond its length where a run was made longer.
        """
        length = self.episodes_per_round if self.experience is None else 0
        end = max(start + length, played)
        return end if length and end + length <= self.episodes else self.episodes
