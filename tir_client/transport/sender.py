"""Sends calls and waits for answers, retries included, each in a sync and an async version."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, TypeVar

from tir_client.errors import TIRError
from tir_client.transport.body import aread_error_body, aread_whole, read_error_body, read_whole
from tir_client.transport.clock import Clock
from tir_client.transport.failures import loop_checked, transport_errors

if TYPE_CHECKING:
    from tir_client.transport.clients import Clients
    from tir_client.transport.http_call import HTTPCall

Result = TypeVar("Result")
Reader = Callable[[bytes, str | None], Result]
"""Parses an answer, from its body and the id of its request."""


class Sender:
    """Sends calls.

    Args:
        clients: The httpx clients.
    """

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def fetch(self, call: HTTPCall, read: Reader[Result]) -> Result:
        """Send a call, wait for the whole answer, and return the result of `read`.

        Raises:
            TIRError: The failure of the last try.
        """
        while True:
            try:
                with closing(self.open(call)) as response:
                    return read(read_whole(response, call), call.request_id)
            except TIRError as error:
                call.failure = error
            except transport_errors() as error:
                call.failure = call.transport_error(error)
            pause = call.pause()
            if pause is None:
                raise call.final_error()
            time.sleep(pause)

    async def afetch(self, call: HTTPCall, read: Reader[Result]) -> Result:
        """`fetch` for async code."""
        with closing(await self.start_clock(call)) as clock:
            while True:
                try:
                    async with aclosing(await self.aopen(call, clock)) as response:
                        return read(await aread_whole(response, call, clock), call.request_id)
                except TIRError as error:
                    call.failure = error
                except TimeoutError:
                    call.failure = call.timeout_error()
                except transport_errors() as error:
                    call.failure = call.transport_error(error)
                pause = call.pause()
                if pause is None:
                    raise call.final_error()
                await asyncio.sleep(pause)

    async def start_clock(self, call: HTTPCall) -> Clock:
        """Start the clock of an async call."""
        await self._clients.of_loop()  # the first call imports aiohttp, which must not count towards the timeouts
        return Clock(call.seconds_left)

    def open(self, call: HTTPCall, *, streamed: bool = False) -> Any:
        """Send one try, and wait for the response headers.

        Raises:
            TIRError: The response has an error status.
        """
        client = self._clients.sync()
        call.fetch_token()
        # The request is not in a variable: tracebacks with locals would show its URL and query.
        response = client.send(
            call.request(client, streamed=streamed), stream=True, auth=call.authorize, follow_redirects=False
        )
        call.headers_arrived(response)
        if response.is_success:
            return response
        with closing(response):
            raise call.status_error(response, read_error_body(response, call))

    async def aopen(self, call: HTTPCall, clock: Clock, *, streamed: bool = False) -> Any:
        """`open` for async code."""
        client = await self._clients.of_loop()
        clocked = self._clients.given_async is not None
        await clock.wait(call.afetch_token(), None)
        # As in `open`, the request is not in a variable.
        sending = client.send(
            call.request(client, streamed=streamed, clocked=clocked),
            stream=True,
            auth=call.authorize,
            follow_redirects=False,
        )
        with loop_checked():
            response = await clock.wait(sending, call.headers_timeout)
        call.headers_arrived(response)
        if response.is_success:
            return response
        async with aclosing(response):
            raise call.status_error(response, await aread_error_body(response, call, clock))
