"""What is looked at while a planner learns: no number that it learns depends on it."""

from collections.abc import Callable
from dataclasses import dataclass

from datasets.windows import Windows
from policy.planner.policy import Policy
from policy.pretraining.learner import Learner
from policy.rollouts.evaluation import Evaluation


@dataclass(frozen=True)
class Looks:
    """What is looked at along the way.

    Attributes:
        held_out: Windows that are not learned from; their loss is noted where states are saved.
        play: Evaluates a planner, every `PretrainConfig.evaluate_every` steps.
    """

    held_out: Windows | None = None
    play: Callable[[Policy], Evaluation] | None = None

    def at(self, learner: Learner, windows: Windows) -> dict[str, float]:
        """Give what is due after a learner's newest step, by metric name.

        Args:
            learner: Its average planner is looked at, as the one that acts.
            windows: What it learns from; a planner may keep some of them to act by.
        """
        config, step, values = learner.config, learner.step, dict[str, float]()
        if self.held_out is not None and learner.is_saved:
            values |= learner.held_out(self.held_out)
        if self.play is not None and config.evaluate_every and step % config.evaluate_every == 0:
            planner = learner.average.planner
            planner.remember(windows)
            values |= self.play(planner).noted_as("evaluation")
        return values


NOTHING = Looks()
