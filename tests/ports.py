"""A reserved port, on which nothing listens until the test starts a server there."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held_port(host: str = "127.0.0.1") -> Iterator[int]:
    """Yield a port that refuses connections. The system gives it to no other process.

    A server that sets `SO_REUSEADDR`, as `socket.create_server` does, can listen on it.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((host, 0))
        yield held.getsockname()[1]
