"""Figures of a whole store, as PNG bytes: how good it is along time, and what it covers."""

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from datasets.cards.card import QUANTILES, Outcomes, quantiles
from datasets.store.store import EpisodeStore
from visualizer.plots import FAILURE, GRID, INK, SUCCESS, dress, new_figure, to_png
from visualizer.smoothing import centred_mean

SMOOTHED_EPISODES = 25
COVERED_STEPS = 20_000  # Enough for a density; more only takes longer.
DENSITY = LinearSegmentedColormap.from_list("density", ["#eef1f5", "#2f6db3", "#14213d"])


def overview_plots(store: EpisodeStore, results: Outcomes) -> tuple[bytes, ...]:
    """Draw how good a store is, where that was recorded, and what it covers."""
    known = results.judged or results.rewarded
    return (*((profile_plot(results),) if known else ()), coverage_plot(store))


def profile_plot(results: Outcomes) -> bytes:
    """Draw success and return along time, and returns against noise, or ranked where it is one.

    What was not recorded is not drawn; something was.
    """
    figure = new_figure(11, 3.3)
    panels = [_draw_success] if results.judged else []
    panels += [_draw_returns, _draw_spread_of_returns] if results.rewarded else []
    for axes, draw in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        draw(axes, results)
    return to_png(figure)


def _time(results: Outcomes) -> tuple[np.ndarray, str]:
    """Give when each episode was, and in what that is counted."""
    if results.agent_steps.any():
        return results.agent_steps, "steps the agent had taken"
    return np.arange(len(results.returns)), "episode, as recorded"


def _colours(results: Outcomes) -> np.ndarray:
    known = np.where(results.successes, SUCCESS, FAILURE)
    return known if results.judged else np.full(len(known), INK)


def _draw_success(axes: Axes, results: Outcomes) -> None:
    time, when = _time(results)
    order = np.argsort(time, kind="stable")
    share = centred_mean(results.successes[order], SMOOTHED_EPISODES)
    axes.plot(time[order], share, color=SUCCESS, linewidth=1.6)
    axes.axhline(results.successes.mean(), color=INK, linewidth=1, linestyle=":")
    axes.set_ylim(-0.03, 1.03)
    dress(axes, when, f"success (mean of {SMOOTHED_EPISODES} around)")


def _draw_returns(axes: Axes, results: Outcomes) -> None:
    time, when = _time(results)
    order = np.argsort(time, kind="stable")
    axes.scatter(time, results.returns, s=10, c=_colours(results), alpha=0.6, linewidths=0)
    smooth = centred_mean(results.returns[order], SMOOTHED_EPISODES)
    axes.plot(time[order], smooth, color=INK, linewidth=1.4)
    dress(axes, when, "return")


def _draw_spread_of_returns(axes: Axes, results: Outcomes) -> None:
    colours = _colours(results)
    if np.ptp(results.noise):
        axes.scatter(results.noise, results.returns, s=14, c=colours, alpha=0.75, linewidths=0)
        dress(axes, "noise on the behaviour's actions", "return")
    else:
        ranked = np.argsort(results.returns)
        axes.bar(np.arange(len(ranked)), results.returns[ranked], 1.0, color=colours[ranked])
        dress(axes, "episodes, by return", "return")
    if results.judged:
        for label, colour in (("success", SUCCESS), ("failure", FAILURE)):
            axes.scatter([], [], s=14, color=colour, label=label)
        axes.legend(frameon=False, fontsize=8, labelcolor=INK)


def coverage_plot(store: EpisodeStore) -> bytes:
    """Draw the spread of actions and robot states, and states along their two main directions."""
    figure = new_figure(11, 3.3)
    actions, robot_state, plane = figure.subplots(1, 3)
    _draw_spread(actions, quantiles(store.read("action")), "number of the action")
    states = store.read("state")
    _draw_spread(robot_state, quantiles(states), "number of the robot state")
    stride = max(1, store.steps // COVERED_STEPS)
    x, y = principal_plane(states[::stride].astype(np.float64)).T
    plane.hexbin(x, y, gridsize=40, bins="log", cmap=DENSITY, mincnt=1, linewidths=0)
    dress(plane, "first principal component of the robot states", "second")
    return to_png(figure)


def principal_plane(
    states: Float[np.ndarray, "step reading"],
) -> Float[np.ndarray, "step 2"]:
    """Project standardised robot states on their two main directions; one number has but one.

    A single state lies in the middle.
    """
    if len(states) == 1:
        return np.zeros((1, 2))
    if states.shape[1] == 1:
        states = np.pad(states, [(0, 0), (0, 1)])
    scaled = (states - states.mean(axis=0)) / (states.std(axis=0) + 1e-9)
    _, directions = np.linalg.eigh(np.cov(scaled, rowvar=False))
    return np.asarray(scaled @ directions[:, :-3:-1])


def _draw_spread(axes: Axes, values: Float[np.ndarray, "quantile number"], of_what: str) -> None:
    """Draw least to greatest thinly, the middle half thickly, the median as a dot."""
    low, quarter, median, three_quarters, high = values
    at = np.arange(values.shape[1])
    axes.vlines(at, low, high, color=GRID, linewidth=3)
    axes.vlines(at, quarter, three_quarters, color="#2f6db3", linewidth=3)
    axes.scatter(at, median, s=9, color=INK, zorder=3)
    dress(axes, f"{of_what}, by number", f"quantiles {', '.join(f'{q:g}' for q in QUANTILES)}")
