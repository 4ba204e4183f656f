"""The httpx clients of one `TIRClient`: one for sync code, one for each event loop.

Threads share one sync client. An async client is bound to the event loop of its connections; all models in that loop
share it.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
import weakref
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from tir_client.config import LOOPBACK
from tir_client.errors import ConfigurationError
from tir_client.transport.loop_client import PROXY_SCHEMES, LoopClient, has_proxies, proxies

try:
    import resource
except ImportError:  # on Windows
    resource = None  # type: ignore[assignment]

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

Client = TypeVar("Client", httpx.Client, httpx.AsyncClient)

CONNECTIONS = 1_000
"""Maximum number of open connections; further calls wait."""
SPARE_FILES = 256
"""Open files that are left to the rest of the program."""
KEEPALIVE = 30.0
"""Seconds for which idle connections are kept."""


def max_connections() -> int:
    """The maximum number of open connections: less than `CONNECTIONS` if the limit of open files is low."""
    if resource is None:
        return CONNECTIONS
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return CONNECTIONS if files == resource.RLIM_INFINITY else min(CONNECTIONS, max(files - SPARE_FILES, files // 2))


def _limits() -> httpx.Limits:
    """Limits of httpx's pools: few idle connections, because httpx checks each one for every request."""
    return httpx.Limits(max_connections=max_connections(), max_keepalive_connections=20, keepalive_expiry=KEEPALIVE)


CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
LAST_PORT = 65_535


def _tls() -> ssl.SSLContext:
    """The TLS context of all clients, with the certificates that the environment names."""
    return _tls_of(*map(os.environ.get, CERTIFICATE_VARIABLES))


@cache
def _tls_of(*_: str | None) -> ssl.SSLContext:
    """The context for values of `CERTIFICATE_VARIABLES`. It takes longer to create than the rest of a client."""
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
        self._async: dict[int, _Joined] = {}

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
        joined = self._async.get(id(loop))
        if joined is None or joined.shared.loop is not loop or joined.shared.client.is_closed:
            self._forget_closed_loops()
            shared = await LoopClient.shared(lambda: _made(_async_client))
            joined = self._async[id(loop)] = _Joined(shared, shared.join(self))
        return joined.shared.client

    def _forget_closed_loops(self) -> None:
        for key, joined in self._async.copy().items():  # a copy, because other threads add entries
            if not joined.shared.is_usable():
                self._async.pop(key, None)
                joined.leave()

    def close(self) -> None:
        """Close the sync client, unless it is the user's. The next call creates a new one."""
        with self._lock:
            if self._sync is not None:
                self._sync.finalizer()
            self._sync = None
        self._forget_closed_loops()

    async def aclose(self) -> None:
        """Close the sync client, and the running loop's async client if nothing else uses it."""
        self.close()
        joined = self._async.pop(id(asyncio.get_running_loop()), None)
        if joined is not None:
            joined.leave.detach()
            await joined.shared.aleave(self)
            await asyncio.sleep(0)  # lets asyncio close the sockets


def _made(make: Callable[[], Client]) -> Client:
    try:
        return make()
    except ConfigurationError:
        raise
    except _UNUSABLE as error:
        name = _unusable_variable()
        reason = "it is not a URL" if "@" in os.environ.get(name, "") else error  # httpx may quote the password
        raise ConfigurationError(
            f"{name}, one of the environment's proxy settings, cannot be used: {reason}. Correct or unset it."
        ) from None


_UNUSABLE = (ImportError, ValueError, httpx.InvalidURL)


def _unusable_variable() -> str:
    """The name of the environment variable with an invalid proxy."""
    for name in os.environ:
        if name.upper() in PROXY_VARIABLES and (proxy := os.environ[name]):
            try:
                httpx.HTTPTransport(verify=_tls(), proxy=_proxy_url(proxy)).close()
            except _UNUSABLE:
                return name
    return "no_proxy" if os.environ.get("no_proxy") else "NO_PROXY"


def _proxy_url(proxy: str) -> httpx.URL:
    """The URL of a proxy, which may lack its scheme. Ports above 65535, which httpx accepts, are a ValueError."""
    url = httpx.URL(proxy if "://" in proxy else f"http://{proxy}")
    if url.port is not None and url.port > LAST_PORT:
        raise ValueError(f"There is no port {url.port}")
    return url


def _check_proxies() -> None:
    for scheme, proxy in proxies():
        if scheme in PROXY_SCHEMES:
            _proxy_url(proxy)


def _sync_client() -> httpx.Client:
    if has_proxies():
        _check_proxies()
        return httpx.Client(verify=_tls(), limits=_limits(), mounts=DIRECT)
    from tir_client.transport.httpcore import HttpcoreTransport  # noqa: PLC0415 - importing models does not pay for it

    return httpx.Client(transport=HttpcoreTransport(_tls(), _limits()))


def _async_client() -> httpx.AsyncClient:
    if has_proxies():
        _check_proxies()
        return httpx.AsyncClient(verify=_tls(), limits=_limits(), mounts=DIRECT)
    from tir_client.transport.aiohttp import AiohttpTransport  # noqa: PLC0415 - sync code does not pay for aiohttp

    return httpx.AsyncClient(transport=AiohttpTransport(_tls, limit=max_connections(), keepalive=KEEPALIVE))


@dataclass(frozen=True, slots=True)
class _SyncClient:
    """The sync client of one process, and its finalizer."""

    pid: int
    client: httpx.Client
    finalizer: weakref.finalize[Any, Any]


@dataclass(frozen=True, slots=True)
class _Joined:
    """The async client of one event loop, and what ends its use."""

    shared: LoopClient
    leave: weakref.finalize[Any, Any]


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
