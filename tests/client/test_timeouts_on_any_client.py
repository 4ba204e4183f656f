"""Each time limit of an async call holds on any HTTP client, and an expired call does not affect others."""

from __future__ import annotations

import asyncio
import gzip
import threading
from typing import Any

import httpx
import pytest

from tests.client.paths import EVERY, PATHS, Ask
from tests.faults.response_bytes import chunk, chunks, events, stream
from tests.wire_server import STALL, WireServer
from tir_client import APITimeoutError, BadRequestError, ChatRequest, Config, RetryPolicy, TIRClient
from tir_client.transport.clock import Clock
from tir_sandbox import Sandbox

URL = "http://127.0.0.1:1/v1"
ASYNC = [param for param in PATHS if param.id.startswith("a")]
SOON, NEVER = 0.05, 60.0


def request() -> ChatRequest:
    return ChatRequest.of(model="gpt_oss_120b", messages=[{"role": "user", "content": "Hi"}])


def client_for(base_url: str = URL, token: str = "key", **options: Any) -> TIRClient:
    return TIRClient(Config.resolve(api_key=token, base_url=base_url), retry=RetryPolicy(0), **options)


class Deaf(httpx.AsyncBaseTransport):
    """A transport that ignores timeouts and stalls in one phase; all calls share its one connection."""

    def __init__(self, silent: str) -> None:
        self._silent = silent
        self.closed = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._silent == "headers" and b"silent" in request.url.query:
            await asyncio.sleep(NEVER)
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Silent(self, request))


class Silent(httpx.AsyncByteStream):
    def __init__(self, transport: Deaf, request: httpx.Request) -> None:
        self._transport, self._request = transport, request

    async def __aiter__(self):
        *begun, last = chunks()
        yield events(begun[0])
        if b"silent" in self._request.url.query:
            await asyncio.sleep(NEVER)
        yield events(*begun[1:], last) + b"data: [DONE]\n\n"

    async def aclose(self) -> None:
        self._transport.closed += 1


@pytest.mark.parametrize(("silent", "phase"), [("headers", "first_byte"), ("body", "chunk"), ("body", "total")])
async def test_each_phase_holds_on_a_client_that_ignores_timeouts_and_ends_its_own_call_only(silent, phase):
    transport = Deaf(silent)
    limits = {"connect": SOON, "first_byte": SOON} if phase == "first_byte" else {phase: SOON}
    async with httpx.AsyncClient(transport=transport) as shared:
        config = Config.resolve(api_key="key", base_url=URL, default_query={"which": "silent"})
        silenced = TIRClient(config, timeout=limits, retry=RetryPolicy(0), http_async_client=shared)
        other = client_for(http_async_client=shared)
        deltas = other.astream(request())
        await anext(deltas)
        with pytest.raises(APITimeoutError, match=f"`{phase}`") as caught:
            async for _ in silenced.astream(request()):
                pass
        assert caught.value.phase == phase
        assert caught.value.__context__ is None
        assert [delta async for delta in deltas][-1].final
    assert asyncio.current_task().cancelling() == 0


def refuse(thread: threading.Thread) -> None:
    raise AssertionError(f"{thread.name} was started")


@pytest.mark.parametrize("ask", PATHS)
async def test_no_call_starts_a_thread(ask: Ask, monkeypatch):
    with Sandbox() as sandbox:
        for timeout in (None, {"total": 30}):
            client = client_for(sandbox.base_url, sandbox.token, timeout=timeout)
            await ask(client, request())  # start asyncio's thread for `to_thread`, and load what is loaded once
            with monkeypatch.context() as patch:
                patch.setattr(threading.Thread, "start", refuse)
                if ask.__name__ == "whole":
                    client.chat(request())
                elif ask.__name__ == "streamed":
                    list(client.stream(request()))
                else:
                    await ask(client, request())
            await client.aclose()


@pytest.mark.parametrize("ask", EVERY)
async def test_the_end_of_a_body_is_waited_for_only_briefly(ask: Ask, monkeypatch):
    monkeypatch.setattr("tir_client.transport.body.DRAIN_SECONDS", SOON)
    with WireServer([stream(*chunks()), STALL]) as server:
        client = client_for(server.base_url, timeout={"chunk": NEVER})
        if "streamed" in ask.__name__:
            assert (await asyncio.wait_for(ask(client, request()), NEVER / 2)).choice.text


def test_total_holds_to_within_one_chunk_in_sync_code():
    """A slow stream is stopped by a check after each piece, a silent one by `chunk`."""
    script = [stream(chunk({"content": "a"}), done=False), *[b": wait\n\n", 0.02] * 3000]
    with WireServer(script) as server, pytest.raises(APITimeoutError, match="`total`"):
        list(client_for(server.base_url, timeout={"total": 0.3, "chunk": 30}).stream(request()))
    script = [stream(chunk({"content": "a"}), done=False), STALL]
    with WireServer(script) as server, pytest.raises(APITimeoutError, match="`total`"):
        list(client_for(server.base_url, timeout={"total": 0.3, "chunk": 30}).stream(request()))


@pytest.mark.parametrize("ask", PATHS)
async def test_only_the_beginning_of_a_compressed_error_is_read(ask: Ask):
    bomb = gzip.compress(b'{"error": "No."}' + bytes(200_000_000))
    made = []

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(400, headers={"content-encoding": "gzip"}, stream=Raw(bomb))

    transport = httpx.MockTransport(answer)
    clients = {
        "http_client": httpx.Client(transport=transport),
        "http_async_client": httpx.AsyncClient(transport=transport),
    }
    with pytest.raises(BadRequestError, match="No") as caught:
        await ask(client_for(**clients), request())
    made.append(len(str(caught.value.body)))
    assert made[0] < 100_000


class Raw(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __init__(self, content: bytes) -> None:
        self._content = content

    def __iter__(self):
        yield self._content

    async def __aiter__(self):
        yield self._content


# The clock without a client


async def test_a_wait_that_ends_in_time_gives_its_result_and_sets_one_timer_for_all(monkeypatch):
    loop, timers = asyncio.get_running_loop(), []
    call_at = loop.call_at
    monkeypatch.setattr(loop, "call_at", lambda when, *rest: timers.append(when) or call_at(when, *rest))
    clock = Clock()
    for number in range(100):
        assert await clock.wait(given(number), 10) == number
    clock.close()
    assert len(timers) == 1


async def given(value: Any) -> Any:
    return value


async def test_a_cancelled_wait_is_not_a_timeout():
    clock = Clock()
    task = asyncio.create_task(clock.wait(asyncio.sleep(NEVER), NEVER))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_at_the_time_of_a_timeout_is_a_cancellation():
    clock = Clock()
    task = asyncio.create_task(clock.wait(asyncio.sleep(NEVER), NEVER))
    await asyncio.sleep(0)
    clock._ends = 0
    clock._ring()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_clock_does_not_fire_between_waits():
    clock = Clock()
    await clock.wait(given(1), 0.001)
    await asyncio.sleep(0.01)
    assert await clock.wait(given(2), NEVER) == 2
    with pytest.raises(TimeoutError) as caught:
        await clock.wait(asyncio.sleep(NEVER), 0.001)
    assert caught.value.__context__ is None
    clock.close()


async def test_the_total_timeout_bounds_the_call():
    clock = Clock(0.01)
    await clock.wait(given(1), NEVER)
    with pytest.raises(TimeoutError):
        await clock.wait(asyncio.sleep(NEVER), NEVER)
    clock.close()
