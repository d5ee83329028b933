"""The README's section “Yours”: a camera, a task, an encoder of one's own, as it says."""

from pathlib import Path

import mujoco
import numpy as np
import pytest
import torch
import yaml
from torch import Tensor, nn

import envs.make
import policy.planner.planner
from configs.build import build
from datasets.behaviours.behaviour import BehaviourConfig, make_behaviour
from datasets.recorder import act, render
from envs.config import EnvConfig
from envs.make import make_scene, make_simulator
from envs.simulator import Outcome, Simulator
from envs.state import EXACT, SCENE, StateLayout
from envs.vector.chunked_env import ChunkedTask
from perception.observation import Observation
from policy.rollouts.trajectory import make_recorded_env, play
from tests.conftest import task_config
from tests.helpers.small_planner import quick_planner

SIDE = "{position: [0.9, -0.3, 0.7], quaternion: [0.705, 0.453, 0.295, 0.458], fovy_deg: 45}"

WORLD = """<mujoco><worldbody>
  <geom type="plane" size="1 1 0.1"/>
  <body name="puck" pos="0 0 0.05">
    <joint name="x" type="slide" axis="1 0 0" damping="1"/>
    <geom type="box" size="0.05 0.05 0.05" mass="0.1"/>
  </body>
</worldbody><actuator><motor joint="x" gear="3"/></actuator></mujoco>"""

TASK = """
name: puck
simulator: adroit  # Stands for the word that one adds to envs/config.py.
task: slide
episode_steps: 30
action_repeat: 5
reward_scale: 1.0
success: dp3
success_at: ever
history: 2
horizon: 4
chunk: 3
cameras:
  above: {position: [0, 0, 2], quaternion: [1, 0, 0, 0], fovy_deg: 45}
view:
  cameras: [above]
  image_size: 64
  points: 128
  crop_low: [-1, -1, 0.001]
  crop_high: [1, 1, 1]
  colour: false
  depth: zbuffer
  geometry: auto
  sampling: auto
"""


class Puck:
    """A box to be pushed half a metre to the right, from where a seed puts it."""

    model_path = ""  # Set by the test: a file of `WORLD`.

    def __init__(self, config: EnvConfig) -> None:
        self._config = config
        self.model = mujoco.MjModel.from_xml_path(self.model_path)
        self.data = mujoco.MjData(self.model)
        self.layout = StateLayout(edits=())
        self.action_size = 1

    def reset(self, seed: int) -> None:
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[0] = np.random.default_rng(seed).uniform(-0.2, 0.2)
        mujoco.mj_forward(self.model, self.data)

    def step(self, action: np.ndarray) -> Outcome:
        self.data.ctrl[:] = action
        for _ in range(self._config.action_repeat):
            mujoco.mj_step(self.model, self.data)
        reached = bool(self.data.qpos[0] > 0.5)
        return Outcome(float(reached), reached, terminated=False)

    def robot_state(self) -> np.ndarray:
        return self.data.qpos.astype(np.float32)

    def features(self) -> np.ndarray:
        return np.concatenate([self.data.qpos, self.data.qvel]).astype(np.float32)

    def hand(self) -> np.ndarray:
        return np.array(self.data.body("puck").xpos)

    def scene_state(self) -> np.ndarray:
        return self.layout.read(self.model, self.data, SCENE)

    def save_state(self) -> np.ndarray:
        return self.layout.read(self.model, self.data, EXACT)

    def restore_state(self, state: np.ndarray) -> None:
        self.layout.write(self.model, self.data, EXACT, state=state)
        mujoco.mj_forward(self.model, self.data)
        self.layout.write(self.model, self.data, EXACT, state=state)


@pytest.fixture
def puck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EnvConfig:
    """The task, with `make_simulator` changed as its line for the new word would change it."""
    world = tmp_path / "puck.xml"
    world.write_text(WORLD)
    monkeypatch.setattr(Puck, "model_path", str(world))
    monkeypatch.setattr(envs.make, "AdroitSimulator", Puck)
    return build(EnvConfig, yaml.safe_load(TASK))


def test_a_camera_of_ones_own_is_an_override_away() -> None:
    more = (f"+env.cameras.side={SIDE}", "env.view.cameras=[side]")
    seen = ChunkedTask(task_config("adroit-door", *more), 1).reset(0).points[0]
    from_above = ChunkedTask(task_config("adroit-door"), 1).reset(0).points[0]
    assert len(np.unique(seen, axis=0)) == 512  # It sees more than enough: none is repeated.
    assert (seen != from_above).any()
    # The same world in the same frame: most of what one sees lies within 5 cm of what both do.
    gaps = np.linalg.norm(seen[:, None] - from_above[None], axis=-1).min(axis=1)
    assert np.median(gaps) < 0.05


def test_a_task_of_ones_own_needs_a_simulator_and_a_file(puck: EnvConfig) -> None:
    simulator = make_simulator(puck)
    assert isinstance(simulator, Puck)
    assert isinstance(simulator, Simulator)
    behaviour = BehaviourConfig("random", None, noise=(1.0, 1.0), random_share=(0.5, 0.5))
    source = make_behaviour(behaviour, puck, simulator)
    recording = act(simulator, source, steps=puck.episode_steps, seed=0)
    episode = render(recording, make_scene(simulator, puck))
    assert episode.points.shape == (30, 128, 3)
    assert np.ptp(episode.points[..., 0].mean(axis=1)) > 0  # The box is seen to move.


def test_a_planner_can_play_it(puck: EnvConfig) -> None:
    task = ChunkedTask(puck, history=2)
    look = task.reset(1)
    assert look.points.shape == (2, 128, 3)
    outcomes = [task.step(np.ones((3, 1), np.float32)) for _ in range(10)]
    assert outcomes[-1].done
    assert any(outcome.touched for outcome in outcomes)


class Means(nn.Module):
    """The least encoder: the mean of the points, and the robot_state."""

    features = 3 + 24

    def __init__(self, channels: int, robot_state: int) -> None:
        super().__init__()
        self.visual_scale = nn.Parameter(torch.ones(channels))
        assert channels + robot_state == self.features

    def forward(self, observations: Observation[Tensor]) -> Tensor:
        return torch.cat([self.visual(observations.points), observations.robot_state], dim=-1)

    def visual(self, points: Tensor) -> Tensor:
        return points.mean(dim=-2) * self.visual_scale


def test_an_encoder_of_ones_own_plays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy.planner.planner, "Encoder", Means)
    env = task_config("adroit-door", "env.episode_steps=6", "env.view.points=64")
    planner = quick_planner()
    trajectory = play(planner, make_recorded_env(env, planner), 0)
    assert np.isfinite(trajectory.rewards).all()
    assert len(trajectory.rewards) == 6
