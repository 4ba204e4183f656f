"""TCP and TLS for async calls, straight on asyncio.

httpcore's own network backend goes through anyio, which costs more per read than all the rest of reading: a scope of
cancellation around it, and a turn of the event loop after it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import select
import socket
from typing import TYPE_CHECKING, Any, TypeVar, cast

import httpcore

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Iterable

Result = TypeVar("Result")

ENOUGH = 256 * 1024
"""Bytes that are received before they are asked for; then the server is made to wait. As many are sent at once."""

HEAD_START = 0.25
"""Seconds after which the next address of a host is tried beside the others, as RFC 8305 recommends."""

NO_HANDSHAKE = 86_400.0
"""Seconds that asyncio may wait for a TLS handshake, which it would else give up after a minute: the caller decides."""

CLOSED_EARLY = "the connection was closed during the handshake"

Address = tuple[int, Any]
"""A family of addresses, and one of them."""


class Connection(asyncio.Protocol, httpcore.AsyncNetworkStream):
    """One connection. It is read by one task at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = cast("asyncio.Transport", None)
        self._received = bytearray()
        self._ended = False
        self._failure: Exception | None = None
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Some bytes have come."""
        self._received += data
        if len(self._received) > ENOUGH:
            self._transport.pause_reading()
        _wake(self._reader)

    def eof_received(self) -> None:
        """The server will send no more; asyncio then closes the connection."""
        self._ended = True
        _wake(self._reader)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        self._ended, self._failure = True, exc
        _wake(self._reader)
        _wake(self._writer)

    def pause_writing(self) -> None:
        """The server takes no more for now."""
        self._writer = self._loop.create_future()

    def resume_writing(self) -> None:
        """The server takes more again."""
        _wake(self._writer)
        self._writer = None

    # What httpcore calls

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's signature
        """Bytes that have come, at least one; none at the end.

        Raises:
            httpcore.ReadTimeout: None came for `timeout` seconds.
            httpcore.ReadError: The connection broke.
        """
        if not self._received and not self._ended:
            await self._more(timeout)
        if not self._received and self._failure is not None:
            raise httpcore.ReadError(self._failure)
        data = bytes(self._received[:max_bytes])
        del self._received[:max_bytes]
        if not self._ended and not self._transport.is_reading():
            self._transport.resume_reading()
        return data

    async def _more(self, seconds: float | None) -> None:
        self._reader = self._loop.create_future()
        alarm = None if seconds is None else self._loop.call_later(seconds, _expire, self._reader)
        try:
            await self._reader
        finally:
            self._reader = None
            if alarm is not None:
                alarm.cancel()

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore's signature
        """Send bytes, a piece at a time: a slow server may take longer for all of them.

        Raises:
            httpcore.WriteTimeout: The server did not take a piece for `timeout` seconds.
            httpcore.WriteError: The connection is closed.
        """
        for start in range(0, len(buffer), ENOUGH):
            if self._transport.is_closing():
                break
            self._transport.write(memoryview(buffer)[start : start + ENOUGH])
            if self._writer is not None:
                await _within(timeout, self._writer, httpcore.WriteTimeout)
        if self._transport.is_closing():
            raise httpcore.WriteError(self._failure or "the connection is closed")

    async def aclose(self) -> None:
        """Hang up at once: whatever is still to be sent is of no use to anybody.

        It does not wait, so that it also works in a generator that is thrown away, where nothing may.
        """
        self._transport.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
    ) -> httpcore.AsyncNetworkStream:
        """Speak TLS from here on.

        Raises:
            httpcore.ConnectTimeout: The handshake took longer than `timeout` seconds.
            httpcore.ConnectError: It failed: the certificate, say, is not for this host.
        """
        begun = self._loop.start_tls(
            self._transport, self, ssl_context, server_hostname=server_hostname, ssl_handshake_timeout=NO_HANDSHAKE
        )
        try:
            transport = await _within(timeout, begun, httpcore.ConnectTimeout)
        except BaseException as error:
            self._transport.abort()
            if isinstance(error, OSError):  # as errors of TLS are
                raise httpcore.ConnectError(str(error) or CLOSED_EARLY) from error
            raise
        if transport is None or transport.is_closing():
            raise httpcore.ConnectError(CLOSED_EARLY)
        self._transport = transport
        return self

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks of a connection, by name."""
        if info == "is_readable":  # of one that is not in use: it was closed, or has what would be a wrong answer
            return self._ended or bool(self._received) or _is_readable(self._transport.get_extra_info("socket"))
        return self._transport.get_extra_info(_NAMES.get(info, info))


_NAMES = {"client_addr": "sockname", "server_addr": "peername"}


class Network(httpcore.AsyncNetworkBackend):
    """Opens connections."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,  # noqa: ARG002 - likewise; we set none, and no options
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        """Connect to a host.

        Raises:
            httpcore.ConnectTimeout: It took longer than `timeout` seconds.
            httpcore.ConnectError: There is no such host, or it does not listen.
        """
        try:
            return await _within(timeout, _connected(host, port), httpcore.ConnectTimeout)
        except OSError as error:
            raise httpcore.ConnectError(error) from error

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


async def _connected(host: str, port: int) -> Connection:
    sock = await _first_connected(await _addresses(host, port))
    _, connection = await asyncio.get_running_loop().create_connection(Connection, sock=sock)
    return connection


async def _addresses(host: str, port: int) -> list[Address]:
    """Where a host is; what is an address already needs no thread that looks it up."""
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [(family, address) for family, _, _, _, address in found]
    return [(socket.AF_INET if version == 4 else socket.AF_INET6, (host, port))]  # noqa: PLR2004 - of IP


async def _first_connected(addresses: Iterable[Address]) -> socket.socket:
    """A socket connected to the first address that answers; each has a head start over the next.

    asyncio can do so, too, but loses an open socket if it is cancelled at the wrong moment.
    """
    left = iter(addresses)
    tries: list[asyncio.Task[socket.socket]] = []
    won = None
    try:
        while won is None:
            another = next(left, None)
            if another is not None:
                tries.append(asyncio.ensure_future(_open(*another)))
            elif all(task.done() for task in tries):
                raise next(error for task in tries if (error := task.exception()) is not None)
            running = [task for task in tries if not task.done()]
            patience = None if another is None else HEAD_START
            if running:  # an eager task may have ended already
                await asyncio.wait(running, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            won = next((task for task in tries if task.done() and task.exception() is None), None)
        return won.result()
    finally:
        for task in tries:
            if task is not won:
                task.cancel()
                task.add_done_callback(_close)


def _close(late: asyncio.Task[socket.socket]) -> None:
    if not late.cancelled() and late.exception() is None:
        late.result().close()


async def _open(family: int, address: Any) -> socket.socket:
    # asyncio sends small pieces at once (TCP_NODELAY) only if the protocol is named; else each call waits 40 ms.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


async def _within(seconds: float | None, work: Awaitable[Result], late: type[Exception]) -> Result:
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError as error:
        raise late(error) from error


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)


def _expire(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_exception(httpcore.ReadTimeout("nothing came in time"))


def _is_readable(sock: Any) -> bool:
    if not hasattr(select, "poll"):  # as on Windows, where `select` takes a socket of any number
        return bool(select.select([sock], [], [], 0)[0])
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
