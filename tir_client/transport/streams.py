"""ChatStream and AsyncChatStream: streamed answers as iterable objects.

A piece of the body is read when its first delta is requested.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from tir_client.errors import TIRError
from tir_client.protocol.reader import AnswerStream, accumulator_for
from tir_client.transport.body import CLOSE, adrain, apieces, drain, pieces
from tir_client.transport.failures import transport_errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from tir_client.protocol.accumulator import Delta
    from tir_client.protocol.requests import ChatRequest
    from tir_client.protocol.second_request import SecondRequest
    from tir_client.transport.advice import AdviceLog
    from tir_client.transport.clock import Clock
    from tir_client.transport.http_call import HTTPCall
    from tir_client.transport.sender import Sender


class _Stream:
    """The shared state of sync and async streams: the response, the answer so far, and parsed deltas.

    Args:
        call: The call.
        second: Decides whether the answer needs a second request.
        advice: Logs advice on the answer.
        sender: Sends the call.
        ask: Sends the second request; in an async stream its answer is awaited.
    """

    def __init__(
        self,
        call: HTTPCall,
        second: SecondRequest,
        advice: AdviceLog,
        sender: Sender,
        ask: Callable[[ChatRequest], Any],
    ) -> None:
        self._call = call
        self._second = second
        self._advice = advice
        self._sender = sender
        self._ask = ask
        self._response: Any = None
        self._ended = False
        self._start()

    def _start(self) -> None:
        self._answer = AnswerStream(accumulator_for(self._second.request))
        self._deltas: Iterator[Delta] = iter(())
        self._complete = False

    def _next_delta(self) -> Delta | None:
        """The next delta that is already parsed, or None."""
        for delta in self._deltas:
            if self._second.pass_through(delta):
                if delta.final:
                    self._advice.check(self._second.request, delta.accumulator.completion())
                return delta
        self._complete = self._complete or self._answer.done
        return None

    def _take(self, data: bytes | None) -> None:
        """Parse a piece of the body; None is its end."""
        if data is None:
            self._complete = True
            self._deltas = self._answer.close()
        else:
            self._deltas = self._answer.feed(data)

    def _fail(self, failure: TIRError) -> None:
        self._call.failure = self._answer.broken_by(failure)

    def _pause(self) -> float:
        """Seconds to wait before the next try.

        Raises:
            TIRError: The failure, if a delta was yielded or it is not retried.
        """
        pause = None if self._answer.started else self._call.pause()
        if pause is None:
            self._ended = True
            raise self._call.final_error()
        self._start()
        return pause


class ChatStream(_Stream):
    """A streamed answer: iterate over its deltas. It is a context manager; `close` ends the request at once."""

    _pieces: Iterator[bytes]

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Delta:
        while not self._ended:
            try:
                delta = self._read()
            except TIRError as error:
                self._fail(error)
            except transport_errors() as error:
                self._fail(self._call.transport_error(error))
            except BaseException:
                self.close()
                raise
            else:
                if delta is not None:
                    return delta
                self._finish()
                continue
            self._hang_up()
            time.sleep(self._pause())
        raise StopIteration

    def _read(self) -> Delta | None:
        while (delta := self._next_delta()) is None and not self._complete:
            if self._response is None:
                self._response = self._sender.open(self._call, streamed=True)
                self._answer.begin(self._response.headers)
                self._pieces = pieces(self._response)
            self._take(next(self._pieces, None))
            self._call.check_time()
        if delta is None and self._response is not None:
            drain(self._response, self._call)
            self._response = None
        return delta

    def _finish(self) -> None:
        """End, or send the second request."""
        pending, self._ended = self._second.pending, True
        if pending is not None:
            self._deltas = iter(self._second.merge(self._answer.accumulator, self._ask(pending)))
            self._ended = False

    def _hang_up(self) -> None:
        response, self._response = self._response, None
        # When Python exits, the system closes the connection, and httpx's `close` can crash CPython 3.13 and later:
        # https://github.com/python/cpython/issues/132413
        if response is not None and not sys.is_finalizing():
            response.close()

    def close(self) -> None:
        """End the request. The stream then has no more deltas."""
        self._ended = True
        self._hang_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncChatStream(_Stream):
    """`ChatStream` for async code, closed with `aclose`."""

    _pieces: AsyncIterator[bytes]
    _clock: Clock | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Delta:
        while not self._ended:
            try:
                delta = await self._read()
            except TIRError as error:
                self._fail(error)
            except TimeoutError:
                self._fail(self._call.timeout_error())
            except transport_errors() as error:
                self._fail(self._call.transport_error(error))
            except BaseException:
                await self.aclose()
                raise
            else:
                if delta is not None:
                    return delta
                await self._finish()
                continue
            await self._hang_up()
            await asyncio.sleep(self._pause())
        raise StopAsyncIteration

    async def _read(self) -> Delta | None:
        while (delta := self._next_delta()) is None and not self._complete:
            if self._clock is None:
                self._clock = await self._sender.start_clock(self._call)
            if self._response is None:
                self._response = await self._sender.aopen(self._call, self._clock, streamed=True)
                self._answer.begin(self._response.headers)
                self._pieces = apieces(self._response)
            try:
                self._take(await self._clock.wait(anext(self._pieces), self._call.timeouts.chunk))
            except StopAsyncIteration:
                self._take(None)
            self._call.check_time()
        if delta is None and self._response is not None and self._clock is not None:
            await adrain(self._pieces, self._response, self._clock)
            self._response = None
        return delta

    async def _finish(self) -> None:
        """End, or send the second request."""
        pending, self._ended = self._second.pending, True
        if self._clock is not None:
            self._clock.close()
        if pending is not None:
            self._deltas = iter(self._second.merge(self._answer.accumulator, await self._ask(pending)))
            self._ended = False

    async def _hang_up(self) -> None:
        response, self._response = self._response, None
        if response is not None:
            await response.aclose()

    async def aclose(self) -> None:
        """End the request. The stream then has no more deltas."""
        self._ended = True
        if self._clock is not None:
            self._clock.close()
        await self._hang_up()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        """Close the connection, which httpx's response would keep open until the garbage collector runs.

        Other transports than ours close only in a task, so while their loop runs they are left to the collector.
        """
        response, clock = self._response, self._clock
        if response is None or clock is None:
            return
        close = response.extensions.get(CLOSE)
        if close is not None:
            close()
        elif clock.is_loop_closed:
            with suppress(StopIteration, RuntimeError):
                response.aclose().send(None)
