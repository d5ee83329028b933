"""An episode on its way: its steps so far."""

from dataclasses import replace

import numpy as np

from datasets.cameras.alike import Alike
from datasets.cameras.frames import Limits, check_stamp
from datasets.cameras.steps import Step
from datasets.episode import Episode, Recording
from perception.errors import InputError

BEGIN_ANEW = "the episode would have a hole; begin() anew"


class Draft:
    """Steps of one episode, each like the first.

    Args:
        alike: What they must agree in; None: the first decides.
        most: Steps that are taken.
    """

    def __init__(self, alike: Alike | None, most: int) -> None:
        self.alike, self._most = alike, most
        self._steps: list[Step] = []

    def __len__(self) -> int:
        return len(self._steps)

    @property
    def first(self) -> Step:
        """Its first step."""
        return self._steps[0]

    def check_stamp(self, stamp: float | None, limits: Limits) -> None:
        """Refuse a frame that came late, or after others were dropped.

        Raises:
            InputError: It did.
        """
        last = self._steps[-1].stamp if self._steps else None
        check_stamp(stamp, last, limits, BEGIN_ANEW)

    def add(self, step: Step) -> None:
        """Take a step.

        Raises:
            InputError: It is unlike those before, or too many.
        """
        if len(self) >= self._most:
            raise InputError(
                f"The episode has steps={self._most} already, and may have no more: end() or"
                " begin() anew, or record with a larger steps="
            )
        own = Alike.of_step(step)
        if self.alike is not None:
            self.alike.refuse_other(own)
        if self._steps:
            self._check_success(step)
            step = replace(step, views={})  # Only the first one's are looked at.
        self.alike = self.alike or own
        self._steps.append(step)

    def _check_success(self, step: Step) -> None:
        before = self._steps[-1].told.success is not None
        if before != (step.told.success is not None):
            was = "was given" if before else "was not given"
            raise InputError(f"success {was} at the steps before: give it at all, or by end()")

    def finish(self, success: bool | None) -> Episode:
        """Put the steps together.

        Args:
            success: Whether the goal is reached at the last step, where steps do not say it.

        Raises:
            InputError: There are none, or success is said twice.
        """
        if not self._steps:
            raise InputError("The episode has no steps: record() them before end()")
        told = [step.told.success for step in self._steps]
        if success is not None and told[-1] is not None:
            raise InputError("success was given at every step: leave it out of end()")
        if success is not None:
            told = [*[False] * (len(self) - 1), success]
        rewards = [step.told.reward for step in self._steps]
        recording = Recording(
            np.stack([step.robot_state for step in self._steps]),
            np.stack([step.action for step in self._steps]),
            None if rewards[0] is None else np.array(rewards, np.float32),
            None if told[0] is None else np.array(told, bool),
            None,
            None,
        )
        names = self.first.further
        further = {n: np.stack([step.further[n] for step in self._steps]) for n in names}
        return Episode(recording, np.stack([step.cloud for step in self._steps]), further)
