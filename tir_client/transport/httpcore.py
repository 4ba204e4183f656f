"""The httpx transport for sync calls, on httpcore, with limits per wait and no reuse of connections with unread data.

In httpx's transport the limit applies to each read from the socket, so headers that arrive byte by byte exceed any
limit. It does not accept a custom network backend, so this module replaces it.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from contextvars import ContextVar
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

import httpcore
import httpx

from tir_client.transport.timeouts import PIECE

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator

_deadline: ContextVar[float] = ContextVar("deadline", default=inf)
"""The deadline for connecting or writing, in the time of `time.monotonic`."""


class HttpcoreTransport(httpx.BaseTransport):
    """Sends an `httpx.Client`'s requests with httpcore.

    The timeouts of a request limit these waits: `pool` for a free connection, `connect` for opening one, TLS handshake
    included, `write` for sending each piece of the request, and `read` for the response headers and for each piece of
    the body. The request's extension `deadline` limits all of them.

    While a tool such as OpenTelemetry or vcrpy patches httpx's transport, that transport sends the requests, with its
    own time limits.

    Args:
        tls: The context for `https`.
        limits: Maximum numbers of connections, and the seconds for which an idle one is kept.
    """

    def __init__(self, tls: ssl.SSLContext, limits: httpx.Limits) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=_Backend(),
        )
        self._observed = httpx.HTTPTransport(verify=tls, limits=limits)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and wait for the response headers.

        Raises:
            httpx.TransportError: The request failed or took too long.
        """
        if _is_observed():
            return self._observed.handle_request(request)
        deadline = request.extensions.get("deadline")
        outer = _deadline.set(inf if deadline is None else deadline)
        try:
            response = self._pool.handle_request(_request(request))
        except _RAISED as error:
            raise translated(error) from None
        finally:
            _deadline.reset(outer)
        return httpx.Response(
            response.status, headers=response.headers, stream=_Body(response), extensions=response.extensions
        )

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()
        self._observed.close()


class _Body(httpx.SyncByteStream):
    """A response body. Closing it before its end closes the connection."""

    def __init__(self, response: httpcore.Response) -> None:
        self._response = response
        connection = response.extensions.get("network_stream")  # missing in mocked responses, such as respx's
        self._begin_wait = connection.begin_wait if isinstance(connection, _Connection) else lambda: None

    def __iter__(self) -> Iterator[bytes]:
        self._begin_wait()
        try:
            for data in self._response.stream:  # type: ignore[union-attr]  # it is a sync response
                yield data
                self._begin_wait()
        except _RAISED as error:
            raise translated(error) from None

    def close(self) -> None:
        self._response.close()


class _Backend(httpcore.NetworkBackend):
    """Opens connections."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of a host that accepts. All addresses share the time limit."""
        ends = min(_deadline.get(), monotonic() + (inf if timeout is None else timeout))
        addresses = _addresses(host, port)
        for untried in range(len(addresses), 0, -1):
            left = ends - monotonic()
            share = None if left == inf else max(left, 0.001) / untried
            try:
                stream = httpcore.SyncBackend().connect_tcp(
                    addresses[-untried], port, share, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if untried == 1:
                    raise
            else:
                return _Connection(stream, ends)
        raise httpcore.ConnectError(f"{host} has no address")


class _Connection(httpcore.NetworkStream):
    """A connection with a time limit per wait, not per read.

    Args:
        stream: The connection.
        ends: The deadline for opening it.
    """

    def __init__(self, stream: httpcore.NetworkStream, ends: float) -> None:
        self._stream = stream
        self._socket: socket.socket = stream.get_extra_info("socket")
        self._deadline = inf
        self._ends = ends
        self._begins = False
        self._has_surplus = False
        self._unsent = b""
        self._write_timeout: float | None = None

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Return the connection with TLS."""
        left = self._left(timeout, httpcore.ConnectTimeout)
        return _Connection(self._stream.start_tls(ssl_context, server_hostname, left), inf)

    def begin_wait(self) -> None:
        """Restart the time limit at the next read."""
        self._begins = True

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Take a part of a request. It is sent once it is as long as a piece, or when the answer is read.

        httpcore writes headers and body separately; sent together, they take one system call and one packet.
        """
        self._deadline = _deadline.get()
        self._write_timeout = timeout
        self._unsent += buffer
        if len(self._unsent) >= PIECE:
            self._send()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Receive data. It reads from the socket, because httpcore's `read` takes twice as long."""
        if self._unsent:
            with suppress(httpcore.WriteError):  # as in httpcore: the server may refuse a request early
                self._send()
        left = self._left(timeout, httpcore.ReadTimeout)
        try:
            if left != self._socket.gettimeout():
                self._socket.settimeout(left)
            data = self._socket.recv(max_bytes)
        except TimeoutError:
            raise httpcore.ReadTimeout("the read timed out") from None
        except OSError as error:
            raise httpcore.ReadError(str(error)) from None
        self._has_surplus = data.find(b"HTTP/", 1) > 0
        return data

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        """Return information about the connection, such as `is_readable`.

        httpcore does not reuse an idle connection that is readable. Here that includes one whose last bytes may contain
        a second response, which the parser would return for the next call.
        """
        return (info == "is_readable" and self._has_surplus) or self._stream.get_extra_info(info)

    def _send(self) -> None:
        """Send what has been written; each piece has its own time limit."""
        unsent, self._unsent = self._unsent, b""
        for start in range(0, len(unsent), PIECE):
            self._begins = True
            self._stream.write(unsent[start : start + PIECE], self._left(self._write_timeout, httpcore.WriteTimeout))
        self._begins = True

    def _left(self, seconds: float | None, error: type[Exception]) -> float | None:
        """Seconds left of the current wait, which begins with the first call; None without a limit."""
        now = monotonic()
        if self._begins:
            left = min(self._deadline - now, inf if seconds is None else seconds)
            self._ends, self._begins = now + left, False
        else:
            left = self._ends - now
        if left <= 0:
            raise error("the time is over")
        return None if left == inf else left


def _addresses(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpcore.ConnectError(str(error)) from None
    return [str(address[0]) for *_, address in found]


def _is_observed() -> bool:
    """Whether `httpx.HTTPTransport.handle_request` is patched."""
    method = httpx.HTTPTransport.handle_request
    return hasattr(method, "__wrapped__") or method.__module__ != httpx.HTTPTransport.close.__module__


def _request(request: httpx.Request) -> httpcore.Request:
    url = request.url
    return httpcore.Request(
        request.method,
        httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        headers=request.headers.raw,
        content=request.stream,
        extensions=request.extensions,
    )


_RAISED = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol)


def translated(error: Exception) -> httpx.TransportError:
    """The httpx error for an httpcore error, which has the same name."""
    wanted: type[httpx.TransportError] = getattr(httpx, type(error).__name__)
    return wanted(str(error))
