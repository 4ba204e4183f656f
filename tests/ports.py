"""Hold a port for a test that needs nobody to listen on it, or that listens on it later."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held_port(host: str = "127.0.0.1") -> Iterator[int]:
    """Yield a port that refuses connections, and that no other process is given.

    A server that sets `SO_REUSEADDR`, as `socket.create_server` does, can listen on it.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((host, 0))
        yield held.getsockname()[1]
