"""The connections and pool of `transport.aiohttp`: aiohttp's classes with httpx's guarantees.

A connection with unread bytes is not reused, a reset is an error and not the end of a body, extra bytes after a
response do not corrupt it, and closing takes effect at once, even after the event loop is closed.
"""

from __future__ import annotations

import asyncio
import os
import select
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import aiohttp
import httpx
from aiohttp.client_proto import ResponseHandler

if TYPE_CHECKING:
    from aiohttp.client import ClientTimeout
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace


NO_LIMIT = 10 * 365 * 24 * 3600.0
"""Seconds for a limit that aiohttp requires."""


class Handler(ResponseHandler):
    """One connection.

    Attributes:
        is_used: Whether a request has been sent on it.
    """

    is_used = False
    _in_headers = False

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._pid = os.getpid()

    def set_response_params(self, **options: Any) -> None:
        """Record that a request begins."""
        self._in_headers = self.is_used = True
        super().set_response_params(**options)

    def data_received(self, data: bytes) -> None:
        """Parse the headers separately, because aiohttp discards them if bytes after the body are invalid."""
        if self._in_headers and (body := data.find(b"\r\n\r\n") + 4) > 4:  # noqa: PLR2004 - not found
            self._in_headers = False
            super().data_received(data[:body])
            data = data[body:]
        if data:
            super().data_received(data)
        if self._exception is not None and self._payload is not None and not self._payload.is_eof():
            # aiohttp would keep waiting.
            self._payload.set_exception(aiohttp.ClientPayloadError("the body is malformed"))

    def connection_lost(self, exc: BaseException | None) -> None:
        """Report a reset to the reader of a body; aiohttp treats it as the end of a body without a length."""
        body = self._payload
        if exc is not None and body is not None and not body.is_eof():
            body.set_exception(aiohttp.ClientOSError(*exc.args))
        super().connection_lost(exc)

    def close(self) -> None:
        """Close the connection without waiting for unsent data."""
        transport = self.transport
        if transport is None:
            return
        if self._loop.is_closed():
            self.transport = None
            _discard(transport)
            return
        if os.getpid() != self._pid:
            _close_socket(transport)  # else `abort` removes it from the selector that a forked child shares
            transport.abort()
        if self._payload is not None and not self._payload.is_eof():
            # aiohttp would not wake its reader.
            self._payload.set_exception(aiohttp.ClientConnectionError("the connection was closed"))
        super().close()
        transport.abort()
        self._loop.call_soon(_Aborted(self._loop, transport))

    def is_clean(self) -> bool:
        """Whether the connection can be reused: it is open and has no unread bytes."""
        transport = self.transport
        if transport is None or self.should_close:
            return False
        return not self.is_used or not _has_input(transport.get_extra_info("socket"))


class Connector(aiohttp.TCPConnector):
    """A connection pool with a separate time limit for opening a connection, TLS handshake included."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._handlers: WeakSet[ResponseHandler] = WeakSet()
        self._connections: WeakSet[Connection] = WeakSet()
        self._factory = self._handler  # type: ignore[assignment]

    def _handler(self) -> Handler:
        handler = Handler(self._loop)
        self._handlers.add(handler)
        return handler

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout) -> Connection:  # noqa: ASYNC109 - aiohttp's signature
        """Reuse or open a connection, or wait for one.

        Raises:
            aiohttp.ClientConnectionError: The pool was closed in the meantime.
        """
        while True:
            try:
                connection = await super().connect(req, traces, timeout)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if self.closed and task is not None and not task.cancelling():
                    raise aiohttp.ClientConnectionError("the client was closed") from None
                raise
            handler = connection.protocol
            if not isinstance(handler, Handler) or handler.is_clean():
                self._connections.add(connection)
                return connection
            connection.close()

    async def _create_connection(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: ClientTimeout,  # noqa: ASYNC109 - aiohttp's signature
    ) -> ResponseHandler:
        try:
            async with asyncio.timeout(timeout.sock_connect):
                return await super()._create_connection(req, traces, timeout)
        except TimeoutError:
            raise httpx.ConnectTimeout("the handshake took too long") from None  # aiohttp has one error for all waits

    async def _wrap_create_connection(self, *args: Any, **options: Any) -> tuple[asyncio.Transport, ResponseHandler]:
        if options.get("ssl") is not None:
            options["ssl_handshake_timeout"] = NO_LIMIT  # asyncio's own is a minute, whatever `connect` says
        return await super()._wrap_create_connection(*args, **options)

    def hang_up(self) -> None:
        """Close all connections at once, including those in use."""
        self._close()
        for connection in [*self._connections]:
            connection.close()
        for handler in [*self._handlers]:
            handler.close()


def _has_input(sock: Any) -> bool:
    if not hasattr(select, "poll"):  # as on Windows, where `select` takes a socket of any number
        return bool(select.select([sock], [], [], 0)[0])
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


class _Aborted:
    """A callback that follows the one with which asyncio closes the socket of an aborted transport.

    A loop that is closed before it runs them drops both; the socket is closed then, too.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: Any) -> None:
        self._loop = loop
        self._transport = transport

    def __call__(self) -> None:
        """Do nothing: asyncio has closed the socket."""

    def __del__(self) -> None:
        if self._loop.is_closed():
            _discard(self._transport)


def _discard(transport: Any) -> None:
    """Close the socket of a transport whose event loop is closed; asyncio only warns."""
    with suppress(RuntimeError):
        transport.abort()
    inner = _close_socket(transport)
    if inner is not None:
        inner._sock = None  # noqa: SLF001 - as asyncio does after closing


def _close_socket(transport: Any) -> Any:
    """Close the socket of a transport without its event loop; return the transport below TLS, if it has a socket."""
    tls = getattr(transport, "_ssl_protocol", None)
    inner = getattr(tls, "_transport", transport)
    sock = getattr(inner, "_sock", None)
    if sock is None:
        return None
    sock.close()
    return inner
