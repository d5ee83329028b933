"""Plans for robots in other processes, or on other machines, over WebSocket.

Every client has an `Actor` of its own; all share the planner, which plans for one at a time. What a
client gets wrong is answered in words, and the others never notice.
"""

import hmac
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection
from websockets.sync.server import serve as listen

from configs.stopping import stop_request
from envs.config import ViewConfig
from perception.errors import InputError
from policy.planner.policy import Policy
from policy.rollouts.access import ServeConfig, read_token
from policy.rollouts.actor import Actor
from policy.rollouts.frames import Limits
from policy.rollouts.seeing import load_seeing
from policy.rollouts.wire import Act, Observe, described, read_request, write_reply
from policy.runs.device import prepare
from policy.runs.newest import given_or_newest

logger = logging.getLogger(__name__)

POLL_S = 0.2
FULL, GOING_AWAY, TOO_SLOW = 1013, 1001, 1008  # Close codes of WebSocket (RFC 6455).


def serve(config: ServeConfig) -> None:
    """Serve a planner until Ctrl-C.

    Raises:
        InputError: There is no planner that cameras can serve, the port cannot be had, or another
            machine could reach it without a token.
    """
    token = read_token(config)
    device = prepare(config.device, config.threads)
    planner, view = load_seeing(given_or_newest(config.checkpoint))
    with PlanServer(planner.to(device), view, config, token) as server, stop_request() as stop:
        logger.info("plans at ws://%s:%d; Ctrl-C ends it", config.host, server.port)
        while not stop.requested:
            time.sleep(POLL_S)


class PlanServer:
    """A planner behind a port, while the context lasts.

    Args:
        planner: Plans for all clients.
        view: How its clouds are made.
        config: The limits, and where.
        token: What clients must show.

    Raises:
        InputError: The port cannot be had, or plans come later than the next look.
    """

    def __init__(
        self, planner: Policy, view: ViewConfig, config: ServeConfig, token: str | None
    ) -> None:
        self._planner, self._view, self._config, self._token = planner, view, config, token
        self._limits = Limits(config.least_points, config.longest_gap_s)
        self._slots = threading.BoundedSemaphore(config.clients)
        self._planning, self._ending = threading.Lock(), threading.Event()
        self._connections: set[ServerConnection] = set()
        Actor(planner, view, late=config.late).warm_up()
        # It logs whatever strangers send as an error of the server, traceback and all.
        logging.getLogger("websockets.server").setLevel(logging.CRITICAL)
        self._server = self._listen()
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.socket.getsockname()[1])

    def __enter__(self) -> "PlanServer":
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._server.shutdown()
        for connection in list(self._connections):
            connection.close(GOING_AWAY, "the server ends")
        self._accepting.join()

    def _listen(self) -> Server:
        config = self._config
        try:
            return listen(
                self._serve,
                config.host,
                config.port,
                origins=[None],  # A browser's page says where it is from: none is a client.
                process_request=self._check_token,
                compression=None,
                max_size=int(config.message_mb * 1e6),
                close_timeout=1,
                max_queue=2,
            )
        except OSError as error:
            raise InputError(
                f"host={config.host} port={config.port} cannot be had ({error.strerror}); give"
                " another, or port=0 for one that is free"
            ) from error

    def _accept(self) -> None:
        """Accept clients, also again after the machine had no more files for one."""
        while not self._ending.is_set():
            self._server.serve_forever()
            self._ending.wait(POLL_S)

    def _check_token(self, connection: ServerConnection, request: Request) -> Response | None:
        if self._token is None:
            return None
        shown = ", ".join(request.headers.get_all("Authorization"))
        wanted = f"Bearer {self._token}"
        if hmac.compare_digest(shown.encode(errors="surrogateescape"), wanted.encode()):
            return None
        return connection.respond(HTTPStatus.UNAUTHORIZED, "the token is not this server's\n")

    def _serve(self, connection: ServerConnection) -> None:
        """Serve a client to its end."""
        if not self._slots.acquire(blocking=False):
            connection.close(FULL, f"all clients={self._config.clients} places are taken")
            return
        self._connections.add(connection)
        try:
            with suppress(ConnectionClosed):  # By the client, or cut.
                self._converse(connection)
        except Exception:
            logger.exception("A client is let go by an error of this program")
            raise
        finally:
            self._connections.discard(connection)
            self._slots.release()

    def _converse(self, connection: ServerConnection) -> None:
        actor = Actor(self._planner, self._view, self._limits, self._config.late)
        connection.send(write_reply(described(self._planner, self._view)))
        for message in self._messages(connection):
            try:
                reply = self._reply(actor, message)
            except InputError as error:
                reply = {"error": str(error)}
            connection.send(write_reply(reply))

    def _messages(self, connection: ServerConnection) -> Iterator[bytes | str]:
        """Give messages as they come, until a client is silent for too long."""
        idle_s = self._config.idle_s
        while True:
            try:
                yield connection.recv(timeout=idle_s)
            except TimeoutError:
                connection.close(TOO_SLOW, f"silent for idle_s={idle_s}")
                return

    def _reply(self, actor: Actor, message: bytes | str) -> dict[str, Any]:
        """Do what a client asks for.

        Raises:
            InputError: It cannot be done.
        """
        request = read_request(message)
        if not isinstance(request, Observe):
            actor.reset(request.seed)
            return {"done": True}
        actor.take(request.frame())
        if not isinstance(request, Act):
            return {"done": True}
        with self._planning:
            return {"chunk": actor.plan()}
