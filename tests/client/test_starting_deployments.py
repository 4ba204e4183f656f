"""Calls to a deployment that is still starting: which failures are retried, what is logged, and when the wait ends."""

from __future__ import annotations

import asyncio
import copy
import logging
import pickle
import re
from contextlib import suppress

import pytest

from tests.client.paths import NO_PAUSE, PATHS, TOKEN, Ask, client, request
from tests.logs import ours
from tests.ports import held_port
from tests.waiting import auntil
from tests.wire_server import CLOSE, STALL, WireServer
from tir_client import (
    APITimeoutError,
    AuthenticationError,
    Config,
    EmbeddingRequest,
    RetryPolicy,
    ServerError,
    StartPolicy,
    TIRClient,
)
from tir_sandbox import Fault, Reply, Sandbox

QUICK = StartPolicy(60, base=0.01, ceiling=0.01)
SECONDS = (0.3, 4, 25)
"""How long to wait for a start: on a slow machine the first time may end before the first answer."""
NEVER = b"HTTP/1.1 503 Busy\r\ncontent-length: 4\r\nconnection: close\r\nx-request-id: id-7\r\n\r\nbusy"
ANSWER = b"""{"choices":[{"index":0,"message":{"content":"Awake."},"finish_reason":"stop"}]}"""
SLOW_START = [b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(ANSWER), ANSWER]


async def embedded(client: TIRClient) -> int:
    return len((await asyncio.to_thread(client.embed, EMBEDDING)).vectors)


async def aembedded(client: TIRClient) -> int:
    return len((await client.aembed(EMBEDDING)).vectors)


async def ready(client: TIRClient) -> int:
    return len(await asyncio.to_thread(client.wait_until_ready, "m", seconds=QUICK))


async def aready(client: TIRClient) -> int:
    return len(await client.await_until_ready("m", seconds=QUICK))


EMBEDDING = EmbeddingRequest.of(model="bge-large-en-v1_5", input=["a"])
OTHERS = [pytest.param(ask, id=ask.__name__) for ask in (embedded, aembedded, ready, aready)]


@pytest.mark.parametrize("ask", PATHS)
async def test_a_call_waits_for_a_deployment_and_says_so_once(ask: Ask, caplog):
    caplog.set_level(logging.INFO, "tir_client")
    with Sandbox(token=TOKEN, starting=5) as sandbox:
        answer = await ask(client(sandbox, wait_for_start=QUICK), request())

    assert answer.choice.finish_reason == "stop"
    assert len(sandbox.requests) == 6
    begin, end = [record.getMessage() for record in ours(caplog)]
    assert "not ready (HTTP 503); trying for up to 60 s" in begin
    assert "the deployment has started" in end
    assert TOKEN not in begin + end
    assert [record.levelname for record in ours(caplog)] == ["WARNING", "INFO"]


@pytest.mark.parametrize("ask", OTHERS)
async def test_embeddings_wait_and_the_list_of_models_is_polled(ask):
    with Sandbox(token=TOKEN, starting=3, models=["bge-large-en-v1_5"]) as sandbox:
        assert await ask(client(sandbox, wait_for_start=QUICK)) == 1

    assert len(sandbox.requests) == 4


@pytest.mark.parametrize("ask", PATHS)
async def test_without_the_setting_only_retries_are_made(ask: Ask):
    with Sandbox(token=TOKEN, starting=5) as sandbox:
        with pytest.raises(ServerError):
            await ask(client(sandbox), request())

        assert len(sandbox.requests) == 3


@pytest.mark.parametrize("ask", PATHS)
async def test_the_end_of_the_wait_says_how_long_it_was_and_what_failed_last(ask: Ask):
    for seconds in SECONDS:
        waiting = {"wait_for_start": StartPolicy(seconds, base=0.02), "retry": RetryPolicy(max_retries=0)}
        with WireServer([NEVER, CLOSE]) as server, pytest.raises(APITimeoutError) as caught:
            await ask(client(server, **waiting), request())
        if caught.value.status_code is not None:
            break

    wait = f"`wait_for_start`, which is {re.escape(str(seconds))} s"
    assert re.search(rf"did not start within \d+\.\d s \(tries: \d+\).*{wait}.*\n.*HTTP 503.*busy", str(caught.value))
    assert (caught.value.phase, caught.value.status_code, caught.value.request_id) == ("start", 503, "id-7")


@pytest.mark.parametrize("ask", PATHS)
async def test_a_retry_after_beyond_the_wait_is_cut_to_the_time_left(ask: Ask):
    replies = Fault(status=503, headers={"Retry-After": "120"}), Reply(text="Awake.")
    for seconds in SECONDS:
        with suppress(APITimeoutError), Sandbox(token=TOKEN, replies=replies) as sandbox:
            answer = await ask(client(sandbox, wait_for_start=seconds), request())
            break

    assert answer.choice.text == "Awake."
    assert len(sandbox.requests) == 2


@pytest.mark.parametrize("ask", PATHS)
async def test_a_silent_server_is_a_timeout_when_the_wait_ends(ask: Ask):
    with WireServer([STALL]) as server, pytest.raises(APITimeoutError) as caught:
        await ask(client(server, wait_for_start=0.3), request())

    assert caught.value.phase == "start"
    assert re.search(r"within \d+\.\d s \(tries: 1\).*\n.*sent no answer when the time was over", str(caught.value))


def test_the_wait_for_a_start_does_not_limit_a_running_server(sandbox: Sandbox):
    """After an error that a starting deployment does not send, `first_byte` applies again."""
    call = client(sandbox, wait_for_start=60)._call("m", "models")
    assert call.headers_timeout is not None
    assert call.headers_timeout <= 60

    call.failure = ServerError("x", status_code=500)
    assert call.pause() is not None
    assert call.headers_timeout == 610


async def test_an_empty_list_of_models_is_polled_again_and_any_other_is_ready(caplog):
    caplog.set_level(logging.INFO, "tir_client")
    empty, other = (models_answer(data) for data in (b"[]", b'[{"id":"another"}]'))
    for wait in (ready, aready):
        caplog.clear()
        with WireServer([empty, CLOSE], [empty, CLOSE], [other, CLOSE]) as server:
            assert await wait(client(server)) == 1
        assert [record.levelname for record in ours(caplog)] == ["WARNING", "INFO"]


def models_answer(data: bytes) -> bytes:
    body = b'{"object":"list","data":%s}' % data
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
    return head % len(body) + body


@pytest.mark.parametrize("ask", PATHS)
async def test_the_total_timeout_bounds_the_wait(ask: Ask, caplog):
    for total in SECONDS:
        waiting = {"wait_for_start": StartPolicy(900, base=300, ceiling=300), "timeout": {"total": total}}
        with WireServer([NEVER, CLOSE]) as server, pytest.raises(APITimeoutError) as caught:
            await ask(client(server, **waiting), request())
        if caught.value.status_code is not None:
            break

    assert caught.value.phase == "total"
    assert re.search(r"`total`.* gave up after \d+\.\d s.*\n.*503", str(caught.value))
    begin = re.search(r"not ready \(HTTP 503\); trying for up to ([\d.]+) s", caplog.text)
    assert begin is not None
    assert float(begin[1]) <= total


@pytest.mark.parametrize("ask", PATHS)
async def test_a_silent_gateway_is_retried_after_the_timeout_first_byte(ask: Ask):
    with WireServer([STALL], [STALL], SLOW_START) as server:
        answer = await ask(client(server, wait_for_start=QUICK, timeout={"first_byte": 0.3}), request())

    assert answer.choice.text == "Awake."


@pytest.mark.parametrize("ask", PATHS)
async def test_a_refused_connection_is_waited_for(ask: Ask, caplog):
    """The server begins to listen after the first refusal."""
    with held_port() as port:
        waiting = asyncio.create_task(ask(client_at(port), request()))
        assert await auntil(lambda: "not ready (APIConnectionError)" in caplog.text)
        with Sandbox(token=TOKEN, port=port):
            assert (await waiting).choice.finish_reason == "stop"


def client_at(port: int) -> TIRClient:
    config = Config.resolve(api_key=TOKEN, base_url=f"http://127.0.0.1:{port}/v1")
    return TIRClient(config, retry=NO_PAUSE, wait_for_start=QUICK)


@pytest.mark.parametrize("ask", PATHS)
async def test_failures_of_a_start_and_retries_are_counted_separately(ask: Ask, sandbox: Sandbox):
    starting, failed = Fault(status=502), Fault(status=500)
    sandbox.script(*[starting] * 4, failed, *[starting] * 2, failed, Reply(text="At last."))
    assert (await ask(client(sandbox, wait_for_start=QUICK), request())).choice.text == "At last."

    sandbox.script(starting, *[failed] * 3)
    with pytest.raises(ServerError, match="500"):
        await ask(client(sandbox, wait_for_start=QUICK), request())


@pytest.mark.parametrize("ask", PATHS)
async def test_errors_that_waiting_does_not_cure_are_reported_at_once(ask: Ask, sandbox: Sandbox):
    sandbox.script(Fault(status=503), Fault(status=401))

    with pytest.raises(AuthenticationError):
        await ask(client(sandbox, wait_for_start=QUICK), request())


@pytest.mark.parametrize("ask", PATHS[1::2])
async def test_a_wait_can_be_cancelled(ask: Ask, caplog):
    with WireServer([NEVER, CLOSE]) as server:
        waiting = asyncio.create_task(ask(client(server, wait_for_start=StartPolicy(900, base=300)), request()))
        assert await auntil(lambda: "not ready" in caplog.text)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_a_poll_has_short_timeouts_and_its_own_wait(sandbox: Sandbox):
    for options, first_byte in (({}, 30.0), ({"timeout": {"first_byte": 5}}, 5.0), ({"wait_for_start": 7}, 7.0)):
        poll = client(sandbox, **options)._poll("m", None)
        assert poll.timeouts.first_byte == first_byte
    with pytest.raises(APITimeoutError, match=r"`wait_for_start`, which is 0\.1 s"):
        await client_at(1).await_until_ready("m", seconds=0.1)


def test_copies_and_pickles_of_a_client_wait_too(sandbox: Sandbox):
    waiting = client(sandbox, wait_for_start=7)

    assert copy.copy(waiting).start == pickle.loads(pickle.dumps(waiting)).start == StartPolicy(7)


def test_a_token_count_with_its_own_retries_does_not_wait():
    with Sandbox(token=TOKEN, starting=1) as sandbox, pytest.raises(ServerError):
        client(sandbox, wait_for_start=QUICK).count_tokens(request(), retry=RetryPolicy(max_retries=0))
