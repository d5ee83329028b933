"""A planner beside what was recorded, where no simulator can play: its clouds and its actions."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float

from datasets.cards.store_page import pinhole
from datasets.store.store import EpisodeStore
from perception.errors import InputError
from perception.observation import Observation
from policy.planner.policy import Policy
from visualizer import pages
from visualizer.pages import Html
from visualizer.player import Film, as_html
from visualizer.plots import FAILURE, INK, dress, new_figure, to_png

SHOWN_NUMBERS = 6  # Of an action: those that vary most.


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
    planned = planned_along(planner, points, states, seed=index)
    error = float(np.abs(planned - recorded).mean())
    cameras = {n: pinhole(c) for n, c in store.attributes.get("cameras", {}).items()}
    film = Film(points, cameras, frames_per_second)
    player = pages.embedded(as_html(film), "What the planner sees. Drag to turn.", height_px=560)
    caption = (
        "Actions: recorded in black, planned in red from what was seen at that moment, a chunk at a"
        f" time. They differ by {error:.3g} in the mean. Whether the task would be done, only a"
        " simulator or the robot can tell."
    )
    figure = pages.figure(actions_plot(recorded, planned), caption)
    both = pages.columns(player, figure, widths=(7, 5))
    return pages.together(pages.heading(f"Recorded episode {index}, and the planner's plans"), both)


@torch.no_grad()
def planned_along(
    planner: Policy,
    points: Float[np.ndarray, "step point channel"],
    states: Float[np.ndarray, "step reading"],
    *,
    seed: int,
) -> Float[np.ndarray, "step action"]:
    """Plan along recorded observations, as if each chunk had led to them.

    Raises:
        InputError: The planner was made for observations of other sizes.
    """
    sizes = (points.shape[-1], states.shape[-1])
    if sizes != (planner.sizes.channels, planner.sizes.robot_state):
        raise InputError(f"The planner was made for {planner.sizes}; the data have {sizes}")
    history, chunk = planner.config.history, planner.config.chunk
    generator, actions, decide = torch.Generator().manual_seed(seed), [], planner.begin(1)
    for elapsed, step in enumerate(range(0, len(points), chunk)):
        seen = np.clip(np.arange(step - history + 1, step + 1), 0, None)
        look = (torch.from_numpy(part[seen][None]).float() for part in (points, states))
        contexts = planner.encode(Observation(*look))
        decision = decide(contexts, [generator], elapsed)
        actions.append(planner.to_actions(decision.plans)[0].numpy())
    return np.concatenate(actions)[: len(points)]


def actions_plot(
    recorded: Float[np.ndarray, "step action"], planned: Float[np.ndarray, "step action"]
) -> bytes:
    """Draw recorded and planned actions, of the numbers that vary most."""
    shown: Sequence[int] = sorted(np.argsort(-recorded.std(axis=0), kind="stable")[:SHOWN_NUMBERS])
    figure = new_figure(6.0, 1.3 * len(shown))
    panels = figure.subplots(len(shown), 1, squeeze=False, sharex=True)[:, 0]
    for axes, number in zip(panels, shown, strict=True):
        axes.plot(recorded[:, number], color=INK, linewidth=1.2)
        axes.plot(planned[:, number], color=FAILURE, linewidth=1.0)
        dress(axes, "step" if number == shown[-1] else "", f"action {number}")
    return to_png(figure)
