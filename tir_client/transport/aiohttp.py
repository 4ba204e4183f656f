"""The httpx transport for async calls. It uses aiohttp, whose parser and pool are faster than httpx's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

import aiohttp
import httpx
from yarl import URL

from tir_client.transport.body import CLOSE
from tir_client.transport.connections import Connector
from tir_client.transport.timeouts import PIECE

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from aiohttp.abc import AbstractStreamWriter

LONGEST_HEADER = 64 * 1024

AUTOMATIC = ("accept", "accept-encoding", "content-type", "user-agent")
"""Headers that aiohttp would add; httpx sets them already."""


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Sends an `httpx.AsyncClient`'s requests with aiohttp. It is bound to the event loop in which it is created.

    The timeouts of a request limit these waits: `pool` for a free connection, `connect` for opening one, `write` for
    sending each piece of the request, and `read` for the response headers. The reader of the body limits the wait for
    its pieces.

    Args:
        tls: Returns the context for `https`; called when it is first needed.
        limit: Maximum number of open connections; further requests wait.
        keepalive: Seconds for which an idle connection is kept.
    """

    def __init__(self, tls: Callable[[], ssl.SSLContext], *, limit: int, keepalive: float) -> None:
        self._tls = tls
        self._connector = Connector(limit=limit, keepalive_timeout=keepalive, resolver=aiohttp.ThreadedResolver())
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=AUTOMATIC,
            max_line_size=LONGEST_HEADER,
            max_field_size=LONGEST_HEADER,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and wait for the response headers.

        Raises:
            httpx.TransportError: It failed, or took too long.
        """
        timeouts: dict[str, float | None] = request.extensions.get("timeout", {})
        content = await request.aread()
        try:
            response = await self._session.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw],
                data=_Upload(content, timeouts.get("write")) if len(content) > PIECE else content or None,
                ssl=self._tls() if request.url.scheme == "https" else True,
                timeout=_timeout(timeouts),
                allow_redirects=False,
            )
        except _RAISED as error:
            failure = translated(error)
        else:
            body = _Body(response)
            extensions = {CLOSE: body.close_soon}
            return httpx.Response(response.status, headers=response.raw_headers, stream=body, extensions=extensions)
        raise failure

    async def aclose(self) -> None:
        """Close all connections, also those in use. It does not wait, so it also works without a running event loop."""
        self._session.detach()
        self._connector.hang_up()


class _Body(httpx.AsyncByteStream):
    """A response body. Closing it before its end closes the connection."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._loop = asyncio.get_running_loop()
        self._connection = response.connection
        handler = None if self._connection is None else self._connection.protocol
        if handler is not None:
            handler.read_timeout = None  # it was the limit for the headers

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        content = self._response.content
        try:
            data = await content.readany()
        except _RAISED as error:
            data = content._read_nowait(-1)  # noqa: SLF001 - data from before the failure
            failure = translated(error)
        else:
            if not data:
                raise StopAsyncIteration
        if not data:
            raise failure
        return data

    async def aclose(self) -> None:
        self._close()

    def close_soon(self) -> None:
        """Close the connection from any thread, in the event loop, or at once if the loop is closed."""
        try:
            self._loop.call_soon_threadsafe(self._close)
        except RuntimeError:
            self._close()

    def _close(self) -> None:
        self._response.close()
        if self._connection is not None:
            self._connection.close()  # aiohttp does not close it if the loop is closed

    def __del__(self) -> None:
        """Close the connection of a half-read response, which aiohttp would keep open."""
        if not self._response.closed:
            self.close_soon()


class _Upload(aiohttp.Payload):
    """A large request body, sent in pieces with a time limit each."""

    def __init__(self, content: bytes, seconds: float | None) -> None:
        super().__init__(content)
        self._content = content
        self._size = len(content)
        self._seconds = seconds

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:  # noqa: ARG002 - aiohttp's signature
        """Send the body; `content_length` is ignored, because it is the size of the body."""
        await self.write(writer)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send it."""
        for start in range(0, len(self._content), PIECE):
            async with asyncio.timeout(self._seconds):
                await writer.write(self._content[start : start + PIECE])

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The request as text."""
        return self._content.decode(encoding, errors)


def _timeout(timeouts: dict[str, float | None]) -> aiohttp.ClientTimeout:
    pool, connect, read = (timeouts.get(name) for name in ("pool", "connect", "read"))
    queued = None if pool is None or connect is None else pool + connect
    return aiohttp.ClientTimeout(total=None, connect=queued, sock_connect=connect, sock_read=read, ceil_threshold=1e9)


_RAISED = (aiohttp.ClientError, OSError, asyncio.TimeoutError)

_TRANSLATED: tuple[tuple[type[Exception], type[httpx.TransportError]], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx.PoolTimeout),
    (aiohttp.SocketTimeoutError, httpx.ReadTimeout),
    (TimeoutError, httpx.WriteTimeout),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.ServerDisconnectedError, httpx.RemoteProtocolError),
    (aiohttp.ClientPayloadError, httpx.RemoteProtocolError),
    (aiohttp.ClientResponseError, httpx.RemoteProtocolError),
    (aiohttp.InvalidURL, httpx.UnsupportedProtocol),
)
"""aiohttp's errors and the corresponding httpx errors; the first match counts."""


def translated(error: Exception) -> httpx.TransportError:
    """The httpx error for an aiohttp error. Its message omits the URL, whose query may be secret."""
    wanted = next((ours for theirs, ours in _TRANSLATED if isinstance(error, theirs)), httpx.ReadError)
    # The causes of these two, because aiohttp adds the repr of the TLS context.
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return wanted(str(error.certificate_error))
    if isinstance(error, aiohttp.ClientConnectorError):
        return wanted(str(error.os_error))
    return wanted(error.message if isinstance(error, aiohttp.ClientResponseError) else str(error))
