"""Takes what robots send, step by step, and appends whole episodes to a store.

What is not ended is dropped, and said.
"""

import logging
import threading
from collections import Counter
from typing import Any

from datasets.cameras.alike import Alike
from datasets.cameras.describe import describe_cameras
from datasets.cameras.draft import Draft
from datasets.cameras.frames import DroppedError, LateError
from datasets.cameras.steps import Step, Told, read_step
from datasets.cameras.wanted import Begin, Took, Wanted, read_request
from datasets.cameras.wire import describe_view
from datasets.store.descriptions import seal
from datasets.store.store import EpisodeStore
from perception.errors import InputError

logger = logging.getLogger(__name__)

UNBEGUN = "No episode was begun: begin() comes first"


class Recorder:
    """Episodes of several robots on their way into one store.

    Args:
        store: Open to write.
        wanted: What is recorded.

    Attributes:
        counts: What was refused so far, in all sessions: frames that were `late`, before which
            others were `dropped`, or that were `refused` for another reason; `unfinished` episodes.
        newest: The first step of the newest episode, of this session.
        failure: What the machine could not do, after which nothing more is recorded.
    """

    def __init__(self, store: EpisodeStore, wanted: Wanted) -> None:
        self.wanted, self._store = wanted, store
        self.counts: Counter[str] = Counter(store.attributes.get("refused", {}))
        self.newest: Step | None = None
        self.failure: OSError | MemoryError | None = None
        self._lock = threading.Lock()
        self._alike = Alike.of_store(store)
        self._sending: list[Sending] = []
        self._closed = False

    @property
    def done(self) -> bool:
        """Whether all episodes are there, or nothing more can be recorded."""
        wanted = self.wanted.episodes
        return self.failure is not None or (wanted is not None and self._store.episodes >= wanted)

    def begin(self) -> "Sending":
        """Begin to listen to a robot."""
        with self._lock:
            self._sending.append(Sending(self))
            return self._sending[-1]

    def describe(self) -> dict[str, Any]:
        """Say what is wanted, and what is there."""
        with self._lock:
            alike = self._alike
            return {
                **describe_view(self.wanted.view),
                "points": self.wanted.view.points,
                "images": list(self.wanted.images),
                "task": self._store.attributes["task"],
                "episodes": self._store.episodes,
                "robot_state": None if alike is None else alike.robot_state,
                "actions": None if alike is None else alike.action,
            }

    def draft(self) -> Draft:
        """Begin an episode.

        Raises:
            InputError: None is wanted any more.
        """
        with self._lock:
            self._require_open()
            return Draft(self._alike, self.wanted.steps)

    def keep(self, sending: "Sending", success: bool | None) -> int:
        """Append a robot's episode, which is its own no more; give its number.

        Raises:
            InputError: It is unlike those before, none is wanted any more, or the machine cannot.
        """
        with self._lock:
            self._require_open()
            draft = sending.draft
            if draft is None:
                raise InputError(UNBEGUN)
            try:
                self._append(draft, success)
            except (OSError, MemoryError) as error:
                self.failure = error
                raise InputError(
                    f"The recording ends, this machine cannot go on: {error}"
                ) from error
            sending.draft = None
            logger.info("episode %d: %d steps", self._store.episodes - 1, len(draft))
            return self._store.episodes - 1

    def _append(self, draft: Draft, success: bool | None) -> None:
        episode = draft.finish(success)
        alike = Alike.of_step(draft.first)
        if self._alike is None:
            seal(self._store.path, cameras=describe_cameras(draft.first))
        else:
            self._alike.refuse_other(alike)
            _check_success(self._store, said=episode.recording.successes is not None)
        self._store.append(episode)
        self._tell_counts()
        self._alike, self.newest = self._alike or alike, draft.first

    def count(self, what: str) -> None:
        """Count what was refused."""
        with self._lock:
            self.counts[what] += 1

    def drop(self, sending: "Sending") -> None:
        """Drop a robot's episode that was not ended, and say so."""
        with self._lock:
            self._drop(sending)

    def leave(self, sending: "Sending") -> None:
        """Stop listening to a robot."""
        with self._lock:
            self._drop(sending)
            if sending in self._sending:
                self._sending.remove(sending)

    def close(self) -> None:
        """Take nothing more; drop what was not ended, and keep the counts with the store."""
        with self._lock:
            self._closed = True
            for sending in self._sending:
                self._drop(sending)
            if self.failure is None:
                self._tell_counts()

    def _require_open(self) -> None:
        if self._closed or self.done:
            raise InputError(
                f"Nothing more is recorded: the store holds {self._store.episodes} episodes"
            )

    def _drop(self, sending: "Sending") -> None:
        steps = len(sending.draft or ())
        sending.draft = None
        if steps:
            self.counts["unfinished"] += 1
            logger.warning("an episode of %d steps was not ended, and is dropped", steps)

    def _tell_counts(self) -> None:
        if dict(self.counts) != self._store.attributes.get("refused", {}):
            seal(self._store.path, refused=dict(self.counts))


class Sending:
    """What is said to one robot.

    Args:
        recorder: Keeps its episodes.

    Attributes:
        draft: Its episode on its way.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.draft: Draft | None = None

    def greet(self) -> dict[str, Any]:
        """Say what is recorded."""
        return self._recorder.describe()

    def answer(self, message: bytes | str) -> dict[str, Any]:
        """Do what the robot asks for.

        Raises:
            InputError: It cannot be done; a step that was refused is no part of the episode.
        """
        request = read_request(message)
        if isinstance(request, Begin):
            self._recorder.drop(self)
            self.draft = self._recorder.draft()
            return {"done": True}
        if isinstance(request, Took):
            return self._take(request)
        return {"episode": self._recorder.keep(self, request.success)}

    def end(self) -> None:
        """The robot has gone."""
        self._recorder.leave(self)

    def _take(self, request: Took) -> dict[str, Any]:
        wanted, draft = self._recorder.wanted, self.draft
        if draft is None:
            raise InputError(UNBEGUN)
        try:
            draft.check_stamp(request.stamp, wanted.limits)
            told = Told(request.action.array(), request.reward, request.success)
            step = read_step(request.frame(), told, wanted.view, wanted.images, wanted.limits)
            draft.add(step)
        except InputError as error:
            kinds = {LateError: "late", DroppedError: "dropped"}
            self._recorder.count(kinds.get(type(error), "refused"))
            raise
        return {"step": len(draft) - 1}


def _check_success(store: EpisodeStore, *, said: bool) -> None:
    """Refuse an episode that says whether it succeeded where those before do not, or turned round.

    Raises:
        InputError: It does.
    """
    if said != ("success" in store.names):
        was = "was not given" if said else "was given"
        raise InputError(
            f"success {was} in the episodes before: give it in all, at every step or by end(), or"
            " in none"
        )
