"""Parses the answers to chat requests: whole bodies and streams. Pure."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from tir_client.errors import (
    APIConnectionError,
    APITimeoutError,
    ResponseError,
    StreamError,
    StreamInterruptedError,
    StreamServerError,
    TIRError,
)
from tir_client.models import model_info
from tir_client.protocol.accumulator import Accumulator, Delta
from tir_client.protocol.error_responses import error_from_event, parse_error_body
from tir_client.protocol.json_answers import read_json
from tir_client.protocol.server_json import ends_in_half, join_halves, load
from tir_client.protocol.sse import BOM, SSEDecoder
from tir_client.protocol.stop_words import stop_cutter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tir_client.protocol.requests import ChatRequest

DONE = b"[DONE]"
START = 1024
"""Bytes that are searched for the start of a stream if the content type is another one."""


def accumulator_for(request: ChatRequest, request_id: str | None = None) -> Accumulator:
    """The accumulator for the answer to `request`."""
    accumulator = Accumulator(
        request.tool_names(),
        inline_think=model_info(request.model).inline_think,
        expected=request.n,
        tools_allowed=request.tool_choice != "none",
        only_tool=request.required_tool(),
    )
    accumulator.stop_cutter = partial(stop_cutter, request)
    accumulator.request_id = request_id
    return accumulator


def read_answer(request: ChatRequest, content: bytes, request_id: str | None = None) -> Accumulator:
    """Read a whole answer to `request` into an accumulator.

    Raises:
        ResponseError: It is not a complete answer; `body` and `partial` have what arrived.
    """
    accumulator = accumulator_for(request, request_id)
    for _ in _whole(content, accumulator):
        pass
    return accumulator


def _whole(content: bytes, accumulator: Accumulator) -> Iterator[Delta]:
    answer = read_json(content, accumulator.request_id)
    try:
        yield from accumulator.add(answer)
        yield accumulator.finish()
    except ResponseError as error:
        error.body, error.request_id = answer, accumulator.request_id
        raise


class AnswerStream:
    """Parses a streamed answer: bytes in, deltas out.

    Attributes:
        started: Whether a delta was yielded; then the request is no longer retried.
        done: Whether `[DONE]` has arrived; only the end of the body follows.
    """

    def __init__(self, accumulator: Accumulator) -> None:
        self.accumulator = accumulator
        self.started = False
        self.done = False
        self._decoder = SSEDecoder()
        self._is_stream: bool | None = None
        self._body = bytearray()
        self._half = b""

    def begin(self, headers: Mapping[str, str]) -> None:
        """Read the content type, which may be a stream's, a whole answer's or a web page's."""
        self.accumulator.request_id = headers.get("x-request-id")
        if headers.get("content-type", "").startswith("text/event-stream"):
            self._is_stream = True

    def feed(self, content: bytes) -> Iterator[Delta]:
        """Parse a piece of the body; yield its deltas.

        Raises:
            StreamError: The stream broke; `partial` has the part that had arrived.
        """
        if not self._is_stream:
            self._body += content
            if not self._looks_like_stream():
                return
            content = bytes(self._body)
        for event in self._decoder.feed(content):
            if deltas := self._event(event):
                self.started = True
                yield from deltas

    def close(self) -> Iterator[Delta]:
        """Parse what is left when the body has ended; yield the last deltas.

        Raises:
            StreamInterruptedError: It ended before the answer was complete.
            ResponseError: It was neither a stream nor a whole answer.
        """
        last = self._last_events() if self._is_stream else _whole(bytes(self._body), self.accumulator)
        for delta in last:
            self.started = True
            yield delta

    def _last_events(self) -> Iterator[Delta]:
        for event in self._decoder.close():
            if _is_whole(event):
                yield from self._event(event)
        if self._half:
            yield from self._after_half(b"")
        if not self.done:
            yield self._finish(is_end_known=False)

    def _looks_like_stream(self) -> bool:
        """Whether a body with another content type is a stream: some gateways send a wrong type."""
        if self._is_stream is None:
            start = self._body[:START].removeprefix(BOM).lstrip()[:6]
            if len(start) == 6 or b":" in start or len(self._body) >= START:  # noqa: PLR2004 - the length of `event:`
                self._is_stream = start.startswith((b"data:", b"event:", b"id:", b"retry:", b":"))
        return self._is_stream is True

    def broken_by(self, failure: TIRError) -> TIRError:
        """`failure` with the partial answer; a lost connection becomes a `StreamInterruptedError`."""
        partial = self.accumulator.completion()
        if not partial.choices:
            return failure
        if isinstance(failure, APIConnectionError) and not isinstance(failure, APITimeoutError):
            return self._broken(StreamInterruptedError, failure.message)
        failure.partial = failure.partial or partial
        return failure

    def _event(self, event: bytes) -> list[Delta]:
        if self.done or not event:
            return []
        if self._half:
            return self._after_half(event)
        if event.strip() == DONE:
            return [self._finish()]
        try:
            chunk = from_json(event)
        except ValueError:
            return self._lenient(event)
        return self._add(chunk, event)

    def _lenient(self, event: bytes, *, is_held: bool = False) -> list[Delta]:
        """Read an event that is not strict JSON. One that ends in half a character waits for the next event."""
        if not is_held and ends_in_half(event):
            self._half = event
            return []
        try:
            chunk = load(event)
        except ValueError:
            chunk = None
        return self._add(chunk, event)

    def _after_half(self, event: bytes) -> list[Delta]:
        """Read the event that ended in half a character, with the other half of it if `event` has it, then `event`."""
        half, event = join_halves(self._half, event)
        self._half = b""
        return [*self._lenient(half, is_held=True), *self._event(event)]

    def _add(self, chunk: Any, event: bytes) -> list[Delta]:
        if not isinstance(chunk, dict):
            raise self._broken(StreamError, f"The stream has an event that is not a chunk: {parse_error_body(event)!r}")
        reported = error_from_event(chunk)
        if reported is not None:
            raise self._broken(StreamServerError, reported.message, reported)
        try:
            return self.accumulator.add(chunk)
        except ResponseError as error:
            raise self._broken(StreamError, error.message) from None

    def _finish(self, *, is_end_known: bool = True) -> Delta:
        missing = self.accumulator.missing(is_end_known=is_end_known)
        if missing:
            cls = StreamServerError if self.accumulator.is_aborted else StreamInterruptedError
            message = (
                f"The stream is not a complete answer: {missing}. `partial` has what arrived; send the request again."
            )
            raise self._broken(cls, message)
        self.done = True
        return self.accumulator.finish()

    def _broken(self, cls: type[StreamError], message: str, origin: StreamError | None = None) -> StreamError:
        details: dict[str, Any] = origin.details() if origin is not None else {}
        details |= {"partial": self.accumulator.completion(), "request_id": self.accumulator.request_id}
        return cls(message, **details)


def _is_whole(event: bytes) -> bool:
    """Whether the last event of a body is complete; if not, the stream was cut inside it."""
    try:
        load(event)
    except ValueError:
        return event == DONE
    return True
