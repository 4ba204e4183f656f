"""A pool of connections for async calls, in which a call costs the same however many there are.

httpx's own pool looks at all of its connections whenever a call begins or ends: with a thousand streams, that costs
more than all else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpcore
import httpx

from tir_client._network import Network

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable

Origin = tuple[bytes, bytes, int]

KEPT = 20
"""Connections to one server that are kept while they have nothing to do."""
SECONDS = 30.0
"""How long each of them is kept."""


class Pool(httpx.AsyncBaseTransport):
    """Opens a connection for a call where none is free, and keeps it for the next.

    Args:
        tls: Gives the context for `https`, when it is first needed.
    """

    def __init__(self, tls: Callable[[], ssl.SSLContext]) -> None:
        self._tls = tls
        self._network = Network()
        self._free: dict[Origin, list[httpcore.AsyncHTTPConnection]] = {}
        self._busy: set[httpcore.AsyncHTTPConnection] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; its connection is free again when the response is closed.

        Raises:
            NetworkError, TimeoutException, ProtocolError: httpcore's own, which have the names of httpx's.
        """
        url = request.url
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        connection = await self._connection(target.origin)
        self._busy.add(connection)
        try:
            response = await connection.handle_async_request(
                httpcore.Request(
                    request.method,
                    target,
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        except BaseException:
            self._busy.discard(connection)
            await connection.aclose()
            raise
        body = _Body(response.stream, self, target.origin, connection)
        return httpx.Response(response.status, headers=response.headers, stream=body, extensions=response.extensions)

    async def _connection(self, origin: httpcore.Origin) -> httpcore.AsyncHTTPConnection:
        free = self._free.get(_key(origin), [])
        while free:
            connection = free.pop()
            if not connection.has_expired():
                return connection
            await connection.aclose()
        tls = self._tls() if origin.scheme == b"https" else None
        return httpcore.AsyncHTTPConnection(
            origin, ssl_context=tls, keepalive_expiry=SECONDS, network_backend=self._network
        )

    async def give_back(self, origin: httpcore.Origin, connection: httpcore.AsyncHTTPConnection) -> None:
        """A call has ended: keep its connection, if it can serve another and the pool has not been closed meanwhile."""
        free = self._free.setdefault(_key(origin), [])
        if connection in self._busy and connection.is_idle():
            free.append(connection)
        else:
            await connection.aclose()
        self._busy.discard(connection)
        while free and (len(free) > KEPT or free[0].has_expired()):
            await free.pop(0).aclose()

    async def aclose(self) -> None:
        """Close all connections, those in use, too. It does not wait, so that two who close it do not meet in it."""
        connections = [*self._busy, *(connection for free in self._free.values() for connection in free)]
        self._busy.clear()
        self._free.clear()
        for connection in connections:
            await connection.aclose()


def _key(origin: httpcore.Origin) -> Origin:
    return origin.scheme, origin.host, origin.port


class _Body(httpx.AsyncByteStream):
    """The body of an answer, whose end is the end of the call."""

    def __init__(
        self, stream: Any, pool: Pool, origin: httpcore.Origin, connection: httpcore.AsyncHTTPConnection
    ) -> None:
        self._stream = stream
        self._pool = pool
        self._origin = origin
        self._connection = connection
        self._closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        chunks: AsyncIterator[bytes] = self._stream.__aiter__()
        return chunks

    async def aclose(self) -> None:
        if self._closed:
            return  # the connection may be another call's by now
        self._closed = True
        try:
            await self._stream.aclose()
        finally:
            await self._pool.give_back(self._origin, self._connection)
