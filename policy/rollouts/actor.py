"""A planner that acts on what real cameras see, a frame at a time.

The cloud of a frame, the history and the plan are those of the simulated episodes (`Episodes`), bit
for bit: a test plays both. `observe` takes the frames between two plans, `act` the newest one.
"""

import logging
from collections import deque
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32

from datasets.cameras.frames import (
    Array,
    ByCamera,
    Frame,
    Limits,
    check_stamp,
    made_up,
    read_cloud,
    read_numbers,
)
from envs.config import ViewConfig
from envs.seeding import derive_seed
from perception.errors import InputError
from perception.observation import Observation
from policy.planner.policy import Policy
from policy.rollouts.late import ON_TIME, Joined, Late
from policy.rollouts.seeing import check_sight, load_seeing

logger = logging.getLogger(__name__)

LIMITS = Limits()
SEEDS = 2**32
BEGIN_ANEW = "the history would not be as in training; reset() begins anew"


class Actor:
    """Acts in the real world: from frames to chunks of actions.

    Args:
        planner: Sees clouds.
        view: How its clouds are made.
        limits: See `Limits`.
        late: How late plans come to the robot, which goes on meanwhile.

    Raises:
        InputError: The planner sees the simulator's state, or clouds of another kind than the view;
            or its plans come later than the next look.
    """

    def __init__(
        self, planner: Policy, view: ViewConfig, limits: Limits = LIMITS, late: Late = ON_TIME
    ) -> None:
        check_sight(planner, view)
        self.planner, self.view, self._limits, self._late = planner, view, limits, late
        self._warned = False
        self.reset()

    @classmethod
    def load(
        cls,
        checkpoint: str | Path,
        *,
        view: ViewConfig | None = None,
        device: str = "cpu",
        limits: Limits = LIMITS,
        late: Late = ON_TIME,
    ) -> "Actor":
        """Read a planner, and how it sees, from a checkpoint or the folder of a run.

        Args:
            checkpoint: Where.
            view: How its clouds are made, for one that does not say so.
            device: Of Torch.
            limits: See `Limits`.
            late: How late plans come.

        Raises:
            InputError: There is none, it does not say how it sees, or no camera sees as it does.
        """
        planner, own = load_seeing(Path(checkpoint), view)
        return cls(planner.to(device), own, limits, late)

    def reset(self, seed: int | None = None) -> None:
        """Begin an episode: forget what was seen; the noise of plans follows from the seed.

        Raises:
            InputError: The seed is no number of 32 bits.
        """
        if seed is None:
            seed = int(np.random.SeedSequence().generate_state(1)[0])
        if not 0 <= seed < SEEDS:
            raise InputError(f"seed must lie between 0 and {SEEDS - 1}, not be {seed}")
        self._generator = torch.Generator().manual_seed(derive_seed("noise", seed, 0))
        self._seen: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=self.planner.config.history)
        self._decide = self.planner.begin(1)
        self._joined = Joined(self.planner.config, self._late)
        self._stamp: float | None = None
        self._plans, self._since_plan = 0, 0

    def observe(
        self,
        *,
        depth: ByCamera,
        intrinsics: ByCamera,
        world_from_camera: ByCamera,
        robot_state: Array,
        colour: ByCamera | None = None,
        distortion: ByCamera | None = None,
        stamp: float | None = None,
    ) -> None:
        """Take a frame into the history; see `Frame`.

        Planners look back at the frames of consecutive actions: give the one after each action of a
        chunk, the last one by `act`.

        Raises:
            InputError: It cannot be right; what was seen before stays.
        """
        parts = (depth, intrinsics, world_from_camera, robot_state, colour, distortion, stamp)
        self.take(Frame(*parts))

    def act(
        self,
        *,
        depth: ByCamera,
        intrinsics: ByCamera,
        world_from_camera: ByCamera,
        robot_state: Array,
        colour: ByCamera | None = None,
        distortion: ByCamera | None = None,
        stamp: float | None = None,
    ) -> Float32[np.ndarray, "chunk action"]:
        """Take a frame, and plan; see `Frame`.

        Returns:
            The actions to execute before the next plan, in the units of the training data.

        Raises:
            InputError: The frame cannot be right, what was seen before stays; or the plan is not
                finite.
        """
        parts = (depth, intrinsics, world_from_camera, robot_state, colour, distortion, stamp)
        self.take(Frame(*parts))
        return self.plan()

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")  # What is not finite is refused.
    def take(self, frame: Frame) -> None:
        """Take a frame into the history, as `observe` does."""
        check_stamp(frame.stamp, self._stamp, self._limits, BEGIN_ANEW)
        wanted = self.planner.sizes.robot_state
        state = read_numbers(np.asarray(frame.robot_state), wanted, "robot_state")
        seen = (read_cloud(frame, self.view, self._limits), state)
        first = not self._seen
        self._seen.extend([seen] * self.planner.config.history if first else [seen])
        self._stamp = frame.stamp if frame.stamp is not None else self._stamp
        self._since_plan += 1

    @torch.no_grad()
    def plan(self) -> Float32[np.ndarray, "chunk action"]:
        """Plan from what was seen so far, as `act` does after it has taken its frame.

        Where plans come late, the first chunk after `reset` has as many further actions, to be
        executed while the next one is made; a later one begins where those of the one before end.

        Raises:
            InputError: Nothing was; or the plan is not finite.
        """
        if not self._seen:
            raise InputError("Nothing was seen since reset(): give a frame first")
        self._check_gap()
        device = self.planner.device
        points, states = (
            torch.from_numpy(np.stack(part)[None]).to(device)
            for part in zip(*self._seen, strict=True)
        )
        contexts = self.planner.encode(Observation(points, states))
        decision = self._decide(contexts, [self._generator], self._plans)
        steps = self._joined.take(decision.plans)[:, self._late.delay if self._plans else 0 :]
        self._plans, self._since_plan = self._plans + 1, 0
        return np.asarray(self.planner.scaled(steps)[0].cpu().numpy(), np.float32)

    def _check_gap(self) -> None:
        """Say once where the history lacks the frames between two plans."""
        plan = self.planner.config
        wanted = min(plan.history, plan.chunk)
        if self._plans and self._since_plan < wanted and not self._warned:
            self._warned = True
            logger.warning(
                "%d frame since the last plan: this planner looks back at %d consecutive ones; give"
                " those between two plans by observe()",
                self._since_plan,
                plan.history,
            )

    def warm_up(self) -> None:
        """Plan once for a made-up frame, and reset: loops are compiled at the first call."""
        self.take(made_up(self.view, self.planner.sizes.robot_state))
        self.plan()
        self.reset()
