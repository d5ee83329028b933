"""The live view: a window in the browser onto a `LiveEpisode`, with buttons to step through it."""

import logging
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Literal

import viser

from policy.rollouts.evaluation import evaluation_seeds
from policy.rollouts.loading import load_for
from policy.runs.newest import given_or_newest
from policy.viewing.live_episode import LiveEpisode, LiveFrame
from policy.viewing.viewer import ViewRolloutConfig
from visualizer.player import Film, Frame, serving, set_up

logger = logging.getLogger(__name__)

Command = Literal["step", "play", "reset"]
SEEDS = 2**32
POLL_S = 0.5  # Ctrl-C may reach another thread; this one sees it when its wait ends.


def watch(config: ViewRolloutConfig) -> None:
    """Serve the live view on this machine alone until Ctrl-C.

    Raises:
        InputError: The checkpoint is missing, or made for something else.
    """
    loaded = load_for(given_or_newest(config.checkpoint), config.task)
    planner, env = loaded.planner, loaded.env
    (seed,) = evaluation_seeds(config.seed, 1)
    episode = LiveEpisode(planner, env)
    with serving(config.port) as server, suppress(KeyboardInterrupt):
        view = LiveView(server, episode, seed, frames_per_second=config.frames_per_second)
        logger.info("open http://127.0.0.1:%d in a browser; Ctrl-C ends it", server.get_port())
        view.run()


class LiveView:
    """Buttons beside the scene; viser's threads only queue commands, and `run` executes them.

    Args:
        server: Shows it.
        episode: What is shown.
        seed: Of the first episode.
        frames_per_second: How fast to play, at most.
    """

    def __init__(
        self,
        server: viser.ViserServer,
        episode: LiveEpisode,
        seed: int,
        *,
        frames_per_second: float,
    ) -> None:
        self._episode, self._pause_s = episode, 1 / frames_per_second
        self._commands: SimpleQueue[Command] = SimpleQueue()
        self.playing = False
        first = episode.reset(seed)
        film = Film(first.cloud[None], episode.cameras(), frames_per_second)
        self._show_frame = set_up(server, film)
        self.status = server.gui.add_markdown("")
        self.step = server.gui.add_button("Step", hint="Execute the planned chunk.")
        self.play = server.gui.add_button("Play / Pause")
        self.seed = server.gui.add_number("Seed", seed, min=0, max=SEEDS - 1, step=1)
        self.reset = server.gui.add_button("Reset", hint="Start the episode of this seed.")
        self.step.on_click(lambda _: self.queue("step"))
        self.play.on_click(lambda _: self.queue("play"))
        self.reset.on_click(lambda _: self.queue("reset"))
        self._show(first)

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
        elif command == "reset":
            self.playing = False
            self._show(self._episode.reset(int(self.seed.value)))
        else:
            for frame in self._episode.advance():
                self._show(frame)
                time.sleep(self._pause_s)
            self.playing = self.playing and not self._episode.done

    def _next(self) -> Command:
        """Wait for a command; while playing, take a step where none waits."""
        while True:
            try:
                return self._commands.get(block=not self.playing, timeout=POLL_S)
            except Empty:
                if self.playing:
                    return "step"

    def _show(self, frame: LiveFrame) -> None:
        self._show_frame(Frame(frame.cloud, {}, frame.path))
        self.status.content = frame.status
