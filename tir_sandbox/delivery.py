"""Sends an answer, complete or with a fault, and records when the client disconnects."""

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from starlette.types import Receive, Scope, Send

from tir_sandbox.faults import Fault

if TYPE_CHECKING:
    from uvicorn.protocols.http.h11_impl import H11Protocol
    from uvicorn.server import ServerState

    from tir_sandbox.requests import Request

DONE = b"data: [DONE]\n\n"
EVENTS = "text/event-stream; charset=utf-8"
JSON = "application/json"


class ClientDisconnected(Exception):  # noqa: N818  (not an error: clients may disconnect)
    """The client has disconnected, or the sandbox is stopping."""


@dataclass
class Connections:
    """The open TCP connections of a sandbox, as uvicorn keeps them."""

    server: "ServerState | None" = None
    ready: threading.Event = field(default_factory=threading.Event)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    loop: asyncio.AbstractEventLoop | None = None

    @property
    def open(self) -> "list[H11Protocol]":
        """The open connections."""
        return list(cast("set[H11Protocol]", self.server.connections)) if self.server else []

    def of(self, client: tuple[str, int]) -> asyncio.Transport:
        """Return the connection of a client."""
        return next(one.transport for one in self.open if one.client == client)

    def stop(self) -> None:
        """Stop the server. May be called from any thread."""
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self.stopping.set)

    async def close(self) -> None:
        """Close all connections, and wait for the tasks that answer requests."""
        for connection in self.open:
            connection.transport.abort()
        if self.server and self.server.tasks:
            await asyncio.wait(self.server.tasks, timeout=1)


def reset_on_close(client: Any) -> None:
    """Have the socket send a reset when it is closed."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def as_body(data: Mapping[str, Any] | str | bytes | None) -> bytes:
    """Return data as JSON; text and bytes are sent unchanged."""
    if isinstance(data, bytes):
        return data
    return data.encode() if isinstance(data, str) else compact(data)


def as_event(data: Mapping[str, Any] | str | bytes) -> bytes:
    """Return data as a stream event; bytes are sent unchanged."""
    return data if isinstance(data, bytes) else b"data: " + as_body(data) + b"\n\n"


def compact(data: Any) -> bytes:
    """Return JSON as vLLM writes it: without spaces, and not escaped to ASCII."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass
class Delivery:
    """An ASGI response that sends an answer.

    Args:
        connections: The open connections, for faults that break one.
        events: A stream's events, without `[DONE]`.
        body: A whole answer, if there are no events.
        fault: The failure to simulate.
        delay: Seconds before the headers.
        chunk_delay: Seconds before each event.
        done: Send `[DONE]` at the end.
    """

    connections: Connections
    events: Iterable[Mapping[str, Any] | str | bytes] | None = None
    body: bytes = b""
    fault: Fault = field(default_factory=Fault)
    delay: float = 0.0
    chunk_delay: float = 0.0
    done: bool = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        line = _Line(self.connections, scope, send)
        watcher = asyncio.create_task(line.watch(receive))
        try:
            await line.pause(self.delay + self.fault.delay)
            await self._answer(line)
        except ClientDisconnected:
            pass
        finally:
            watcher.cancel()

    async def _answer(self, line: "_Line") -> None:
        fault = self.fault
        if fault.reset_before_headers:
            await line.hang_up(reset=True)
        elif fault.status is not None:
            await self._refuse(line, fault.status)
        elif self.events is not None:
            await self._stream(line, self.events)
        elif fault.error_chunk:
            await self._refuse(line, 500)
        else:
            await self._whole(line, self.body if fault.garbage is None else as_body(fault.garbage))

    async def _refuse(self, line: "_Line", status: int) -> None:
        body = self.fault.error_body() if self.fault.body is None else self.fault.body
        kind = "text/plain; charset=utf-8" if isinstance(body, str) else JSON
        raw = as_body(body)
        await line.start(status, self._headers(kind, len(raw)))
        await line.end(raw)

    async def _whole(self, line: "_Line", body: bytes) -> None:
        await line.start(200, self._headers(JSON, len(body)))
        sent = 0
        for at, cuts in self._interruptions():
            end = min(at, len(body) - 1)
            await line.write(body[sent:end])
            sent = end
            await self._interrupt(line, cuts)
        await line.end(body[sent:])

    async def _stream(self, line: "_Line", events: Iterable[Mapping[str, Any] | str | bytes]) -> None:
        await line.start(200, self._headers(EVENTS))
        left = self._interruptions()
        for number, event in enumerate(self._all_events(events)):
            while left and left[0][0] <= number:
                await self._interrupt(line, left.pop(0)[1])
            await line.pause(self.chunk_delay)
            if event is DONE and not left:
                line.seen.finished = True  # clients disconnect as soon as they read this
            await line.write(event)
            line.seen.sent += 1
        for _, cuts in left:
            await self._interrupt(line, cuts)
        await line.end()

    def _all_events(self, events: Iterable[Mapping[str, Any] | str | bytes]) -> Iterator[bytes]:
        fault = self.fault
        for number, event in enumerate(events):
            if number == fault.at and fault.garbage is not None:
                yield as_event(fault.garbage)
            if number == fault.at and fault.error_chunk:
                yield b"data: " + json.dumps(fault.error_body()).encode() + b"\n\n"
                break
            kept = _without_finish(event) if fault.no_finish else event
            if kept is not None:
                yield as_event(kept)
        if self.done and not fault.no_done:
            yield DONE

    def _interruptions(self) -> list[tuple[int, bool]]:
        """Return the places at which the fault interrupts the answer, and whether it cuts it off there."""
        places = ((self.fault.stall_after, False), (self.fault.cut_after, True))
        return sorted((at, cuts) for at, cuts in places if at is not None)

    async def _interrupt(self, line: "_Line", cuts: bool) -> None:
        if cuts:
            await line.hang_up(reset=False)
        await line.pause(self.fault.stall)

    def _headers(self, kind: str, length: int | None = None) -> dict[str, str]:
        sized = {} if length is None else {"content-length": str(length)}
        return sized | {"content-type": self.fault.content_type or kind} | dict(self.fault.headers)


def _without_finish(event: Mapping[str, Any] | str | bytes) -> Mapping[str, Any] | str | bytes | None:
    """Remove the finish reason from a chunk; return None if nothing else is in it."""
    if not isinstance(event, Mapping) or not event.get("choices"):
        return event
    choices = [dict(choice) | {"finish_reason": None} for choice in event["choices"]]
    ended = any(choice.get("finish_reason") for choice in event["choices"])
    return None if ended and not any(choice.get("delta") for choice in choices) else {**event, "choices": choices}


class _Line:
    """The connection to a client while one request is answered."""

    def __init__(self, connections: Connections, scope: Scope, send: Send) -> None:
        self.seen: Request = scope["tir_request"]
        self._connections = connections
        self._client = scope["client"]
        self._send = send
        self._left = asyncio.Event()
        self._hung_up = False

    async def watch(self, receive: Receive) -> None:
        """Wait until the client disconnects."""
        while (await receive())["type"] != "http.disconnect":
            pass
        if not self._hung_up and not self._connections.stopping.is_set():
            self.seen.client_disconnected()
        self._left.set()

    async def pause(self, seconds: float) -> None:
        """Wait; raise `ClientDisconnected` as soon as the client disconnects or the sandbox stops."""
        if seconds > 0:
            left = asyncio.create_task(self._left.wait())
            stopping = asyncio.create_task(self._connections.stopping.wait())
            await asyncio.wait([left, stopping], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            left.cancel()
            stopping.cancel()
        else:
            await asyncio.sleep(0)
        if self._left.is_set() or self._connections.stopping.is_set():
            raise ClientDisconnected

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the headers."""
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def write(self, data: bytes) -> None:
        """Send a part of the body."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes = b"") -> None:
        """Send the last part of the body."""
        if not self._left.is_set():
            self.seen.finished = True
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    async def hang_up(self, *, reset: bool) -> None:
        """Close or reset the connection, and raise `ClientDisconnected`."""
        self._hung_up = True
        transport = self._connections.of(self._client)
        if reset:
            reset_on_close(transport.get_extra_info("socket"))
            transport.abort()
        else:
            transport.close()
        await asyncio.wait_for(self._left.wait(), 5)
        raise ClientDisconnected
