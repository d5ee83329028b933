"""Acting recorded episodes again, and small agents that learn."""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool

from configs.command import compose
from datasets.behaviours.demonstrator import make_demonstrator
from datasets.behaviours.rl_agent import RLAgent
from datasets.collection.collector import CollectConfig
from datasets.store.store import EpisodeStore
from envs.make import make_simulator


def replay_episode(store: EpisodeStore, index: int) -> Bool[np.ndarray, " time"]:
    """Act a recorded episode again; tell for each step whether all came out the same.

    Compared bit for bit: the scene's state before the action, reward and success after it.
    """
    simulator = make_simulator(store.env)
    recording = store.read_recording(index)
    simulator.restore_state(recording.provenance.start)
    same = []
    for step, action in enumerate(recording.actions):
        before = np.array_equal(simulator.scene_state(), recording.scenes[step])
        outcome = simulator.step(action)
        after = (np.float32(outcome.reward), outcome.success)
        same.append(before and after == (recording.rewards[step], recording.successes[step]))
    return np.array(same)


def small_agent(demonstrations: int = 1, seeding: int = 0) -> RLAgent:
    """An agent of Adroit's door at the beginning of a short training."""
    config = compose(CollectConfig, "collect", ["behaviour=replay", "behaviour.noise=[0,0.3]"])
    simulator = make_simulator(config.env)
    learning = config.behaviour.replay.learning
    rlpd = replace(learning.rlpd, warm_up=120, hidden=32)
    learning = replace(
        learning, steps=400, demonstrations=demonstrations, seeding=seeding, rlpd=rlpd
    )
    demonstrator = make_demonstrator(config.behaviour.demonstrator, config.env, simulator)
    return RLAgent(
        simulator, demonstrator, learning, episode_steps=40, success_at="end", agent=0, seed=0
    )
