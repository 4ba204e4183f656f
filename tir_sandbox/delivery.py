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
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from tir_sandbox.answers import Event, Fault, Reply

if TYPE_CHECKING:
    from tir_sandbox.requests import Request

_DONE = b"data: [DONE]\n\n"


@dataclass
class Connections:
    """The TCP connections of a sandbox: the number accepted so far, and uvicorn's open ones."""

    accepted: int = 0
    state: ServerState = field(default_factory=ServerState)
    ready: threading.Event = field(default_factory=threading.Event)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    loop: asyncio.AbstractEventLoop | None = None

    @property
    def open(self) -> list[H11Protocol]:
        """The open connections."""
        return list(cast("set[H11Protocol]", self.state.connections))

    def stop(self) -> None:
        """Stop the server. May be called from any thread."""
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self.stopping.set)

    async def close(self) -> None:
        """Close all connections, and wait for the tasks that answer requests."""
        for connection in self.open:
            connection.transport.abort()
        if self.state.tasks:
            await asyncio.wait(self.state.tasks, timeout=1)


def reset_on_close(client: Any) -> None:
    """Make the socket send a reset when it is closed."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def as_body(data: Event) -> bytes:
    """Encode data as JSON like vLLM, without spaces and escapes; text and bytes are unchanged."""
    if isinstance(data, bytes):
        return data
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.encode()


def as_event(data: Event) -> bytes:
    """Encode data as a stream event; bytes are unchanged."""
    return data if isinstance(data, bytes) else b"data: " + as_body(data) + b"\n\n"


@dataclass
class Delivery:
    """An ASGI response that sends an answer to one request.

    Args:
        connections: The open connections, for faults that break one.
        reply: The reply, for its delays, and its `body` or `chunks`, which are sent instead of the answer.
        fault: The failure to simulate.
        answer: A whole answer, or the events of a stream without `[DONE]`.
    """

    connections: Connections
    reply: Reply
    fault: Fault
    answer: Mapping[str, Any] | Iterator[Event]
    _hung_up: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, until the client disconnects."""
        self._seen: Request = scope["tir_request"]
        self._client, self._send = scope["client"], send
        answering = asyncio.create_task(self._deliver())
        watching = asyncio.create_task(self._watch(receive, answering))
        try:
            await answering
        except asyncio.CancelledError:  # the client has disconnected
            pass
        finally:
            watching.cancel()

    async def _watch(self, receive: Receive, answering: "asyncio.Task[None]") -> None:
        """Wait until the client disconnects, and cancel the answer."""
        while (await receive())["type"] != "http.disconnect":
            pass
        by_us = self._hung_up or self.connections.stopping.is_set()
        self._seen.disconnected = not by_us and not self._seen.finished
        answering.cancel()

    async def _deliver(self) -> None:
        fault = self.fault
        await asyncio.sleep(self.reply.delay + fault.delay)
        if fault.reset_before_headers:
            await self._hang_up(reset=True)
        elif fault.status is not None:
            await self._send_whole(fault.error_body() if fault.body is None else fault.body, fault.status)
        elif not isinstance(self.answer, Mapping):
            await self._send_stream(self.answer)
        elif fault.error_chunk:
            await self._send_whole(fault.error_body(), 500)
        elif fault.garbage is not None:
            await self._send_whole(fault.garbage)
        else:
            await self._send_whole(self.answer if self.reply.body is None else self.reply.body)

    async def _send_whole(self, data: Event, status: int = 200) -> None:
        body = as_body(data)
        kind = "text/plain; charset=utf-8" if isinstance(self.fault.body, str) else "application/json"
        await self._start(status, {"content-length": str(len(body)), "content-type": kind})
        sent = 0
        for at, cuts in self._interruptions():
            end = min(at, len(body) - 1)
            await self._write(body[sent:end])
            sent = end
            await self._interrupt(cuts)
        await self._write(body[sent:], more=False)

    async def _send_stream(self, answer: Iterator[Event]) -> None:
        await self._start(200, {"content-type": "text/event-stream; charset=utf-8"})
        left = self._interruptions()
        for number, event in enumerate(self._events(answer)):
            while left and left[0][0] <= number:
                await self._interrupt(left.pop(0)[1])
            await asyncio.sleep(self.reply.chunk_delay)
            if event is _DONE and not left:
                self._seen.finished = True  # clients disconnect as soon as they read this
            await self._write(event)
            self._seen.sent += 1
        for _, cuts in left:
            await self._interrupt(cuts)
        await self._write(b"", more=False)

    def _events(self, answer: Iterator[Event]) -> Iterator[bytes]:
        fault, chunks = self.fault, self.reply.chunks
        events: Iterable[Event] = answer if chunks is None else chunks
        for number, event in enumerate(events):
            if number == fault.at and fault.garbage is not None:
                yield as_event(fault.garbage)
            if number == fault.at and fault.error_chunk:
                yield as_event(fault.error_body())
                break
            kept = _without_finish(event) if fault.no_finish else event
            if kept is not None:
                yield as_event(kept)
        is_done = any(isinstance(one, bytes) and b"[DONE]" in one for one in chunks or ())
        if not is_done and not fault.no_done:
            yield _DONE

    def _interruptions(self) -> list[tuple[int, bool]]:
        """Return the positions at which the fault interrupts the answer, and whether it ends there."""
        places = ((self.fault.stall_after, False), (self.fault.cut_after, True))
        return sorted((at, cuts) for at, cuts in places if at is not None)

    async def _interrupt(self, cuts: bool) -> None:
        if cuts:
            await self._hang_up(reset=False)
        await asyncio.sleep(self.fault.stall)

    async def _hang_up(self, *, reset: bool) -> None:
        """Close or reset the connection, and wait until this answer is cancelled."""
        self._hung_up = True
        transport = next(one.transport for one in self.connections.open if one.client == self._client)
        if reset:
            reset_on_close(transport.get_extra_info("socket"))
            transport.abort()
        else:
            transport.close()
        await asyncio.Event().wait()

    async def _start(self, status: int, headers: dict[str, str]) -> None:
        if self.fault.content_type:
            headers |= {"content-type": self.fault.content_type}
        raw = [(name.lower().encode(), value.encode()) for name, value in {**headers, **self.fault.headers}.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def _write(self, data: bytes, *, more: bool = True) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": more})


def _without_finish(event: Event) -> Event | None:
    """Remove the finish reason from a chunk; return None if the chunk has nothing else."""
    if not isinstance(event, Mapping) or not event.get("choices"):
        return event
    choices = [dict(choice) | {"finish_reason": None} for choice in event["choices"]]
    ended = any(choice.get("finish_reason") for choice in event["choices"])
    return None if ended and not any(choice.get("delta") for choice in choices) else {**event, "choices": choices}
