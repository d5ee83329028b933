"""Who is served: this machine alone, or whoever shows the token."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from configs.ranges import Count, Port, Positive, Processes, between
from perception.errors import InputError
from policy.rollouts.late import Late
from policy.runs.device import DeviceName

LEAST_TOKEN = 16  # Characters: what cannot be guessed.
LOCAL_NAME = "localhost"


@dataclass(frozen=True)
class ServeConfig:
    """What to serve and to whom; every key is explained in configs/scripts/serve.yaml."""

    checkpoint: Path | None
    host: str
    port: Port
    token_file: Path | None
    device: DeviceName
    threads: Processes
    clients: Annotated[int, between(1, 1000)]
    message_mb: Positive
    idle_s: Positive
    least_points: Count
    longest_gap_s: Positive
    late: Late


def read_token(config: ServeConfig) -> str | None:
    """Read what clients must show; None: this machine alone is served, and nothing is asked for.

    Raises:
        InputError: Other machines are to be served without one; the file is missing; it is short.
    """
    if config.token_file is None:
        if not _is_loopback(config.host):
            raise InputError(
                f"host={config.host} lets other machines in: give token_file= (a file with a secret"
                " that clients show), or host=127.0.0.1"
            )
        return None
    try:
        token = config.token_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"token_file={config.token_file} cannot be read: {error}") from error
    if len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable():
        raise InputError(
            f"token_file={config.token_file} must hold {LEAST_TOKEN} plain characters or more; make"
            " one: python -c 'import secrets; print(secrets.token_urlsafe())'"
        )
    return token


def _is_loopback(host: str) -> bool:
    """Tell whether an address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # A name.
        return host == LOCAL_NAME
