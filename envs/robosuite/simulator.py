"""robosuite's Lift, PickPlaceCan and NutAssemblySquare with a Panda arm, as robomimic has them.

One model for all episodes, as DPPO has it: robosuite's own hard resets draw another size of the
cube, within a millimetre, and compile the arm again each time.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import mujoco
import numpy as np
from jaxtyping import Float

from envs.config import EnvConfig, RobosuiteConfig
from envs.robosuite import script
from envs.robosuite.drawing import visible
from envs.robosuite.library import load
from envs.robosuite.tasks import TASKS, Env, roles_of
from envs.simulator import Outcome, Places, Roles, check_action
from envs.state import EXACT, SCENE, StateLayout
from perception.errors import InputError

STEP_M = 0.0125  # How far an action of 1 moves the hand in a step: a quarter of its target's way.
ARM = "right"
CONTROL_HZ = 20
HAND_BODY = "robot0_right_hand"
JOINTS, FINGERS = 7, 2


class RobosuiteSimulator:
    """One of robosuite's tasks; see `envs.simulator.Simulator`.

    An action is a displacement of the hand's target (of up to 5 cm along each axis), a turn of it
    (of up to 0.5 rad around each), and the gripper: closing above 0, opening below.

    Raises:
        InputError: robosuite is missing, has no such task here, or the rule of success is another.
    """

    def __init__(self, config: EnvConfig) -> None:
        if config.task not in TASKS:
            raise InputError(
                f"robosuite has no task {config.task!r} here; choose env.task from"
                f" {', '.join(TASKS)}"
            )
        if config.success != "info":
            raise InputError(f"{config.name}: env.success is info: what robosuite says itself")
        self._config, self._task = config, TASKS[config.task]
        self._env: Env = _make(self._task.name, config.robosuite or RobosuiteConfig())
        self._robot = self._env.robots[0]
        self.model: mujoco.MjModel = self._env.sim.model._model
        self.data: mujoco.MjData = self._env.sim.data._data
        self.model_path = visible(self._env.model.get_xml())
        self.layout = StateLayout(())
        self.action_size, self.step_s = int(self._env.action_dim), 1 / CONTROL_HZ
        self._hand = int(self._robot.eef_site_id[ARM])
        self._fingers = self._robot._ref_gripper_joint_pos_indexes[ARM]
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Start the episode of a seed."""
        with _drawing_from(seed):
            self._env.reset()
        self._measure_anew()

    def step(self, action: Float[np.ndarray, " action"]) -> Outcome:
        """Repeat an action, and sum its rewards."""
        wanted = np.clip(check_action(action, self.action_size), -1, 1)
        reward = 0.0
        for _ in range(self._config.action_repeat):
            _, inner, _, _ = self._env.step(wanted)
            reward += float(inner)
        success = self.reached()
        # Positions of bodies lag one sub-step behind the joints until this; it touches no more.
        mujoco.mj_kinematics(self.model, self.data)
        return Outcome(reward * self._config.reward_scale, success, terminated=False)

    def robot_state(self) -> Float[np.ndarray, " reading"]:
        """The nine that robomimic has: place of the hand, orientation (x, y, z, w), two fingers."""
        quaternion = np.roll(self.data.body(HAND_BODY).xquat, -1)
        parts = [self.hand(), quaternion, self.data.qpos[self._fingers]]
        return np.concatenate(parts).astype(np.float32)

    def hand(self) -> Float[np.ndarray, " 3"]:
        """Where the middle between the fingers' ends is."""
        return np.array(self.data.site_xpos[self._hand])

    def hand_path(
        self, hand: Float[np.ndarray, " 3"], actions: Float[np.ndarray, "planned action"]
    ) -> Float[np.ndarray, "corner 3"]:
        """Add up the displacements that actions bring about, as far as the hand follows them."""
        moves_m = actions[:, :3].astype(np.float64) * (STEP_M * self._config.action_repeat)
        return np.concatenate([hand[None], hand + np.cumsum(moves_m, axis=0)])

    def features(self) -> Float[np.ndarray, " feature"]:
        """The robot's state, then the object's pose in the world and seen from the hand."""
        return np.concatenate([self.robot_state(), self._object_state()]).astype(np.float32)

    def scene_state(self) -> Float[np.ndarray, " scene"]:
        """Joints and velocities."""
        return self.layout.read(self.model, self.data, SCENE)

    def save_state(self) -> Float[np.ndarray, " number"]:
        """The integration state, the posture that the arm tends to, and the gripper's command.

        The controller's goals are no part of it: each action sets them from where the hand is.
        """
        exact = self.layout.read(self.model, self.data, EXACT)
        command = np.broadcast_to(self._robot.gripper[ARM].current_action, FINGERS)
        return np.concatenate([exact, self._arm.initial_joint, command])

    def restore_state(self, state: Float[np.ndarray, " number"]) -> None:
        """Go on from a saved state."""
        exact, posture, command = np.split(state, [len(state) - JOINTS - FINGERS, -FINGERS])
        self.layout.write(self.model, self.data, EXACT, state=exact)
        self._arm.initial_joint = posture.copy()
        self._robot.gripper[ARM].current_action = command.copy()
        self._measure_anew()

    def place(self, flat: Float[np.ndarray, " number"]) -> None:
        """Stand as a state that robosuite flattened: time, positions, velocities.

        The arm tends to the posture that it has, and the gripper has no command yet.

        Raises:
            InputError: It is of another task.
        """
        sizes = [1, self.model.nq, self.model.nv]
        if len(flat) != sum(sizes):
            raise InputError(
                f"{self._config.name} has states of {sum(sizes)} numbers, this one {len(flat)}"
            )
        mujoco.mj_resetData(self.model, self.data)
        time_s, self.data.qpos[:], self.data.qvel[:] = np.split(flat, np.cumsum(sizes)[:-1])
        self.data.time = time_s.item()
        mujoco.mj_forward(self.model, self.data)
        self._arm.initial_joint = self.data.qpos[self._arm.qpos_index].copy()
        self._robot.gripper[ARM].current_action = np.zeros(FINGERS)
        self._measure_anew()

    def reached(self) -> bool:
        """Tell whether the goal is reached at this moment."""
        return bool(self._env._check_success())

    def scripted_action(self) -> Float[np.ndarray, " action"]:
        """What the script of this repository does now: grasp from above, lift, bring, let go."""
        return script.act(self._moment(), self._task.handling)

    def roles(self) -> Roles:
        """What each body is to the task."""
        return roles_of(self.model, self._task)

    def places(self) -> Places:
        """Where the hand is, the object, and where it shall go."""
        thing = np.array(self.data.body(self._task.object).xpos)
        return Places(self.hand(), thing, self._task.place(self._env))

    @property
    def _arm(self) -> Env:
        """The controller of the arm; each reset makes another."""
        return self._robot.part_controllers[ARM]

    def _measure_anew(self) -> None:
        """Let positions follow the joints, and controllers measure them at the next action."""
        mujoco.mj_kinematics(self.model, self.data)
        for controller in self._robot.part_controllers.values():
            controller.new_update = True

    def _object_state(self) -> Float[np.ndarray, " number"]:
        """Give robosuite's `object-state`, of this moment: in its own, parts lag behind."""
        thing, hand = self.data.body(self._task.object), self.data.body(HAND_BODY)
        away = thing.xpos - self.hand()
        pose = [thing.xpos, np.roll(thing.xquat, -1)]
        if self._task.name == "Lift":
            return np.concatenate([*pose, away])
        back, turned = np.empty(4), np.empty(4)
        mujoco.mju_negQuat(back, hand.xquat)
        mujoco.mju_mulQuat(turned, back, thing.xquat)
        turned *= np.copysign(1, turned[0])
        return np.concatenate([away @ hand.xmat.reshape(3, 3), np.roll(turned, -1), *pose])

    def _moment(self) -> script.Moment:
        hand, thing = self.data.body(HAND_BODY), self.data.body(self._task.object)
        grasp = self._task.grasp
        site = grasp.endswith("_site")
        held = self.data.site(grasp).xpos if site else self.data.body(grasp).xpos
        left, right = self.data.qpos[self._fingers]
        return script.Moment(
            hand=self.hand(),
            hand_axes=hand.xmat.reshape(3, 3),
            opening_m=float(left - right),
            grasp=np.array(held),
            object=np.array(thing.xpos),
            object_axes=thing.xmat.reshape(3, 3),
            place=self._task.place(self._env),
        )


def make(config: EnvConfig) -> RobosuiteSimulator:
    """Make one of robosuite's tasks."""
    return RobosuiteSimulator(config)


def _make(name: str, keys: RobosuiteConfig) -> Env:
    """Construct a task that neither draws nor observes; its model is the same each time."""
    with _drawing_from(0):
        env = load().make(
            name,
            robots="Panda",
            has_renderer=False,
            has_offscreen_renderer=False,
            use_camera_obs=False,
            use_object_obs=False,
            renderer="mujoco",  # The other one opens a window as soon as it is made.
            reward_shaping=keys.reward_shaping,
            control_freq=CONTROL_HZ,
            ignore_done=True,  # An episode's length is a key here.
            hard_reset=False,
        )
    env._observables.clear()  # They are computed between the sub-steps, and nobody asks for them.
    return env


@contextmanager
def _drawing_from(seed: int) -> Iterator[None]:
    """Seed NumPy's global generator, which robosuite draws from, and put it back afterwards."""
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
