"""Who is listened to: this machine alone, or whoever shows the token."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from configs.ranges import Port, Positive, between
from perception.errors import InputError

LEAST_TOKEN = 16  # Characters: what cannot be guessed.
LOCAL_NAME = "localhost"


@dataclass(frozen=True)
class Access:
    """Where to listen, to whom, and how much of each.

    Attributes:
        host: The address.
        port: Its port; 0: any free one.
        token_file: Holds the secret that clients must show.
        clients: At once.
        message_mb: The largest message, in megabytes.
        idle_s: After so many seconds of silence a client is let go.
    """

    host: str
    port: Port
    token_file: Path | None
    clients: Annotated[int, between(1, 1000)]
    message_mb: Positive
    idle_s: Positive


def read_token(access: Access) -> str | None:
    """Read what clients must show; None: this machine alone is served, and nothing is asked for.

    Raises:
        InputError: Other machines are to be served without one; the file is missing; it is short.
    """
    if access.token_file is None:
        if not _is_loopback(access.host):
            raise InputError(
                f"host={access.host} lets other machines in: give token_file= (a file with a secret"
                " that clients show), or host=127.0.0.1"
            )
        return None
    try:
        token = access.token_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"token_file={access.token_file} cannot be read: {error}") from error
    if len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable():
        raise InputError(
            f"token_file={access.token_file} must hold {LEAST_TOKEN} plain characters or more; make"
            " one: python -c 'import secrets; print(secrets.token_urlsafe())'"
        )
    return token


def _is_loopback(host: str) -> bool:
    """Tell whether an address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # A name.
        return host == LOCAL_NAME
