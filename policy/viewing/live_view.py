"""The live view: planners at work in the browser, with buttons to step through their episodes."""

import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Literal

import viser

from perception.errors import InputError
from policy.rollouts.evaluation import evaluation_seeds
from policy.rollouts.loading import load_for
from policy.runs.newest import given_or_newest
from policy.runs.run import find_checkpoint, run_folder
from policy.viewing.live_episode import LiveEpisode
from policy.viewing.live_panel import LivePanel
from policy.viewing.viewer import ViewRolloutConfig
from visualizer.player import serving

logger = logging.getLogger(__name__)

Command = Literal["step", "play", "reset", "scrub"]
SEEDS = 2**32
POLL_S = 0.5  # Ctrl-C may reach another thread; this one sees it when its wait ends.
SPEEDS = ("0.25", "0.5", "1", "2", "4")


def watch(config: ViewRolloutConfig) -> None:
    """Serve the live view on this machine alone until Ctrl-C.

    Raises:
        InputError: A checkpoint is missing, or made for something else.
    """
    episodes = load_episodes(config)
    (seed,) = evaluation_seeds(config.seed, 1)
    with serving(config.port) as server, suppress(KeyboardInterrupt):
        view = LiveView(server, episodes, seed, frames_per_second=config.frames_per_second)
        logger.info("open http://127.0.0.1:%d in a browser; Ctrl-C ends it", server.get_port())
        view.run()


def load_episodes(config: ViewRolloutConfig) -> dict[str, LiveEpisode]:
    """Give the planner's episode, and that of the one beside it, by what they are called.

    Raises:
        InputError: A checkpoint is missing; the planners are of two tasks, or the same one.
    """
    given = [given_or_newest(config.checkpoint), *([config.beside] if config.beside else [])]
    paths = [find_checkpoint(path) for path in given]
    loaded = [load_for(path, config.task) for path in given]
    tasks = [one.env.name for one in loaded]
    if len(set(tasks)) > 1:
        raise InputError(
            f"beside={config.beside} plays {tasks[1]}, and checkpoint={given[0]} plays {tasks[0]}:"
            " give two planners of one task"
        )
    if len(set(paths)) < len(paths):
        raise InputError(f"beside={config.beside} is the planner of checkpoint=: give another")
    names = [f"{run_folder(path).name}: {path.stem}" for path in paths]
    names = names if len(set(names)) == len(names) else [str(path) for path in paths]
    return {
        name if len(paths) > 1 else "": LiveEpisode(one.planner, one.env, config.camera)
        for name, one in zip(names, loaded, strict=True)
    }


class LiveView:
    """Buttons beside the scene; viser's threads only queue commands, and `run` executes them.

    Args:
        server: Shows it.
        episodes: What is shown, by the planners' names; side by side, and all of one seed.
        seed: Of the first episode.
        frames_per_second: How fast to play, at most.
    """

    def __init__(
        self,
        server: viser.ViserServer,
        episodes: Mapping[str, LiveEpisode],
        seed: int,
        *,
        frames_per_second: float,
    ) -> None:
        self._pause_s, self._shown = 1 / frames_per_second, 0
        self._commands: SimpleQueue[Command] = SimpleQueue()
        self.playing = False
        gui = server.gui
        self.step = gui.add_button("Step", hint="Execute the planned chunk; after scrubbing back,"
                                   " show the next frame.")  # fmt: skip
        self.play = gui.add_button("Play / Pause")
        self.scrub = gui.add_slider("Frame", 0, 1, 1, 0, hint="Of those seen so far.")
        self.speed = gui.add_dropdown("Speed", SPEEDS, initial_value="1")
        self.seed = gui.add_number("Seed", seed, min=0, max=SEEDS - 1, step=1)
        self.reset = gui.add_button("Reset", hint="Start the episode of this seed.")
        self.panels = [
            LivePanel(server, name, episode, seed, place=place, panels=len(episodes))
            for place, (name, episode) in enumerate(episodes.items())
        ]
        self.step.on_click(lambda _: self.queue("step"))
        self.play.on_click(lambda _: self.queue("play"))
        self.reset.on_click(lambda _: self.queue("reset"))
        self.scrub.on_update(lambda event: self._scrubbed(event.client))

    @property
    def last(self) -> int:
        """The number of the newest frame that was seen."""
        return max(len(panel.frames) for panel in self.panels) - 1

    @property
    def done(self) -> bool:
        """Whether all episodes are over, and seen to their ends."""
        return self._shown == self.last and all(panel.done for panel in self.panels)

    def run(self) -> None:
        """Execute commands as they come, for ever."""
        while True:
            self.execute(self._next())

    def queue(self, command: Command) -> None:
        """Queue a command; any thread may."""
        self._commands.put(command)

    def execute(self, command: Command) -> None:
        """Execute a command."""
        if command == "play":
            self.playing = not self.playing
        elif command == "scrub":
            self.playing = False
            self._show(int(self.scrub.value))
        elif command == "reset":
            self.playing = False
            for panel in self.panels:
                panel.reset(int(self.seed.value))
            self._show(0)
        else:
            self._go_on()
            self.playing = self.playing and not self.done

    def _go_on(self) -> None:
        """Show the next frame where it was seen before; else execute the planned chunks."""
        seen = self._shown < self.last
        if not seen:
            for panel in self.panels:
                panel.advance()
        for index in range(self._shown + 1, self._shown + 2 if seen else self.last + 1):
            self._show(index)
            time.sleep(self._pause_s / float(self.speed.value))

    def _scrubbed(self, client: viser.ClientHandle | None) -> None:
        """Queue what a hand did to the slider; this program moves it, too."""
        if client is not None:
            self.queue("scrub")

    def _next(self) -> Command:
        """Wait for a command; while playing, take a step where none waits."""
        while True:
            try:
                return self._commands.get(block=not self.playing, timeout=POLL_S)
            except Empty:
                if self.playing:
                    return "step"

    def _show(self, index: int) -> None:
        self._shown = min(index, self.last)
        for panel in self.panels:
            panel.show(self._shown)
        self.scrub.max = max(1, self.last)
        self.scrub.value = self._shown  # type: ignore[misc]  # Mypy overlooks its setter.
