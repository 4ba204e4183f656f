"""A user's HTTP/2 clients: calls share a connection, and one async call's timeout does not end another."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import httpx
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, StreamEnded

from tests.client.paths import PATHS, Ask, request
from tests.client.test_aiohttp import listening
from tests.faults.response_bytes import DONE, TEXT, as_json, chunks, completion, events
from tests.waiting import PATIENCE
from tir_client import APITimeoutError, Config, RetryPolicy, TIRClient, TIRError

HTTP2 = {"http1": False, "http2": True}
"""HTTP/2 without TLS, which cannot be negotiated."""


class Server:
    """Answers each request, in HTTP/2, once `answering` is set; one whose body has "never" is not answered."""

    def __init__(self) -> None:
        self.connections = 0
        self.requests: list[bytes] = []
        self.changed = asyncio.Condition()
        self.answering = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        connection, bodies, tasks = H2Connection(H2Configuration(client_side=False)), {}, []
        connection.initiate_connection()
        try:
            writer.write(connection.data_to_send())
            while data := await reader.read(65536):
                for event in connection.receive_data(data):
                    if isinstance(event, DataReceived):
                        bodies[event.stream_id] = bodies.get(event.stream_id, b"") + event.data
                    elif isinstance(event, StreamEnded):
                        answer = self._answer(connection, event.stream_id, bodies.pop(event.stream_id), writer)
                        tasks.append(asyncio.create_task(answer))
                writer.write(connection.data_to_send())
        finally:
            for task in tasks:
                task.cancel()
            writer.transport.abort()

    async def _answer(self, connection: H2Connection, stream: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        async with self.changed:
            self.requests.append(body)
            self.changed.notify_all()
        if b"never" in body:
            return
        await self.answering.wait()
        is_stream = b'"stream":true' in body
        content = events(*chunks()) + DONE if is_stream else as_json(completion())
        kind = "text/event-stream" if is_stream else "application/json"
        connection.send_headers(stream, [(":status", "200"), ("content-type", kind)])
        connection.send_data(stream, content, end_stream=True)
        writer.write(connection.data_to_send())

    async def has_received(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE), self.changed:
            await self.changed.wait_for(lambda: len(self.requests) >= count)


@asynccontextmanager
async def running():
    """A server, and a function that makes clients for it."""
    server = Server()
    async with listening(server.serve) as port, httpx.AsyncClient(**HTTP2) as own_async:
        config = Config.resolve(api_key="k", base_url=f"http://127.0.0.1:{port}/v1")
        with httpx.Client(**HTTP2) as own:

            def client(**timeout: float) -> TIRClient:
                clients = {"http_client": own, "http_async_client": own_async}
                return TIRClient(config, timeout=timeout, retry=RetryPolicy(0), **clients)

            yield server, client


@pytest.mark.parametrize("ask", PATHS)
async def test_calls_at_once_share_a_connection(ask: Ask):
    async with running() as (server, client):
        calls = [asyncio.ensure_future(ask(client(), request())) for _ in range(5)]
        await server.has_received(5)
        server.answering.set()
        answers = await asyncio.gather(*calls)
    assert [answer.choice.text for answer in answers] == [TEXT] * 5
    assert server.connections == 1


NEVER = request(messages=[{"role": "user", "content": "never"}])


@pytest.mark.parametrize("ask", PATHS[1::2])
@pytest.mark.parametrize("phase", ["first_byte", "total"])
async def test_a_timeout_of_one_async_call_does_not_end_another_on_its_connection(ask: Ask, phase: str):
    for seconds in (0.3, 3, 25):  # a slow machine needs longer to send the call
        async with running() as (server, client):
            before = asyncio.ensure_future(ask(client(), request()))
            await server.has_received(1)
            timed_out = asyncio.ensure_future(ask(client(**{"connect": 0.2, phase: seconds}), NEVER))
            after = asyncio.ensure_future(ask(client(), request()))
            with pytest.raises(APITimeoutError, match=f"`{phase}`"):
                await timed_out
            server.answering.set()
            answers = await asyncio.gather(before, after)
        if any(b"never" in body for body in server.requests):
            break
    assert [answer.choice.text for answer in answers] == [TEXT] * 2
    assert (len(server.requests), server.connections) == (3, 1)


@pytest.mark.parametrize("ask", PATHS[::2])
async def test_a_timeout_of_one_sync_call_ends_others_on_its_http2_connection(ask: Ask):
    """httpcore reads for all calls in the thread of one. If this fails, remove the limit from `reliability.md`."""
    # A slow machine needs longer to start both calls. If the other reads first, it waits for the answer and gets it.
    for seconds in (1, 1, 1, 5, 25):
        async with running() as (server, client):
            timed_out = asyncio.ensure_future(ask(client(first_byte=seconds), NEVER))
            await server.has_received(1)
            other = asyncio.ensure_future(ask(client(), request()))
            await asyncio.wait([timed_out], timeout=seconds + 1)
            server.answering.set()
            outcomes = await asyncio.gather(timed_out, other, return_exceptions=True)
        if isinstance(outcomes[1], TIRError):
            break
    assert isinstance(outcomes[0], APITimeoutError)
    assert isinstance(outcomes[1], TIRError)
