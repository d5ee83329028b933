"""Plans for robots in other processes, or on other machines.

Every client has an `Actor` of its own; all share the planner, which plans for one at a time.
"""

import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from configs.build import Inline
from configs.ranges import Count, Positive, Processes
from configs.stopping import stop_request
from datasets.cameras.access import Access, read_token
from datasets.cameras.frames import Limits
from datasets.cameras.listening import POLL_S, Listener
from envs.config import ViewConfig
from policy.planner.policy import Policy
from policy.rollouts.actor import Actor
from policy.rollouts.late import Late
from policy.rollouts.seeing import load_seeing
from policy.rollouts.wire import Act, Reset, described, read_request
from policy.runs.device import DeviceName, prepare
from policy.runs.newest import given_or_newest

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServeConfig:
    """What to serve and to whom; every key is explained in configs/scripts/cameras/serve.yaml."""

    checkpoint: Path | None
    access: Annotated[Access, Inline()]
    device: DeviceName
    threads: Processes
    least_points: Count
    longest_gap_s: Positive
    late: Late


def serve(config: ServeConfig) -> None:
    """Serve a planner until Ctrl-C.

    Raises:
        InputError: There is no planner that cameras can serve, the port cannot be had, or another
            machine could reach it without a token.
    """
    token = read_token(config.access)
    device = prepare(config.device, config.threads)
    planner, view = load_seeing(given_or_newest(config.checkpoint))
    with plan_server(planner.to(device), view, config, token) as server, stop_request() as stop:
        logger.info("plans at ws://%s:%d; Ctrl-C ends it", config.access.host, server.port)
        while not stop.requested:
            time.sleep(POLL_S)


def plan_server(
    planner: Policy, view: ViewConfig, config: ServeConfig, token: str | None
) -> Listener:
    """Put a planner behind a port.

    Args:
        planner: Plans for all clients.
        view: How its clouds are made.
        config: The limits, and where.
        token: What clients must show.

    Raises:
        InputError: The port cannot be had, or plans come later than the next look.
    """
    Actor(planner, view, late=config.late).warm_up()
    limits, planning = Limits(config.least_points, config.longest_gap_s), threading.Lock()
    return Listener(
        config.access,
        token,
        lambda: Planning(Actor(planner, view, limits, config.late), planning),
    )


class Planning:
    """What is said to one client.

    Args:
        actor: Its own.
        planning: Held by who plans.
    """

    def __init__(self, actor: Actor, planning: threading.Lock) -> None:
        self._actor, self._planning = actor, planning

    def greet(self) -> dict[str, Any]:
        """Say what the planner needs, and gives."""
        return described(self._actor.planner, self._actor.view)

    def answer(self, message: bytes | str) -> dict[str, Any]:
        """Do what the client asks for.

        Raises:
            InputError: It cannot be done.
        """
        request = read_request(message)
        if isinstance(request, Reset):
            self._actor.reset(request.seed)
            return {"done": True}
        self._actor.take(request.frame())
        if not isinstance(request, Act):
            return {"done": True}
        with self._planning:
            return {"chunk": self._actor.plan()}

    def end(self) -> None:
        """Leave it at that: a client's `Actor` holds nothing but memory."""
