"""The httpx clients of one `TIRClient`: one for sync code, one for each event loop.

Threads share one sync client. An async client is bound to the event loop of its connections and closes with it.
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

CONNECTIONS = 1_000
"""Maximum number of open connections; further calls wait."""
KEEPALIVE = 30.0
"""Seconds for which idle connections are kept."""

LIMITS = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=20, keepalive_expiry=KEEPALIVE)
"""Limits for sync clients. They keep few idle connections, because httpx checks each one for every request."""


CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@cache
def _tls() -> ssl.SSLContext:
    """The TLS context of all clients. It takes longer to create than the rest of a client."""
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        name = next((name for name in CERTIFICATE_VARIABLES if os.environ.get(name)), None)
        if name is None:
            raise
        raise ConfigurationError(
            f"{name} is {os.environ[name]!r}, from which no certificates can be read: {error}. Correct or unset it."
        ) from None


DIRECT: dict[str, Any] = {f"all://{host}": None for host in LOOPBACK}
"""Hosts for which environment proxies are ignored: this machine."""


class Clients:
    """Creates httpx clients on first use, and closes them.

    Args:
        http_client: A user's client for sync calls, which is not closed.
        http_async_client: The same for async calls, in any event loop.
    """

    def __init__(self, http_client: Any = None, http_async_client: Any = None) -> None:
        self.given = _checked(http_client, "http_client", is_async=False)
        self.given_async = _checked(http_async_client, "http_async_client", is_async=True)
        self._lock = threading.Lock()
        self._sync: _SyncClient | None = None
        self._async: dict[int, _LoopClient] = {}

    def sync(self) -> Any:
        """The client for sync calls. A forked child creates a new one, because processes cannot share sockets."""
        if self.given is not None:
            return _opened(self.given, "http_client")
        pid = os.getpid()
        with self._lock:
            if self._sync is None or self._sync.pid != pid or self._sync.client.is_closed:
                client = _made(_sync_client)
                self._sync = _SyncClient(pid, client, weakref.finalize(self, client.close))
            return self._sync.client

    async def of_loop(self) -> Any:
        """The client for async calls in the running loop."""
        if self.given_async is not None:
            return _opened(self.given_async, "http_async_client")
        loop = asyncio.get_running_loop()
        entry = self._async.get(id(loop))
        if entry is None or entry.loop is not loop or entry.client.is_closed:
            self._forget_closed_loops()
            entry = _LoopClient(loop)
            await entry.start()
            entry.finalizer = weakref.finalize(self, entry.retire)
            entry.finalizer.atexit = False
            self._async[id(loop)] = entry
        return entry.client

    def _forget_closed_loops(self) -> None:
        for key, entry in self._async.copy().items():  # a copy, because other threads add entries
            if entry.loop.is_closed() or entry.client.is_closed:
                self._async.pop(key, None)
                entry.finalizer()

    def close(self) -> None:
        """Close the sync client, unless it is the user's. The next call creates a new one."""
        with self._lock:
            if self._sync is not None:
                self._sync.finalizer()
            self._sync = None
        self._forget_closed_loops()

    async def aclose(self) -> None:
        """Close the sync client and the running loop's async client, unless they are the user's."""
        self.close()
        entry = self._async.pop(id(asyncio.get_running_loop()), None)
        if entry is not None:
            entry.finalizer.detach()
            await entry.aclose()
            await asyncio.sleep(0)  # lets asyncio close the sockets


def _made(make: Callable[[], Client]) -> Client:
    try:
        return make()
    except ConfigurationError:
        raise
    except _UNUSABLE as error:
        raise ConfigurationError(
            f"{_unusable_variable()}, one of the environment's proxy settings, cannot be used: {error}. Correct or "
            "unset it."
        ) from None


_UNUSABLE = (ImportError, ValueError, httpx.InvalidURL)


def _unusable_variable() -> str:
    """The name of the environment variable with an invalid proxy."""
    for name in os.environ:
        if name.upper() in PROXY_VARIABLES and (proxy := os.environ[name]):
            try:
                httpx.HTTPTransport(verify=_tls(), proxy=proxy if "://" in proxy else f"http://{proxy}").close()
            except _UNUSABLE:
                return name
    return "no_proxy" if os.environ.get("no_proxy") else "NO_PROXY"


def _has_proxies() -> bool:
    """Whether the environment sets a proxy."""
    return bool(getproxies().keys() & {"http", "https", "all"})


def _sync_client() -> httpx.Client:
    if _has_proxies():
        return httpx.Client(verify=_tls(), limits=LIMITS, mounts=DIRECT)
    from tir_client.transport.httpcore import HttpcoreTransport  # noqa: PLC0415 - keeps importing models fast

    return httpx.Client(transport=HttpcoreTransport(_tls(), LIMITS))


def _async_client() -> httpx.AsyncClient:
    from tir_client.transport.aiohttp import AiohttpTransport  # noqa: PLC0415 - sync code does not need aiohttp

    return httpx.AsyncClient(transport=AiohttpTransport(_tls, limit=CONNECTIONS, keepalive=KEEPALIVE))


def _async_client_with_proxies() -> httpx.AsyncClient:
    """A client with httpx's own transport, which supports proxies."""
    return httpx.AsyncClient(verify=_tls(), limits=LIMITS, mounts=DIRECT)


@dataclass(frozen=True, slots=True)
class _SyncClient:
    """The sync client of one process, and its finalizer."""

    pid: int
    client: httpx.Client
    finalizer: weakref.finalize[Any, Any]


class _LoopClient:
    """The async client of one event loop. It closes with the loop, or with its `Clients`.

    Attributes:
        finalizer: Calls `retire` when its `Clients` is garbage-collected.
    """

    finalizer: weakref.finalize[Any, Any]

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._has_proxies = _has_proxies()
        self.client = _made(_async_client_with_proxies if self._has_proxies else _async_client)
        self._guard = _closed_with_loop(self.client)

    async def start(self) -> None:
        """Register the client to be closed when the running loop shuts down."""
        await anext(self._guard)

    async def aclose(self) -> None:
        """Close the client in its own loop."""
        await self._guard.aclose()

    def retire(self) -> None:
        """Close the client from any thread, whether its loop runs or is closed."""
        try:
            self.loop.call_soon_threadsafe(self._close_in_loop)
        except RuntimeError:  # the loop is closed
            self._close_at_once()

    def _close_in_loop(self) -> None:
        if not self._has_proxies:
            self._close_at_once()
            return
        # A loop that shuts down cancels tasks first and closes async generators later: keep `self` alive until then.
        _RETIRED.difference_update([one for one in _RETIRED if one.loop.is_closed()])
        _RETIRED.add(self)
        task = self.loop.create_task(self.aclose())
        task.add_done_callback(lambda done: None if done.cancelled() else _RETIRED.discard(self))

    def _close_at_once(self) -> None:
        with suppress(StopIteration, RuntimeError):
            self._guard.aclose().__await__().send(None)


_RETIRED: set[_LoopClient] = set()


async def _closed_with_loop(client: httpx.AsyncClient) -> AsyncGenerator[None]:
    """Close `client` when its loop shuts down its async generators.

    If a loop is closed without that step, `retire` closes the client.
    """
    try:
        yield
    finally:
        with suppress(RuntimeError):  # httpx's client for proxies, in a closed loop
            await client.aclose()


def _checked(client: Any, name: str, *, is_async: bool) -> Any:
    if client is None:
        return None
    send = getattr(client, "send", None)
    if isinstance(client, type):
        raise ConfigurationError(f"`{name}` is a class: pass an instance, such as `{client.__name__}()`.")
    if send is None or not hasattr(client, "build_request") or inspect.iscoroutinefunction(send) != is_async:
        wanted = "an httpx.AsyncClient" if is_async else "an httpx.Client"
        raise ConfigurationError(f"`{name}` must be {wanted}, not {type(client).__name__}.")
    return client


def _opened(client: Any, name: str) -> Any:
    if client.is_closed:
        raise ConfigurationError(f"`{name}` is closed: pass an open client.")
    return client
