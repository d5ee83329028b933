"""A planner beside what was recorded, where no simulator can play: its clouds and its actions."""

from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from datasets.cards.viewer import make_film
from datasets.collection.recorded_pictures import pictures_at
from datasets.store.store import EpisodeStore
from perception.errors import InputError
from perception.observation import Observation
from policy.planner.policy import Policy
from policy.viewing.action_plots import actions_plot
from visualizer import pages
from visualizer.film_part import TO_TURN, film_part
from visualizer.pages import Html


def recorded_parts(
    planner: Policy, store: EpisodeStore, *, episodes: int, frames_per_second: float
) -> list[Html]:
    """Show the first recorded episodes, and what the planner would have done in each.

    Raises:
        InputError: The store has no clouds, or none of the planner's kind.
    """
    planner = planner.cpu().eval()
    count = min(episodes, store.episodes)
    return [_episode_part(planner, store, index, frames_per_second) for index in range(count)]


def _episode_part(
    planner: Policy, store: EpisodeStore, index: int, frames_per_second: float
) -> Html:
    rows = store.rows(index)
    points, states = (store.read(name, rows) for name in ("point_cloud", "state"))
    recorded = store.read("action", rows)
    image = pictures_at(store, rows) if planner.observes == "image" else None
    planned = planned_along(planner, Observation(points, states, image), seed=index)
    error = float(np.abs(planned - recorded).mean())
    film = make_film(store.read_episode(index), store, frames_per_second)
    sees = "What the planner sees" if image is None else "The scene as a cloud"
    player = film_part(film, f"{sees}. {TO_TURN}")
    caption = (
        "Actions: recorded in black, planned in red from what was seen at that moment, a chunk at a"
        f" time. They differ by {error:.3g} in the mean. Whether the task would be done, only a"
        " simulator or the robot can tell."
    )
    figure = pages.figure(actions_plot(recorded, planned), caption)
    title = pages.heading(f"Recorded episode {index}, and the planner's plans")
    return pages.together(title, player, figure)


@torch.no_grad()
def planned_along(
    planner: Policy, recorded: Observation[np.ndarray], *, seed: int
) -> Float[np.ndarray, "step action"]:
    """Plan along recorded observations, as if each chunk had led to them.

    Raises:
        InputError: The planner was made for observations of other sizes.
    """
    sizes = (recorded.channels, recorded.robot_state.shape[-1])
    if sizes != (planner.sizes.channels, planner.sizes.robot_state):
        raise InputError(f"The planner was made for {planner.sizes}; the data have {sizes}")
    history, chunk = planner.config.history, planner.config.chunk
    generator, actions, decide = torch.Generator().manual_seed(seed), [], planner.begin(1)
    for elapsed, step in enumerate(range(0, len(recorded.robot_state), chunk)):
        seen = np.clip(np.arange(step - history + 1, step + 1), 0, None)
        contexts = planner.encode(recorded.each(partial(_of_steps, seen)))
        decision = decide(contexts, [generator], elapsed)
        actions.append(planner.to_actions(decision.plans)[0].numpy())
    return np.concatenate(actions)[: len(recorded.robot_state)]


def _of_steps(steps: Int[np.ndarray, " step"], part: np.ndarray) -> Tensor:
    """Take some steps as the one history of a batch; bytes stay bytes."""
    taken = torch.from_numpy(part[steps][None])
    return taken if part.dtype == np.uint8 else taken.float()
