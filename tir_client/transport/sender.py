"""Sends calls and waits for answers, retries included, each in a sync and an async version."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, TypeVar

from tir_client.errors import TIRError
from tir_client.transport.body import aread_refusal, aread_whole, read_refusal, read_whole
from tir_client.transport.clock import Clock
from tir_client.transport.failures import loop_checked, transport_errors

if TYPE_CHECKING:
    from tir_client.transport.attempt import Attempt
    from tir_client.transport.clients import Clients

Result = TypeVar("Result")
Reader = Callable[[bytes, str | None], Result]
"""Parses an answer, from its body and the id of its request."""

REQUEST_ID = "x-request-id"


class Sender:
    """Sends calls.

    Args:
        clients: The httpx clients.
    """

    def __init__(self, clients: Clients) -> None:
        self.clients = clients

    def fetch(self, attempt: Attempt, read: Reader[Result]) -> Result:
        """Send a call, wait for the whole answer, and return the result of `read`.

        Raises:
            TIRError: The failure of the last try.
        """
        while True:
            try:
                with closing(self.open(attempt)) as response:
                    return read(read_whole(response, attempt), response.headers.get(REQUEST_ID))
            except TIRError as error:
                attempt.failure = error
            except transport_errors() as error:
                attempt.failure = attempt.broken(error)
            pause = attempt.pause()
            if pause is None:
                raise attempt.reported()
            time.sleep(pause)

    async def afetch(self, attempt: Attempt, read: Reader[Result]) -> Result:
        """`fetch` for async code."""
        with closing(await self.start_clock(attempt)) as clock:
            while True:
                try:
                    async with aclosing(await self.aopen(attempt, clock)) as response:
                        return read(await aread_whole(response, attempt, clock), response.headers.get(REQUEST_ID))
                except TIRError as error:
                    attempt.failure = error
                except TimeoutError:
                    attempt.failure = attempt.expired()
                except transport_errors() as error:
                    attempt.failure = attempt.broken(error)
                pause = attempt.pause()
                if pause is None:
                    raise attempt.reported()
                await asyncio.sleep(pause)

    async def start_clock(self, attempt: Attempt) -> Clock:
        """Start the clock of an async call."""
        await self.clients.of_loop()  # the first call imports aiohttp, which must not count towards the timeouts
        return Clock(attempt.seconds_left)

    def open(self, attempt: Attempt, *, streamed: bool = False) -> Any:
        """Send one try, and wait for the response headers.

        Raises:
            TIRError: The response has an error status.
        """
        client = self.clients.sync()
        attempt.fetch_token()
        # The request is not in a variable: tracebacks with locals would show its URL and query.
        response = client.send(
            attempt.request(client, streamed=streamed), stream=True, auth=attempt.authorize, follow_redirects=False
        )
        attempt.answered(response)
        if response.is_success:
            return response
        with closing(response):
            raise attempt.refused(response, read_refusal(response, attempt))

    async def aopen(self, attempt: Attempt, clock: Clock, *, streamed: bool = False) -> Any:
        """`open` for async code."""
        client = await self.clients.of_loop()
        clocked = self.clients.given_async is not None
        await clock.wait(attempt.afetch_token(), None)
        # As in `open`, the request is not in a variable.
        sending = client.send(
            attempt.request(client, streamed=streamed, clocked=clocked),
            stream=True,
            auth=attempt.authorize,
            follow_redirects=False,
        )
        with loop_checked():
            response = await clock.wait(sending, attempt.opening)
        attempt.answered(response)
        if response.is_success:
            return response
        async with aclosing(response):
            raise attempt.refused(response, await aread_refusal(response, attempt, clock))
