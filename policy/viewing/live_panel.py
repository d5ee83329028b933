"""One planner in the live view: its scene, its picture, how it goes, and what was seen of it."""

import viser

from policy.viewing.live_episode import LiveEpisode, LiveFrame
from visualizer.film import Film, Frame
from visualizer.player import look, set_up


class LivePanel:
    """An episode played as far as it was asked to be; any frame of it can be shown again.

    Args:
        server: Shows it.
        name: Of the planner, where there are several.
        episode: What is shown.
        seed: Of the first episode.
        place: In the row of panels, from the left.
        panels: How many there are.
    """

    def __init__(
        self,
        server: viser.ViserServer,
        name: str,
        episode: LiveEpisode,
        seed: int,
        *,
        place: int,
        panels: int,
    ) -> None:
        self._episode = episode
        self.frames = [first := episode.reset(seed)]
        marks = {mark: position[None] for mark, position in first.marks.items()}
        film = Film(first.cloud[None], episode.cameras(), 1, marks=marks)
        if place == 0:
            look(server, film, panels)
        self._show = set_up(server, film, name, place)
        with server.gui.add_folder(name or "The planner"):
            self.picture = server.gui.add_image(first.picture)
            self.status = server.gui.add_markdown("")
        self.show(0)

    @property
    def done(self) -> bool:
        """Whether the episode is over."""
        return self._episode.done

    def reset(self, seed: int) -> None:
        """Start the episode of a seed."""
        self.frames = [self._episode.reset(seed)]
        self.show(0)

    def advance(self) -> None:
        """Execute the planned chunk and plan again."""
        self.frames += self._episode.advance()

    def show(self, index: int) -> None:
        """Show a frame by its number, or the last one there is."""
        frame: LiveFrame = self.frames[min(index, len(self.frames) - 1)]
        self._show(Frame(frame.cloud, {}, frame.path, frame.marks))
        self.picture.image = frame.picture
        self.status.content = frame.status
