"""Ends a wait whose time is over, where httpx bounds each read but not all of them together."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from tir_client.transport.failures import timed_out

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@contextmanager
def hanging_up(response: Any, seconds: float) -> Iterator[None]:
    """Hang up on the server if the block takes longer: whoever waits for its next piece then gets an error at once.

    httpx bounds each read, and this all of them together, for sync and async code alike.
    """
    stream = response.extensions.get("network_stream")
    sock = stream.get_extra_info("socket") if stream is not None else None
    if sock is None:
        yield  # no network below, as in a test
        return
    lock = threading.Lock()

    def hang_up() -> None:
        with lock:
            if not timer.finished.is_set():  # else the connection may be another call's by now
                _hang_up(sock)

    timer = threading.Timer(seconds, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            timer.cancel()


@asynccontextmanager
async def giving_up(seconds: float) -> AsyncIterator[None]:
    """Raise `APITimeoutError` if the block takes longer, whatever it waits for. For async code only."""
    try:
        async with asyncio.timeout(seconds) as limit:
            yield
    except TimeoutError:
        if limit.expired():
            raise timed_out("total") from None
        raise


def _hang_up(sock: Any) -> None:
    # Through a socket of our own: what an event loop shows as its socket may have no `shutdown`, and that of a TLS
    # socket takes its keys away, so that whoever reads at that moment gets a ValueError.
    with suppress(OSError), socket.fromfd(sock.fileno(), sock.family, sock.type) as same:  # unless it was closed
        same.shutdown(socket.SHUT_RD)
