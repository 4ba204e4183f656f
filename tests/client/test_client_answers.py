"""Unusual answers on every path: streams with other content types, different ends, missing calls."""

from __future__ import annotations

import pytest

from tests.client.paths import PATHS, Ask, client, request
from tests.wire_server import WireServer
from tir_client import (
    ForcedToolError,
    NoAnswerError,
    ResponseError,
    StreamServerError,
    TIRError,
)
from tir_sandbox import Reply, Sandbox, ToolCall

DONE = b"data: [DONE]\n\n"


def tool(name):
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}


FREE, OTHER = tool("add"), tool("get_weather")


def named(name):
    return {"type": "function", "function": {"name": name}}


def event(content: str = "", finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish}
    return (
        b"data: " + str({"id": "c", "choices": [choice]}).replace("'", '"').replace("None", "null").encode() + b"\n\n"
    )


def wire(body: bytes, content_type: str = "text/event-stream") -> list[bytes]:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
    return [head.encode() + body]


@pytest.mark.parametrize("ask", PATHS)
async def test_an_answer_without_choices_is_requested_again(ask: Ask, sandbox: Sandbox):
    empty = Reply(body={"choices": []}, chunks=[{"choices": []}])
    sandbox.script(empty, Reply(text="At last."))
    assert (await ask(client(sandbox), request())).choice.text == "At last."

    sandbox.reset()
    sandbox.script(*[empty] * 3)
    with pytest.raises(TIRError, match="no choices"):
        await ask(client(sandbox), request())
    assert len(sandbox.requests) == 3


@pytest.mark.parametrize("ask", PATHS)
async def test_an_error_with_status_200_is_requested_again(ask: Ask, sandbox: Sandbox):
    error_body = {"error": {"message": "engine died"}}
    sandbox.script(*[Reply(body=error_body, chunks=[error_body])] * 3)

    with pytest.raises((NoAnswerError, StreamServerError), match="engine died"):
        await ask(client(sandbox), request())
    assert len(sandbox.requests) == 3


@pytest.mark.parametrize("ask", PATHS[2:])
@pytest.mark.parametrize("label", ["application/json", "text/plain", "application/octet-stream", ""])
async def test_a_stream_with_another_content_type_is_read(ask: Ask, label: str):
    with WireServer(wire(event("a") + event("b", "stop") + DONE, label)) as server:
        assert (await ask(client(server), request())).choice.text == "ab"


@pytest.mark.parametrize("ask", PATHS[2:])
async def test_the_error_about_a_page_in_plain_text_shows_the_page(ask: Ask):
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
async def test_an_empty_error_field_is_ignored(ask: Ask):
    chunks = event("a").replace(b'{"id"', b'{"error": "", "id"') + event("b", "stop").replace(
        b'{"id"', b'{"error": false, "id"'
    )
    with WireServer(wire(chunks + DONE)) as server:
        assert (await ask(client(server), request())).choice.text == "ab"


@pytest.mark.parametrize("ask", PATHS)
async def test_a_call_of_another_tool_is_not_the_forced_one(ask: Ask, sandbox: Sandbox):
    other = Reply(tool_calls=[ToolCall("get_weather", {"city": "Pune"})])
    sandbox.script(other, Reply(text="{}"))

    (call,) = (await ask(client(sandbox), request(tools=[FREE, OTHER], tool_choice=named("add")))).choice.tool_calls
    assert (call.name, call.parsed()) == ("add", {})

    sandbox.script(other, Reply(text="No."))
    with pytest.raises(ForcedToolError):
        await ask(client(sandbox), request(tools=[FREE, OTHER], tool_choice=named("add")))

    both = [ToolCall("get_weather", {"city": "Pune"}), ToolCall("add", {"a": 1})]
    sandbox.script(Reply(tool_calls=both))
    (call,) = (await ask(client(sandbox), request(tools=[FREE, OTHER], tool_choice=named("add")))).choice.tool_calls
    assert (call.name, call.parsed()) == ("add", {"a": 1})


@pytest.mark.parametrize("ask", PATHS)
async def test_tokens_of_both_requests_of_a_rescue_are_counted_everywhere(ask: Ask, sandbox: Sandbox):
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    sandbox.script(Reply(text="No.", usage=usage), Reply(text="{}", usage=usage))

    answer = await ask(client(sandbox), request(tools=[FREE], tool_choice="required"))

    assert (answer.usage.total_tokens, answer.raw_usage["total_tokens"]) == (14, 14)
