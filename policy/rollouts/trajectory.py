"""One episode of a planner with every frame kept: what it saw, planned and earned."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from datasets.episode import Provenance, Recording
from envs.config import EnvConfig
from envs.success import counts_as_success
from envs.vector.chunked_env import ChunkedTask
from envs.vector.vector_env import Shapes, VectorOutcome
from perception.observation import Observation, Observes
from policy.planner.config import Sizes
from policy.planner.decision import Decide
from policy.planner.policy import Policy
from policy.rollouts.episode import Episodes, Plan, check_sizes


@dataclass(frozen=True)
class PlannedActions:
    """What was planned at a step: the executed chunk, then the rest of the horizon."""

    step: int
    actions: Float[np.ndarray, "planned action"]


@dataclass(frozen=True)
class Trajectory:
    """An episode of a planner; there is one frame before each action and one at the end.

    Attributes:
        points: World-frame clouds.
        robot_states: The robot's state, or the simulator's features where the planner sees those.
        scene_states: What a picture of each frame depends on.
        hands: Where the hand is, world frame, metres.
        actions: What was executed, in the task's own actions.
        rewards: Of each action.
        successes: Whether the goal was reached after it.
        plans: In order; each holds until the next.
    """

    points: Float[np.ndarray, "frame point axis"]
    robot_states: Float[np.ndarray, "frame reading"]
    scene_states: Float[np.ndarray, "frame scene"]
    hands: Float[np.ndarray, "frame 3"]
    actions: Float[np.ndarray, "time action"]
    rewards: Float[np.ndarray, " time"]
    successes: Bool[np.ndarray, " time"]
    plans: tuple[PlannedActions, ...]

    def succeeded(self, success_at: str) -> bool:
        """Tell whether the episode counts as a success under its task's rule."""
        at_end, ever = bool(self.successes[-1]), bool(self.successes.any())
        return counts_as_success(at_end, ever, success_at)

    def recording(self, provenance: Provenance) -> Recording:
        """Give what a store keeps of it: the moment before each action, and what it brought."""
        return Recording(
            self.robot_states[:-1].astype(np.float32),
            self.actions.astype(np.float32),
            self.rewards.astype(np.float32),
            self.successes,
            self.scene_states[:-1].astype(np.float64),
            provenance,
        )


class RecordedEnv:
    """A world of one environment that executes each action by itself and keeps every frame.

    Args:
        env: The task.
        history: Frames in an observation.
        chunk: Actions executed per step.
        observes: What an observation holds.
    """

    def __init__(
        self, env: EnvConfig, *, history: int, chunk: int, observes: Observes = "points"
    ) -> None:
        self.shapes = Shapes(1, history, chunk, observes)
        self.task = ChunkedTask(env, history, observes)

    def reset(self, seeds: Sequence[int]) -> Observation[np.ndarray]:
        """Start the episode of one seed, and forget the one before."""
        (seed,) = seeds
        observation = self.task.reset(seed)
        self.start = self.task.simulator.save_state()
        self.actions: list[np.ndarray] = []
        self.rewards: list[float] = []
        self.successes: list[bool] = []
        self._frames: list[tuple[np.ndarray, ...]] = []
        self._keep_frame(observation)
        return _of_one(observation)

    def step(self, chunks: Float[np.ndarray, "1 chunk action"]) -> VectorOutcome:
        """Execute a chunk, as far as the episode goes."""
        first, done = len(self.actions), False
        # One action at a time: the task then draws every frame, not only those a planner reads.
        for action in chunks[0]:
            outcome = self.task.step(action[None])
            self.actions.append(action.copy())
            self.rewards.append(float(outcome.rewards[0]))
            self.successes.append(outcome.reached)
            self._keep_frame(outcome.observation)
            done = outcome.done
            if done:
                break
        rewards = np.zeros((1, len(chunks[0])), np.float32)
        rewards[0, : len(self.actions) - first] = self.rewards[first:]
        return VectorOutcome(
            _of_one(outcome.observation),
            rewards,
            taken=np.array([len(self.actions) - first]),
            reached=np.array([self.successes[-1]]),
            touched=np.array([any(self.successes[first:])]),
            done=np.array([done]),
            lost=np.array([False]),
        )

    @property
    def features(self) -> Float[np.ndarray, "1 0"]:
        """None: what is recorded is what a robot sees."""
        return np.zeros((1, 0), np.float32)

    @property
    def clouds(self) -> list[Float[np.ndarray, "point axis"]]:
        """What was seen so far, a cloud for each frame."""
        return [points for points, *_ in self._frames]

    @property
    def scene_states(self) -> list[Float[np.ndarray, " scene"]]:
        """What a picture of each frame so far depends on."""
        return [scene_state for _, _, scene_state, _ in self._frames]

    def trajectory(self, plans: Sequence[PlannedActions]) -> Trajectory:
        """Give all that was kept, with the plans behind it; at least one action was executed."""
        points, robot_states, scene_states, hands = map(np.stack, zip(*self._frames, strict=True))
        return Trajectory(
            points=points,
            robot_states=robot_states,
            scene_states=scene_states,
            hands=hands,
            actions=np.stack(self.actions),
            rewards=np.array(self.rewards),
            successes=np.array(self.successes),
            plans=tuple(plans),
        )

    def _keep_frame(self, observation: Observation[np.ndarray]) -> None:
        simulator = self.task.simulator
        scene_state, points = simulator.scene_state(), observation.points[-1]
        if not points.size:  # The planner is shown no cloud; whoever looks at the episode is.
            points = self.task.cloud(scene_state)
        self._frames.append((points, observation.robot_state[-1], scene_state, simulator.hand()))


def play(
    planner: Policy, world: RecordedEnv, seed: int, decide: Decide | None = None
) -> Trajectory:
    """Play the episode of a seed, exactly as an evaluation does; `decide` as there."""
    plans, step = [], 0
    for played in Episodes(planner, world, [seed], decide=decide):
        plans.append(planned_actions(planner, played.plan, step))
        step = len(world.actions)
    return world.trajectory(plans)


def make_recorded_env(env: EnvConfig, planner: Policy) -> RecordedEnv:
    """Make the world in which a planner's episodes are kept.

    Raises:
        InputError: The planner was made for clouds or robots of another kind.
    """
    plan = planner.config
    world = RecordedEnv(env, history=plan.history, chunk=plan.chunk, observes=planner.observes)
    look, actions = world.reset([0]), world.task.simulator.action_size
    check_sizes(planner, Sizes(look.channels, look.robot_state.shape[-1], actions), env)
    return world


def planned_actions(planner: Policy, plan: Plan, step: int) -> PlannedActions:
    """Give the plan of one episode from its current step to the horizon, in the task's actions."""
    ahead = plan.decision.plans[0, planner.config.history - 1 :].clamp(-1, 1)
    actions = planner.normalizer.actions.inverse(ahead).clamp(-1, 1)
    return PlannedActions(step, actions.cpu().numpy())


def _of_one(observation: Observation[np.ndarray]) -> Observation[np.ndarray]:
    return observation.each(lambda part: part[None])
