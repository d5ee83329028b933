"""A process on a node of a Ray cluster: what jobs and environments live in with `launcher=ray`.

Every node has this repository, and the files that commands name, at the same place, as a shared
file system has. A node that goes takes its processes with it; who asked is told, and makes new
ones, which live on the nodes that are left.
"""

import itertools
import os
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from envs.vector.answers import Answering, EndedError, result_of
from perception.errors import InputError

THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")

_made = itertools.count()  # How many actors this process has made: each goes to the next place.


def check_launcher(launcher: str, workers: int) -> None:
    """Refuse what would run in this process although a cluster is asked for.

    Raises:
        InputError: It would.
    """
    if launcher == "ray" and workers == 0:
        raise InputError(
            "workers=0 works in this process, and launcher=ray on a cluster: give workers=1 or more"
        )


class Actor:
    """A process on the cluster, which does what it is asked, one thing after another.

    Args:
        make_work: As for `Answering`; picklable.

    Raises:
        InputError: Ray is not installed, or its cluster cannot be reached.
    """

    def __init__(self, make_work: Callable[[], Callable[[Any], Any]]) -> None:
        self._ray = _connected()
        options = self._ray.remote(_Served).options(
            num_cpus=0,  # Who gives the number of workers knows how many there may be.
            scheduling_strategy=self._next_place(),
            runtime_env={"env_vars": THREADS},
        )
        self._actor = options.remote(make_work, str(Path.cwd()))
        self.asked: Any = None

    def ask(self, job: Any) -> None:  # noqa: ANN401
        """Ask for a job; the answer is taken later."""
        self.asked = self._actor.do.remote(job)

    def answer(self) -> Any:  # noqa: ANN401
        """Wait for what was asked for, and give it.

        Raises:
            EndedError: The process or its node ended before; or the node that held the answer.
        """
        lost = self._ray.exceptions
        try:
            answer = self._ray.get(self.asked)
        except (lost.RayActorError, lost.ObjectLostError, lost.NodeDiedError) as error:
            raise EndedError(_reason(str(error))) from error
        return result_of(answer)

    def end(self) -> None:
        """End the process at once; what it was doing is lost."""
        self._ray.kill(self._actor)

    @staticmethod
    def ready(actors: Sequence["Actor"], timeout_s: float) -> "list[Actor]":
        """Wait for the first answer, but not longer than that; give all who have answered."""
        asked = {actor.asked: actor for actor in actors}
        if not asked:
            return []
        ray = actors[0]._ray
        ray.wait(list(asked), timeout=timeout_s)
        there, _ = ray.wait(list(asked), num_returns=len(asked), timeout=0)
        return [asked[one] for one in there]

    def _next_place(self) -> Any:  # noqa: ANN401
        """Choose the nodes in turn, each as often as it has cores; any other where one is gone."""
        from ray.util.scheduling_strategies import (  # noqa: PLC0415 (an extra)
            NodeAffinitySchedulingStrategy,
        )

        alive = [node for node in self._ray.nodes() if node["Alive"]]
        places = sorted(
            (turn, node["NodeID"])
            for node in alive
            for turn in range(max(int(node["Resources"].get("CPU", 1)), 1))
        )
        _, node_id = places[next(_made) % len(places)]
        return NodeAffinitySchedulingStrategy(node_id, soft=True)


class _Served(Answering):
    """What runs over there, in the folder that this process runs in."""

    def __init__(self, make_work: Callable[[], Callable[[Any], Any]], folder: str) -> None:
        os.chdir(folder)
        super().__init__(make_work)


def _reason(text: str) -> str:
    """Give the last line of what Ray says, which holds the cause."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason is known"


def _connected() -> Any:  # noqa: ANN401
    """Give Ray, connected to the cluster that it finds, or to one that it starts here.

    Raises:
        InputError: It is not installed, or the cluster cannot be reached.
    """
    try:
        import ray  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise InputError("launcher=ray needs the extra: pip install -e '.[ray]'") from error
    if ray.is_initialized():
        return ray
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InputError(
            f"launcher=ray finds no cluster that it can use ({_reason(str(error))}): start one by"
            " `ray start --head`, or correct RAY_ADDRESS"
        ) from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)  # Ray would end the command in the middle.
    return ray
