"""Ways in which a server, a network or a user surprised the client once."""

from __future__ import annotations

import copy
import pickle
import time

import httpx
import pytest

from tests.client.paths import EVERY, PATHS, Ask
from tests.wire import CLOSE, STALL, WireServer
from tir_client import (
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    ChatRequest,
    Config,
    ConfigurationError,
    EmbeddingRequest,
    EmptyAnswerError,
    ForcedToolError,
    InvalidRequestError,
    ReportedError,
    ResponseError,
    RetryPolicy,
    StreamServerError,
    TIRClient,
    TIRError,
)
from tir_client.protocol.reader import read_embeddings
from tir_sandbox import Fault, Reply, Sandbox, ToolCall

NO_PAUSE = RetryPolicy(base=0, jitter=0)
SECRET = "eyJtYXJrZWQ.dG9rZW4.c2VjcmV0"
DONE = b"data: [DONE]\n\n"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: id-7\r\n"


def request(**more):
    return ChatRequest.of(**{"model": "m", "messages": [{"role": "user", "content": "Hi"}], **more})


def client(server: Sandbox | WireServer, **options) -> TIRClient:
    return TIRClient(Config.resolve(api_key=SECRET, base_url=server.base_url), **{"retry": NO_PAUSE, **options})


def event(content: str = "", finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish}
    return (
        b"data: " + str({"id": "c", "choices": [choice]}).replace("'", '"').replace("None", "null").encode() + b"\n\n"
    )


@pytest.fixture
def sandbox():
    with Sandbox(token=SECRET) as started:
        yield started


@pytest.mark.parametrize("ask", PATHS[2:])
async def test_the_total_timeout_ends_a_silence_it_falls_into(ask: Ask):
    script = [HEAD + b"\r\n" + event("a"), 0.1, event("b"), STALL]
    with WireServer(script) as server:
        began = time.monotonic()
        with pytest.raises(APITimeoutError, match="`total`") as caught:
            await ask(client(server, timeout={"total": 1.0, "chunk": 30}), request())

        assert time.monotonic() - began < 15
        assert caught.value.partial.choice.text == "ab"
        assert caught.value.request_id == "id-7"


@pytest.mark.parametrize("ask", PATHS)
async def test_a_token_that_the_server_repeats_is_in_no_error(ask: Ask, sandbox: Sandbox):
    said = {"error": {"message": f"no {SECRET}", SECRET: [SECRET]}}
    faults = [
        Fault(status=400, body=said, headers={"X-Echo": SECRET}),
        Fault(status=302, headers={"Location": f"https://elsewhere/{SECRET}"}),
        Fault(status=200, body=said, content_type="application/json"),
        Fault(after=Reply(text="one two"), error_chunk=SECRET),
    ]
    for fault in faults:
        sandbox.script(*[fault] * 3)
        with pytest.raises(TIRError) as caught:
            await ask(client(sandbox), request())
        sandbox.reset()
        told = [str(caught.value), repr(caught.value), repr(caught.value.body), repr(caught.value.headers)]
        assert SECRET not in "".join(told)


@pytest.mark.parametrize("ask", PATHS)
async def test_a_function_that_gives_tokens_is_called_once_for_each_try(ask: Ask, sandbox: Sandbox):
    given = iter(["wrong-1", SECRET, "unused"])
    rotating = TIRClient(Config.resolve(api_key=lambda: next(given), base_url=sandbox.base_url), retry=NO_PAUSE)

    with pytest.raises(AuthenticationError):
        await ask(rotating, request())
    assert (await ask(rotating, request())).choice.text
    assert next(given) == "unused"


TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
    for name in ("add", "get_weather")
]
ADD = {"type": "function", "function": {"name": "add"}}


@pytest.mark.parametrize("ask", PATHS)
async def test_a_call_of_another_tool_is_not_the_one_that_was_demanded(ask: Ask, sandbox: Sandbox):
    other = Reply(tool_calls=[ToolCall("get_weather", {"city": "Pune"})])
    sandbox.script(other, Reply(text="{}"))

    (call,) = (await ask(client(sandbox), request(tools=TOOLS, tool_choice=ADD))).choice.tool_calls
    assert (call.name, call.parsed()) == ("add", {})

    sandbox.script(other, Reply(text="No."))
    with pytest.raises(ForcedToolError):
        await ask(client(sandbox), request(tools=TOOLS, tool_choice=ADD))

    both = [ToolCall("get_weather", {"city": "Pune"}), ToolCall("add", {"a": 1})]
    sandbox.script(Reply(tool_calls=both))
    (call,) = (await ask(client(sandbox), request(tools=TOOLS, tool_choice=ADD))).choice.tool_calls
    assert (call.name, call.parsed()) == ("add", {"a": 1})


@pytest.mark.parametrize("ask", PATHS)
async def test_tokens_of_both_requests_of_a_rescue_are_counted_everywhere(ask: Ask, sandbox: Sandbox):
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    sandbox.script(Reply(text="No.", usage=usage), Reply(text="{}", usage=usage))

    answer = await ask(client(sandbox), request(tools=TOOLS[:1], tool_choice="required"))

    assert (answer.usage.total_tokens, answer.raw_usage["total_tokens"]) == (14, 14)


@pytest.mark.parametrize("ask", PATHS)
async def test_an_answer_without_choices_is_asked_for_again(ask: Ask, sandbox: Sandbox):
    empty = Reply(body={"choices": []}, chunks=[{"choices": []}])
    sandbox.script(empty, Reply(text="At last."))
    assert (await ask(client(sandbox), request())).choice.text == "At last."

    sandbox.reset()
    sandbox.script(*[empty] * 3)
    with pytest.raises(TIRError, match="no choices"):
        await ask(client(sandbox), request())
    assert len(sandbox.requests) == 3


@pytest.mark.parametrize("ask", PATHS)
async def test_an_error_under_status_200_is_asked_for_again(ask: Ask, sandbox: Sandbox):
    said = {"error": {"message": "engine died"}}
    sandbox.script(*[Reply(body=said, chunks=[said])] * 3)

    with pytest.raises((ReportedError, StreamServerError), match="engine died"):
        await ask(client(sandbox), request())
    assert len(sandbox.requests) == 3


def wire(body: bytes, content_type: str = "text/event-stream") -> list[bytes]:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
    return [head.encode() + body]


@pytest.mark.parametrize("ask", PATHS[2:])
@pytest.mark.parametrize("label", ["application/json", "text/plain", "application/octet-stream", ""])
async def test_a_stream_under_another_label_is_read(ask: Ask, label: str):
    with WireServer(wire(event("a") + event("b", "stop") + DONE, label)) as server:
        assert (await ask(client(server), request())).choice.text == "ab"


@pytest.mark.parametrize("ask", PATHS[2:])
async def test_a_page_in_plain_text_is_shown_as_it_is(ask: Ask):
    with (
        WireServer(wire(b"The gateway is resting.", "text/plain")) as server,
        pytest.raises(ResponseError, match="The gateway is resting"),
    ):
        await ask(client(server), request())


@pytest.mark.parametrize("ask", PATHS[2:])
@pytest.mark.parametrize("end", [b"data: [DONE] \n\n", b"data:[DONE]\n\n", b"", b"data: [DONE]"])
async def test_the_end_of_a_stream_may_be_written_in_several_ways(ask: Ask, end: bytes):
    with WireServer(wire(event("a", "stop") + end)) as server:
        assert (await ask(client(server), request())).choice.text == "a"


@pytest.mark.parametrize("ask", PATHS[2:])
async def test_an_error_field_that_says_nothing_is_no_error(ask: Ask):
    chunks = event("a").replace(b'{"id"', b'{"error": "", "id"') + event("b", "stop").replace(
        b'{"id"', b'{"error": false, "id"'
    )
    with WireServer(wire(chunks + DONE)) as server:
        assert (await ask(client(server), request())).choice.text == "ab"


@pytest.mark.parametrize("ask", PATHS[1::2])
@pytest.mark.parametrize("trickle", [b"x: y\r\n", b"\r\nHTTP/1.1 103 Early Hints\r\n"])
async def test_the_total_timeout_ends_headers_that_never_end_in_async_code(ask: Ask, trickle: bytes):
    script = [b"HTTP/1.1 103 Early Hints\r\n", *[trickle, 0.1] * 200]
    with WireServer(script) as server:
        with pytest.raises(APITimeoutError, match="`total`") as caught:
            await ask(client(server, timeout={"total": 0.4, "first_byte": 30}), request())
        assert caught.value.phase == "total"
        assert len(server.connections) == 1


@pytest.mark.parametrize(
    "vector",
    ["[NaN]", "[Infinity]", "[1e400]", f"[1{'0' * 400}]", '"123"', '["0.5"]', "[true]", '{"0": 1}', "[[1]]", "[]"],
)
def test_a_vector_is_of_finite_numbers(vector: str):
    content = f'{{"data": [{{"index": 0, "embedding": {vector}}}]}}'.encode()

    with pytest.raises(ResponseError, match="one vector of numbers for each"):
        read_embeddings(EmbeddingRequest.of(model="m", input=["a"]), content, None)


def test_two_vectors_for_one_text_are_refused():
    row = b'{"index": 0, "embedding": [1]}'

    with pytest.raises(ResponseError, match="one vector of numbers for each"):
        read_embeddings(EmbeddingRequest.of(model="m", input=["a"]), b'{"data": [%b, %b]}' % (row, row), None)


def test_a_users_header_takes_the_place_of_ours(sandbox: Sandbox):
    config = Config.resolve(
        api_key=SECRET, base_url=sandbox.base_url, default_headers={"user-agent": "mine", "ACCEPT": "x/y"}
    )
    with httpx.Client() as mine:
        TIRClient(config, http_client=mine).chat(request())

    assert (sandbox.requests[0].headers["user-agent"], sandbox.requests[0].headers["accept"]) == ("mine", "x/y")


def test_a_malformed_host_of_the_environment_does_not_matter_beside_a_base_url(monkeypatch, sandbox: Sandbox):
    monkeypatch.setenv("MODEL_API_CLIENT_HOST", "nonsense")

    assert client(sandbox).chat(request()).choice.text


@pytest.mark.parametrize("value", [None, ["x"], {"a": 1}, object()])
def test_a_query_parameter_that_is_no_text_is_refused(value):
    with pytest.raises(ConfigurationError, match="`default_query`: 'q'"):
        Config.resolve(api_key="k", project_id=1, default_query={"q": value})
    assert Config.resolve(api_key="k", project_id=1, default_query={"q": True}).params()["q"] == "true"


@pytest.mark.parametrize(("name", "wrong"), [("http_client", httpx.AsyncClient), ("http_async_client", httpx.Client)])
async def test_a_client_of_the_wrong_kind_is_refused(name, wrong):
    config = Config.resolve(api_key="k", project_id=1)
    for given in (wrong(), "client", object()):
        with pytest.raises(ConfigurationError, match=f"`{name}` must be"):
            TIRClient(config, **{name: given})


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "nonsense://x"])
async def test_proxy_settings_that_cannot_be_used_are_named(monkeypatch, proxy):
    monkeypatch.setenv("ALL_PROXY", proxy)
    config = Config.resolve(api_key="k", project_id=1)
    for ask in EVERY:
        with pytest.raises(ConfigurationError, match="proxy settings"):
            await ask(TIRClient(config), request())


@pytest.mark.parametrize("ask", PATHS)
@pytest.mark.parametrize("host", ["localhost", "a.localhost", "127.0.0.1", "127.9.9.9", "[::1]", "[0::1]"])
async def test_no_proxy_sees_a_token_that_plain_http_may_carry_without_being_asked(ask: Ask, host: str, monkeypatch):
    """What is taken for this machine when the URL is checked is also this machine to httpx, or refused."""

    async def call() -> None:
        config = Config.resolve(api_key=SECRET, base_url=f"http://{host}:9")
        await ask(TIRClient(config, timeout=0.5, retry=RetryPolicy(0)), request())

    with WireServer([CLOSE]) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.host)
        monkeypatch.delenv("NO_PROXY", raising=False)

        with pytest.raises((ConfigurationError, APIConnectionError)):
            await call()
        assert proxy.connections == []


@pytest.mark.parametrize("ask", PATHS)
async def test_this_machine_is_reached_without_a_proxy(ask: Ask, monkeypatch, sandbox: Sandbox):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)

    assert (await ask(client(sandbox), request())).choice.text


def test_copies_keep_the_token_and_pickles_never_hold_a_secret(sandbox: Sandbox, monkeypatch):
    monkeypatch.delenv("E2E_TIR_ACCESS_TOKEN", raising=False)
    original = client(sandbox)
    for made in (copy.copy(original), copy.deepcopy(original)):
        assert made.chat(request()).choice.text
    for thing in (original, original.config):
        assert SECRET.encode() not in pickle.dumps(thing)
    for more in ({"default_headers": {"X-Key": "hunter2"}}, {"default_query": {"key": "hunter2"}}):
        config = Config.resolve(api_key=SECRET, project_id=1, **more)
        for thing in (config, TIRClient(config)):
            with pytest.raises(TypeError, match="cannot be pickled"):
                pickle.dumps(thing)


def test_a_name_that_grows_from_piece_to_piece_is_taken_once(sandbox: Sandbox):
    def piece(name: str, arguments: str, call_id: str | None = None):
        call = {"index": 0, "id": call_id, "function": {"name": name, "arguments": arguments}}
        return {"id": "c", "choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]}

    end = {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
    sandbox.script(Reply(chunks=[piece("get_", "", "c1"), piece("get_weather", "{}"), end]))

    *_, last = client(sandbox).stream(request(tools=TOOLS))
    (call,) = last.accumulator.completion().choice.tool_calls
    assert (call.id, call.name, call.arguments) == ("c1", "get_weather", "{}")


def test_what_is_named_like_one_of_our_errors_is_one():
    assert issubclass(EmptyAnswerError, ResponseError)
    assert issubclass(ReportedError, ResponseError)
    assert issubclass(InvalidRequestError, ValueError)
