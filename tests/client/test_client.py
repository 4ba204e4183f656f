"""TIRClient over real sockets: what is sent, what is retried, what is closed."""

from __future__ import annotations

import asyncio
import copy
import gzip
import pickle
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import httpx
import pytest

from tests.client.paths import EVERY, PATHS, Ask, astreamed, streamed, whole
from tests.old_vllm import ignoring_tool_choice
from tests.waiting import auntil
from tir_client import (
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    ChatRequest,
    Config,
    ConfigurationError,
    EmbeddingRequest,
    InvalidRequestError,
    NotFoundError,
    ResponseError,
    RetryPolicy,
    ServerError,
    StreamInterruptedError,
    StreamServerError,
    TIRClient,
)
from tir_client.transport.failures import translate
from tir_sandbox import Fault, Reply, Sandbox

NO_PAUSE = RetryPolicy(base=0, jitter=0)


@pytest.fixture
def sandbox():
    with Sandbox() as started:
        yield started


@pytest.fixture
def connect(sandbox: Sandbox) -> Callable[..., TIRClient]:
    def make(**options: Any) -> TIRClient:
        config = Config.resolve(api_key=sandbox.token, project_id=sandbox.project_id, host=sandbox.host)
        return TIRClient(config, **{"retry": NO_PAUSE, **options})

    return make


def request(**more: Any) -> ChatRequest:
    return ChatRequest.of(**{"model": "gpt_oss_120b", "messages": [{"role": "user", "content": "Hi"}], **more})


@pytest.mark.parametrize("ask", PATHS)
async def test_every_path_gives_the_same_answer_and_sends_the_same_request(ask: Ask, sandbox, connect):
    sandbox.script(Reply(text="Hello there.", reasoning="Greet them."))

    answer = await ask(connect(), request(temperature=0.5, top_k=3, extra_body={"min_tokens": 1}))

    assert (
        answer.choice.text,
        answer.choice.reasoning,
        answer.choice.finish_reason,
    ) == ("Hello there.", "Greet them.", "stop")
    assert answer.usage.total_tokens > 0
    (seen,) = sandbox.requests
    assert seen.path == "/project/p-12345/genai/gpt_oss_120b/v1/chat/completions"
    assert seen.query == {"project_id": "12345"}
    body = {name: value for name, value in seen.body.items() if name not in {"stream", "stream_options"}}
    assert body == {
        "model": "gpt_oss_120b",
        "messages": [{"role": "user", "content": "Hi"}],
        "temperature": 0.5,
        "top_k": 3,
        "min_tokens": 1,
    }


@pytest.mark.parametrize("ask", PATHS)
async def test_a_temporary_failure_is_retried_and_a_permanent_one_is_reported(ask: Ask, sandbox, connect):
    sandbox.script(Fault(status=503), Fault(status=429, headers={"Retry-After": "0"}), Reply(text="At last."))
    assert (await ask(connect(), request())).choice.text == "At last."
    assert len(sandbox.requests) == 3

    sandbox.reset()
    sandbox.script(*[Fault(status=503)] * 3)
    with pytest.raises(ServerError) as caught:
        await ask(connect(), request())
    assert (caught.value.status_code, len(sandbox.requests)) == (503, 3)


@pytest.mark.parametrize("ask", PATHS)
async def test_the_short_api_key_is_named_in_a_401(ask: Ask, sandbox):
    config = Config.resolve(api_key="tir-short-key", project_id=sandbox.project_id, host=sandbox.host)

    with pytest.raises(AuthenticationError, match="not the short `API Key`") as caught:
        await ask(TIRClient(config), request())
    assert "tir-short-key" not in str(caught.value)
    assert len(sandbox.requests) <= 1


@pytest.mark.parametrize("ask", PATHS)
async def test_a_refused_connection_is_a_typed_error(ask: Ask):
    config = Config.resolve(api_key="k", base_url="http://127.0.0.1:1/v1")

    with pytest.raises(APIConnectionError, match="could not be reached"):
        await ask(TIRClient(config, retry=NO_PAUSE), request())


@pytest.mark.parametrize("ask", PATHS)
async def test_a_slow_first_byte_runs_into_its_own_timeout(ask: Ask, sandbox, connect):
    sandbox.script(Reply(text="late", delay=60))

    with pytest.raises(APITimeoutError, match="`first_byte`") as caught:
        await ask(connect(timeout={"first_byte": 0.2}), request())
    assert caught.value.phase == "first_byte"
    assert await auntil(lambda: sandbox.requests)
    assert len(sandbox.requests) == 1


def test_an_unread_request_is_an_error_that_names_the_timeout():
    assert translate(httpx.WriteTimeout("slow"), "first_byte", "https://host").phase == "chunk"


def test_too_many_open_files_are_not_called_a_failure_of_the_network():
    refused = httpx.ConnectError("Cannot connect to host h:443 ssl:default [Too many open files]")

    assert "`ulimit -n`" in translate(refused, "connect", "https://h").message


@pytest.mark.parametrize("ask", PATHS)
async def test_a_socks_proxy_that_hangs_up_is_a_connection_error(ask: Ask, connect, monkeypatch):
    """httpx passes on the error of `socksio`, an optional dependency of httpx."""
    socksio: Any = ModuleType("socksio")
    socksio.ProtocolError = type("ProtocolError", (Exception,), {})
    monkeypatch.setitem(sys.modules, "socksio", socksio)
    tries: list[httpx.Request] = []

    def hang_up(http_request: httpx.Request) -> httpx.Response:
        tries.append(http_request)
        raise socksio.ProtocolError("Malformed reply")

    transport = httpx.MockTransport(hang_up)
    async with httpx.AsyncClient(transport=transport) as aclient:
        with httpx.Client(transport=transport) as client:
            model = connect(http_client=client, http_async_client=aclient)
            with pytest.raises(APIConnectionError, match="Malformed reply"):
                await ask(model, request())
    assert len(tries) == 3


@pytest.mark.parametrize("ask", PATHS[2:])
async def test_a_stalled_stream_runs_into_the_timeout_between_pieces(ask: Ask, sandbox, connect):
    for seconds in (0.5, 5, 25):  # a slow server needs longer between the headers and the first word
        sandbox.reset()
        sandbox.script(Fault(after=Reply(text="one two three four"), stall_after=3))
        with pytest.raises(APITimeoutError, match="`chunk`") as caught:
            await ask(connect(timeout={"chunk": seconds}), request())
        if caught.value.partial is not None and caught.value.partial.choice.text:
            break
    assert caught.value.partial.choice.text.startswith("one")


@pytest.mark.parametrize("ask", PATHS[2:])
async def test_the_total_timeout_ends_a_stream_that_keeps_coming(ask: Ask, sandbox, connect):
    for total in (1, 5, 25):  # a slow machine needs longer to begin
        sandbox.reset()
        sandbox.script(Reply(text=["x"] * 1000, chunk_delay=0.05))
        with pytest.raises(APITimeoutError, match="`total`") as caught:
            await ask(connect(timeout={"total": total}), request())
        if caught.value.partial is not None and caught.value.partial.choice.text:
            break
    assert caught.value.partial.choice.text.startswith("x")


@pytest.mark.parametrize("ask", PATHS[2:])
async def test_a_broken_stream_is_never_retried_and_never_an_answer(ask: Ask, sandbox, connect):
    sandbox.script(Fault(after=Reply(text="one two three"), cut_after=3))
    with pytest.raises(StreamInterruptedError) as caught:
        await ask(connect(), request())
    assert caught.value.partial.choice.text.startswith("one")
    assert len(sandbox.requests) == 1

    sandbox.script(Fault(after=Reply(text="one two three"), no_finish=True))
    with pytest.raises(StreamInterruptedError, match="without a finish reason"):
        await ask(connect(), request())

    sandbox.script(Fault(after=Reply(text="one two three"), cut_after=3, error_chunk="Engine died."))
    with pytest.raises((StreamServerError, StreamInterruptedError)):
        await ask(connect(), request())


@pytest.mark.parametrize("ask", PATHS)
async def test_a_page_with_status_200_is_not_an_answer(ask: Ask, sandbox, connect):
    sandbox.script(Fault(status=200, body="<html><title>Maintenance</title></html>", content_type="text/html"))

    with pytest.raises(ResponseError, match="Maintenance"):
        await ask(connect(), request())


@pytest.mark.parametrize("ask", PATHS[2:])
async def test_a_whole_answer_to_a_stream_request_is_read(ask: Ask, sandbox, connect):
    with Sandbox(replies=[Reply(text="In one piece.")]) as other:
        body = await whole(TIRClient(Config.resolve(api_key=other.token, base_url=other.base_url)), request())
    sandbox.script(Fault(status=200, body=_whole(body.choice.text), content_type="application/json"))

    assert (await ask(connect(), request())).choice.text == "In one piece."


def _whole(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {"id": "c", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


@pytest.mark.parametrize("ask", PATHS)
async def test_one_client_serves_many_event_loops(ask: Ask, sandbox, connect):
    client = connect()

    def run() -> str:
        return asyncio.run(ask(client, request())).choice.text

    texts = [await asyncio.to_thread(run) for _ in range(3)]
    assert len(set(texts)) == 1
    assert len(sandbox.requests) == 3


@pytest.mark.parametrize("ask", PATHS)
@pytest.mark.usefixtures("patient_drain")
async def test_a_connection_is_used_again(ask: Ask, sandbox, connect):
    client = connect()
    for _ in range(5):
        await ask(client, request())
    await client.aclose()

    assert sandbox.connections == 1


async def test_closing_a_stream_ends_the_request(sandbox, connect):
    sandbox.script(*[Reply(text=["x"] * 3000, chunk_delay=0.01)] * 2)
    client = connect()

    deltas = client.stream(request())
    next(deltas)
    deltas.close()
    adeltas = client.astream(request())
    await anext(adeltas)
    await adeltas.aclose()

    assert await auntil(lambda: all(seen.disconnected for seen in sandbox.requests))
    assert len(sandbox.requests) == 2


async def test_the_users_http_clients_are_used_and_left_open(sandbox, connect):
    with httpx.Client() as mine:
        async with httpx.AsyncClient() as amine:
            client = connect(http_client=mine, http_async_client=amine)
            client.chat(request())
            await client.achat(request())
            await client.aclose()
            assert not mine.is_closed
            assert not amine.is_closed
            with pytest.raises(TypeError, match="cannot be pickled"):
                pickle.dumps(client)
    with pytest.raises(ConfigurationError, match="`http_client` is closed"):
        client.chat(request())


def test_a_class_instead_of_a_client_is_refused(connect):
    with pytest.raises(ConfigurationError, match=r"`http_client` is a class: .*`Client\(\)`"):
        connect(http_client=httpx.Client)
    with pytest.raises(ConfigurationError, match=r"`http_async_client` is a class: .*`AsyncClient\(\)`"):
        connect(http_async_client=httpx.AsyncClient)


async def test_httpx2_clients_are_accepted_too(sandbox, connect):
    httpx2 = pytest.importorskip("httpx2", reason="an openai>=3 dependency, not ours")
    with httpx2.Client() as mine:
        assert connect(http_client=mine).chat(request()).choice.text
        refused = TIRClient(
            Config.resolve(api_key="k", base_url="http://127.0.0.1:1/v1"), http_client=mine, retry=NO_PAUSE
        )
        with pytest.raises(APIConnectionError):
            refused.chat(request())
    async with httpx2.AsyncClient() as mine:
        assert (await connect(http_async_client=mine).achat(request())).choice.text


def test_a_pickled_client_has_no_token_and_reads_the_environment(sandbox, connect, monkeypatch):
    client = connect(timeout=7)
    client.chat(request())
    stored = pickle.dumps(client)
    assert sandbox.token.encode() not in stored
    restored = pickle.loads(stored)
    assert restored.timeouts == client.timeouts

    monkeypatch.delenv("E2E_TIR_ACCESS_TOKEN", raising=False)
    monkeypatch.delenv("TIR_API_TOKEN", raising=False)
    with pytest.raises(ConfigurationError, match="No token"):
        restored.chat(request())
    monkeypatch.setenv("E2E_TIR_ACCESS_TOKEN", sandbox.token)
    assert restored.chat(request()).choice.text
    assert copy.deepcopy(client).chat(request()).choice.text


def test_a_closed_client_opens_again(connect):
    with connect() as client:
        first = client.chat(request())
    assert first.choice.text == client.chat(request()).choice.text


async def test_a_forced_call_that_the_server_ignores_is_rescued(connect):
    tool = {
        "type": "function",
        "function": {
            "name": "add",
            "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
        },
    }
    other = {
        "type": "function",
        "function": {
            "name": "sub",
            "parameters": {"type": "object", "properties": {"b": {"type": "integer"}}, "required": ["b"]},
        },
    }
    with Sandbox(rules=ignoring_tool_choice()) as old:
        client = TIRClient(Config.resolve(api_key=old.token, base_url=old.base_url))
        for choice in ({"type": "function", "function": {"name": "sub"}}, "required"):
            for ask in EVERY:
                old.reset()
                answer = await ask(client, request(tools=[tool, other], tool_choice=choice))
                (call,) = answer.choice.tool_calls
                assert call.name in (["sub"] if choice != "required" else ["add", "sub"])
                assert isinstance(call.parsed()[{"add": "a", "sub": "b"}[call.name]], int)
                assert answer.choice.finish_reason == "tool_calls"
                assert len(old.requests) == 2
                assert "tools" not in old.requests[1].body


async def test_embeddings_models_and_token_counts(sandbox, connect):
    client = connect()
    texts = ["a dog", "a dog barks", "stock market"]
    ask = EmbeddingRequest.of(model="bge-large-en-v1_5", input=texts)

    sync, asynchronous = client.embed(ask), await client.aembed(ask)
    assert sync == asynchronous
    assert {1024} == {len(vector) for vector in sync.vectors}
    assert client.models() == await client.amodels()
    with pytest.raises(NotFoundError):
        client.count_tokens(request())  # TIR's gateway forwards only what is below /v1
    direct = TIRClient(Config.resolve(api_key=sandbox.token, base_url=sandbox.base_url))
    assert direct.count_tokens(request()) == await direct.acount_tokens(request()) > 0
    assert sandbox.requests[0].body == {"model": "bge-large-en-v1_5", "input": texts, "encoding_format": "float"}


async def test_an_unknown_model_is_not_found(connect):
    for ask in EVERY:
        with pytest.raises(NotFoundError, match="slug"):
            await ask(connect(), request(model="nope"))


def test_a_value_that_json_cannot_express_is_refused_before_a_request(sandbox, connect):
    for message in ({"role": "user", "content": object()}, {"role": "user", "content": "\ud800"}, {"x": float("nan")}):
        with pytest.raises(InvalidRequestError):
            connect().chat(request(messages=[message]))
    for wrong in (
        {"temperature": float("inf")},
        {"n": 0},
        {"max_tokens": -1},
        {"tempreature": 1},
        {"tools": [{"name": "add"}]},
        {"model": 5},
    ):
        with pytest.raises(InvalidRequestError, match=next(iter(wrong))):
            request(**wrong)
    with pytest.raises(InvalidRequestError, match="extra_body"):
        connect().chat(request(extra_body={"stream": True}))
    assert sandbox.requests == []


EVENTS = b"""data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n"""
STREAMED = {"content-type": "text/event-stream"}


async def _in_pieces(content: bytes):
    for place in range(0, len(content), 7):
        yield content[place : place + 7]


@pytest.mark.parametrize("ask", [pytest.param(path, id=path.__name__) for path in (streamed, astreamed)])
@pytest.mark.parametrize("kind", ["read already", "in pieces", "compressed"])
async def test_a_stream_is_read_through_every_transport_and_encoding(ask, kind):
    content = gzip.compress(EVENTS) if kind == "compressed" else EVENTS
    headers = {**STREAMED, **({"content-encoding": "gzip"} if kind == "compressed" else {})}
    split = [content[place : place + 7] for place in range(0, len(content), 7)]

    def answer(_: httpx.Request) -> httpx.Response:
        body = content if kind == "read already" else _in_pieces(content) if ask is astreamed else iter(split)
        return httpx.Response(200, headers=headers, content=body)

    transport = httpx.MockTransport(answer)
    clients = {
        "http_client": httpx.Client(transport=transport),
        "http_async_client": httpx.AsyncClient(transport=transport),
    }
    client = TIRClient(Config.resolve(api_key="k", base_url="http://127.0.0.1:1/v1"), **clients)

    assert (await ask(client, request())).choice.text == "Hi"
