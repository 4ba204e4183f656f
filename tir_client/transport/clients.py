"""The httpx clients behind one `TIRClient`: when they are made, shared and closed.

A sync client serves all threads. An async client belongs to the event loop that opened its connections, and
frameworks make fresh loops all the time, so there is one for each loop, closed with it.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
import weakref
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.request import getproxies

import httpx

from tir_client.config import LOOPBACK
from tir_client.errors import ConfigurationError

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, Callable

Client = TypeVar("Client", httpx.Client, httpx.AsyncClient)

LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=30.0)
"""httpx looks at every idle connection at each request, so their number is what concurrency costs."""


@cache
def _tls() -> ssl.SSLContext:
    """One TLS context for all clients: making one costs more than the rest of a client."""
    return httpx.create_ssl_context()


HERE: dict[str, Any] = {f"all://{host}": None for host in LOOPBACK}
"""Where no proxy is asked, whatever the environment says: this machine."""


class Clients:
    """Makes httpx clients when they are first needed, and closes those that it made.

    Args:
        http_client: A client of the user's to use for sync calls. It stays the user's to close.
        http_async_client: The same for async calls, in whatever loops the user calls from.
    """

    def __init__(self, http_client: Any = None, http_async_client: Any = None) -> None:
        self.given = _checked(http_client, "http_client", is_async=False)
        self.given_async = _checked(http_async_client, "http_async_client", is_async=True)
        self._lock = threading.Lock()
        self._sync: tuple[int, httpx.Client] | None = None
        self._async: dict[int, _OfLoop] = {}

    def sync(self) -> Any:
        """The client for sync calls. After a fork the child makes its own: sockets cannot be shared."""
        if self.given is not None:
            return _opened(self.given, "http_client")
        pid = os.getpid()
        with self._lock:
            if self._sync is None or self._sync[0] != pid or self._sync[1].is_closed:
                client = _made(lambda: httpx.Client(verify=_tls(), limits=LIMITS, mounts=HERE))
                weakref.finalize(self, client.close)
                self._sync = (pid, client)
            return self._sync[1]

    async def of_loop(self) -> Any:
        """The client for async calls in the running loop."""
        if self.given_async is not None:
            return _opened(self.given_async, "http_async_client")
        loop = asyncio.get_running_loop()
        entry = self._async.get(id(loop))
        if entry is None or entry.loop is not loop or entry.client.is_closed:
            self._forget_closed_loops()
            client = _made(_async_client)
            keeper = _close_with_loop(client)
            await anext(keeper)
            entry = _OfLoop(loop, client, keeper, weakref.finalize(self, _retire, loop, keeper))
            entry.farewell.atexit = False
            self._async[id(loop)] = entry
        return entry.client

    def _forget_closed_loops(self) -> None:
        for key, entry in self._async.copy().items():  # other threads add to it
            if entry.loop.is_closed() or entry.client.is_closed:
                entry.farewell.detach()
                self._async.pop(key, None)

    def close(self) -> None:
        """Close the sync client, if this object made one. The next call makes another."""
        with self._lock:
            if self._sync is not None:
                self._sync[1].close()
            self._sync = None

    async def aclose(self) -> None:
        """Close the sync client and the running loop's async client, if this object made them."""
        self.close()
        entry = self._async.pop(id(asyncio.get_running_loop()), None)
        if entry is not None:
            entry.farewell.detach()
            await entry.keeper.aclose()
            await asyncio.sleep(0)  # in which asyncio closes the sockets


def _made(make: Callable[[], Client]) -> Client:
    try:
        return make()
    except (ImportError, ValueError) as error:
        raise ConfigurationError(f"The environment's proxy settings cannot be used: {error}") from None


def _async_client() -> httpx.AsyncClient:
    if getproxies().keys() & {"http", "https", "all"}:  # httpx sees to proxies if the transport is its own
        return httpx.AsyncClient(verify=_tls(), limits=LIMITS, mounts=HERE)
    from tir_client._pool import Pool  # noqa: PLC0415 - with httpcore, which sync code need not wait for at import

    return httpx.AsyncClient(transport=Pool(_tls))


@dataclass(frozen=True, slots=True)
class _OfLoop:
    """An async client, the loop it belongs to, what closes it with the loop, and what closes it before that."""

    loop: asyncio.AbstractEventLoop
    client: httpx.AsyncClient
    keeper: AsyncGenerator[None]
    farewell: weakref.finalize[Any, Any]


def _checked(client: Any, name: str, *, is_async: bool) -> Any:
    if client is None:
        return None
    send = getattr(client, "send", None)
    if send is None or not hasattr(client, "build_request") or inspect.iscoroutinefunction(send) != is_async:
        wanted = "an httpx.AsyncClient" if is_async else "an httpx.Client"
        raise ConfigurationError(f"`{name}` must be {wanted}, not {type(client).__name__}.")
    return client


def _opened(client: Any, name: str) -> Any:
    if client.is_closed:
        raise ConfigurationError(f"`{name}` has been closed; it is yours to keep open.")
    return client


async def _close_with_loop(client: httpx.AsyncClient) -> AsyncGenerator[None]:
    """Close `client` when its loop shuts down: a loop ends the async generators that were begun in it."""
    try:
        yield
    finally:
        await client.aclose()


def _retire(loop: asyncio.AbstractEventLoop, keeper: AsyncGenerator[None]) -> None:
    """Close the client of a model that was garbage-collected, from whatever thread that happened in."""
    with suppress(RuntimeError):  # the loop is closed, and the client with it
        loop.call_soon_threadsafe(_end, loop, keeper)


def _end(loop: asyncio.AbstractEventLoop, keeper: AsyncGenerator[None]) -> None:
    # A loop that shuts down cancels its tasks first and ends its generators then: a keeper whose task was
    # cancelled must live until that moment.
    _RETIRED.difference_update([old for old in _RETIRED if old.ag_frame is None])
    _RETIRED.add(keeper)
    task = loop.create_task(_finish(keeper))
    task.add_done_callback(lambda done: None if done.cancelled() else _RETIRED.discard(keeper))


async def _finish(keeper: AsyncGenerator[None]) -> None:
    await keeper.aclose()


_RETIRED: set[Any] = set()
