"""Listens to robots in other processes, or on other machines, over WebSocket.

Every client has a conversation of its own. What it gets wrong is answered in words, and the others
never notice.
"""

import hmac
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Protocol

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection
from websockets.sync.server import serve as listen

from datasets.cameras.access import Access
from datasets.cameras.wire import write_reply
from perception.errors import InputError

logger = logging.getLogger(__name__)

POLL_S = 0.2
FULL, GOING_AWAY, TOO_SLOW = 1013, 1001, 1008  # Close codes of WebSocket (RFC 6455).


class Conversation(Protocol):
    """What is said to one client, from its first word to its last."""

    def greet(self) -> dict[str, Any]:
        """Say what is needed, and given."""

    def answer(self, message: bytes | str) -> dict[str, Any]:
        """Do what the client asks for.

        Raises:
            InputError: It cannot be done.
        """

    def end(self) -> None:
        """Clear up: the client has gone."""


class Listener:
    """A port, and whoever comes there, while the context lasts.

    Args:
        access: The limits, and where.
        token: What clients must show.
        begin: Begins a conversation.

    Raises:
        InputError: The port cannot be had.
    """

    def __init__(
        self, access: Access, token: str | None, begin: Callable[[], Conversation]
    ) -> None:
        self._access, self._token, self._begin = access, token, begin
        self._slots = threading.BoundedSemaphore(access.clients)
        self._ending = threading.Event()
        self._connections: set[ServerConnection] = set()
        # It logs whatever strangers send as an error of the server, traceback and all.
        logging.getLogger("websockets.server").setLevel(logging.CRITICAL)
        self._server = self._listen()
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.socket.getsockname()[1])

    def __enter__(self) -> "Listener":
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._server.shutdown()
        for connection in list(self._connections):
            connection.close(GOING_AWAY, "the server ends")
        self._accepting.join()

    def _listen(self) -> Server:
        access = self._access
        try:
            return listen(
                self._serve,
                access.host,
                access.port,
                origins=[None],  # A browser's page says where it is from: none is a client.
                process_request=self._check_token,
                compression=None,
                max_size=int(access.message_mb * 1e6),
                close_timeout=1,
                max_queue=2,
            )
        except OSError as error:
            raise InputError(
                f"host={access.host} port={access.port} cannot be had ({error.strerror}); give"
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
            connection.close(FULL, f"all clients={self._access.clients} places are taken")
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
        conversation = self._begin()
        try:
            connection.send(write_reply(conversation.greet()))
            for message in self._messages(connection):
                try:
                    reply = conversation.answer(message)
                except InputError as error:
                    reply = {"error": str(error)}
                connection.send(write_reply(reply))
        finally:
            conversation.end()

    def _messages(self, connection: ServerConnection) -> Iterator[bytes | str]:
        """Give messages as they come, until a client is silent for too long."""
        idle_s = self._access.idle_s
        while True:
            try:
                yield connection.recv(timeout=idle_s)
            except TimeoutError:
                connection.close(TOO_SLOW, f"silent for idle_s={idle_s}")
                return
