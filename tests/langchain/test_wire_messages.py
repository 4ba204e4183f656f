"""Less common messages of LangChain in wire form: names, old roles, calls of answers; and a call's parameters."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, ChatMessage, FunctionMessage, HumanMessage, RemoveMessage
from langchain_core.messages.tool import invalid_tool_call
from pydantic import BaseModel

from langchain_tir import ChatTIR, _content_blocks
from langchain_tir._content_blocks import standard_blocks
from langchain_tir._messages import to_wire
from langchain_tir._tools import to_response_format, to_tool
from tir_client import InvalidRequestError

IMAGE = {"type": "image", "url": "https://a/b.png"}
WIRE_IMAGE = {"type": "image_url", "image_url": {"url": "https://a/b.png"}}
MARKED = {"model_provider": "tir"}


def one(message: Any) -> dict[str, Any]:
    (wire,) = to_wire([message])
    return wire


@pytest.mark.parametrize("message", [ChatMessage([IMAGE, {"type": "x"}], role="tool", name="f"),
                                     FunctionMessage([IMAGE, {"type": "x"}], name="f")])  # fmt: skip
def test_a_function_message_is_the_result_of_the_call_with_its_name(message: Any):
    call = {"name": "f", "arguments": "{}"}

    call_message, result_message = to_wire([AIMessage("", additional_kwargs={"function_call": call}), message])

    assert call_message["tool_calls"] == [{"id": "call_1", "type": "function", "function": call}]
    assert result_message == {
        "role": "tool",
        "tool_call_id": "call_1",
        "content": [WIRE_IMAGE, {"type": "text", "text": "[x]"}],
        "name": "f",
    }


def test_names_of_speakers_are_sent():
    assert one(AIMessage("Hi", name="a")) == {"role": "assistant", "content": "Hi", "name": "a"}
    assert one(ChatMessage("Hi", role="assistant", name="a")) == {"role": "assistant", "content": "Hi", "name": "a"}
    assert one(ChatMessage(["a", "b"], role="assistant"))["content"] == "ab"
    result = {"type": "tool_result", "tool_use_id": "1", "content": "31"}
    assert to_wire([HumanMessage([result, IMAGE], name="a")])[1] == {
        "role": "user",
        "content": [WIRE_IMAGE],
        "name": "a",
    }


def test_a_message_of_an_unknown_kind_is_refused_by_its_class():
    with pytest.raises(InvalidRequestError) as raised:
        to_wire([RemoveMessage(id="1")])
    assert str(raised.value) == "messages[0]: a RemoveMessage cannot be sent."


def test_a_block_refused_next_to_a_tool_result_names_the_user_message():
    result = {"type": "tool_result", "tool_use_id": "1", "content": "31"}

    with pytest.raises(InvalidRequestError, match=r"type 'x' \(keys: type\) cannot be sent in a user message"):
        to_wire([HumanMessage([result, {"type": "x"}])])


def test_several_reasoning_blocks_are_joined_with_newlines():
    blocks = [{"type": "reasoning", "reasoning": text} for text in ("a", "", "b")]

    assert one(AIMessage([*blocks, "So"]))["reasoning"] == "a\nb"


def test_a_call_keeps_its_id_and_an_old_one_gets_one():
    sent = one(AIMessage("", tool_calls=[{"id": "c7", "name": "f", "args": {"a": 1}}]))["tool_calls"]

    assert sent == [{"id": "c7", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}]
    nameless = invalid_tool_call(name=None, args="{}", id="c8", error=None)
    assert one(AIMessage("", invalid_tool_calls=[nameless]))["tool_calls"][0]["function"]["name"] == ""
    numbered = AIMessage([{"type": "tool_use", "id": 7, "name": "f", "input": {}}])
    assert one(numbered)["tool_calls"][0]["id"] == "7"


@pytest.mark.parametrize(
    ("closed", "sent"),
    [
        ({"c8": '"]'}, '{"invalid_arguments": "{\\"a\\": \\"b"}'),
        ({"other": '"]'}, '{"invalid_arguments": "{\\"a\\": \\"b\\"]"}'),
        ("no dict", '{"invalid_arguments": "{\\"a\\": \\"b\\"]"}'),
    ],
)
def test_broken_arguments_that_a_stream_closed_are_sent_as_the_model_wrote_them(closed: Any, sent: str):
    call = invalid_tool_call(name="f", args='{"a": "b"]', id="c8", error=None)

    message = AIMessage("", invalid_tool_calls=[call], response_metadata={"closed_arguments": closed})

    assert one(message)["tool_calls"] == [
        {"id": "c8", "type": "function", "function": {"name": "f", "arguments": sent}}
    ]


def test_a_whole_answer_shows_blocks_without_indices_and_parsed_calls():
    calls = [{"id": "1", "name": "f", "args": {}, "type": "tool_call"}]

    assert AIMessage("Hi", response_metadata=MARKED, tool_calls=calls).content_blocks == [
        {"type": "text", "text": "Hi"},
        *calls,
    ]
    begun = AIMessageChunk("Hi", response_metadata=MARKED)
    assert begun.content_blocks == [{"type": "text", "text": "Hi", "index": "lc_text"}]


@pytest.mark.parametrize("known", [True, False])
def test_a_refusal_is_non_standard_where_langchain_does_not_know_it(monkeypatch: pytest.MonkeyPatch, known: bool):
    monkeypatch.setattr(_content_blocks, "KNOWN_BLOCK_TYPES", {"refusal"} if known else set())
    refusal = {"type": "refusal", "refusal": "No."}

    assert standard_blocks(AIMessage("", additional_kwargs={"refusal": "No."}), indexed=False) == [
        refusal if known else {"type": "non_standard", "value": refusal}
    ]


# The other fields of a call


class City(BaseModel):
    """A city."""

    name: str


def sent(call: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """The body of the request for a call."""
    bodies = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return httpx.Response(200, json={"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]})

    client = httpx.Client(transport=httpx.MockTransport(answer))
    ChatTIR("m", api_key="k", base_url="http://127.0.0.1/v1", http_client=client, **settings).invoke("Hi", **call)
    return bodies[0]


@pytest.mark.parametrize(
    ("settings", "call", "fields"),
    [
        ({}, {}, {}),
        ({"stop": ["!"]}, {}, {"stop": ["!"]}),
        ({"stop": ["!"]}, {"stop": ["."]}, {"stop": ["."]}),
        ({}, {"response_format": City}, {"response_format": to_response_format(City)}),
        ({}, {"tools": [City], "tool_choice": {"type": "auto"}}, {"tools": [to_tool(City)], "tool_choice": "auto"}),
    ],
)
def test_a_call_sends_its_parameters_in_their_wire_form(settings: Any, call: Any, fields: Any):
    assert sent(call, **settings) == {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}
