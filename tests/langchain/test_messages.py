"""Conversion of LangChain's messages to the wire form."""

from __future__ import annotations

import copy
import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
    convert_to_messages,
)

from langchain_tir import ChatTIR
from langchain_tir._messages import to_wire
from tir_client import InvalidRequestError
from tir_sandbox import Reply, Sandbox, ToolCall

PNG = "iVBORw0KGgo="
IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
CALL = {"id": "1", "name": "get_weather", "args": {"city": "पुणे"}}


def one(message: BaseMessage) -> dict[str, Any]:
    (wire,) = to_wire([message])
    return wire


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (HumanMessage("Hi"), {"role": "user", "content": "Hi"}),
        (HumanMessage("Hi", name="ada"), {"role": "user", "content": "Hi", "name": "ada"}),
        (SystemMessage("Be brief."), {"role": "system", "content": "Be brief."}),
        (convert_to_messages([("developer", "Be brief.")])[0], {"role": "developer", "content": "Be brief."}),
        (SystemMessage([{"type": "text", "text": "a"}, "b"]), {"role": "system", "content": "a\nb"}),
        (ChatMessage("Hi", role="user"), {"role": "user", "content": "Hi"}),
        (ChatMessage("31", role="tool"), {"role": "tool", "tool_call_id": "call_0", "content": "31"}),
        (AIMessage("Hello"), {"role": "assistant", "content": "Hello"}),
        (AIMessageChunk("Hello"), {"role": "assistant", "content": "Hello"}),
        (AIMessage([{"type": "text", "text": "a"}, "b"]), {"role": "assistant", "content": "ab"}),
        (AIMessage([{"type": "refusal", "refusal": "No."}]), {"role": "assistant", "content": "No."}),
        (AIMessage("", additional_kwargs={"refusal": "No."}), {"role": "assistant", "content": "No."}),
        (ToolMessage("31", tool_call_id="1"), {"role": "tool", "tool_call_id": "1", "content": "31"}),
        (
            ToolMessage([{"type": "text", "text": "3"}, {"type": "text", "text": "1"}], tool_call_id="1", name="t"),
            {"role": "tool", "tool_call_id": "1", "content": "3\n1", "name": "t"},
        ),
    ],
)
def test_a_message_has_its_role_and_text(message: BaseMessage, expected: dict[str, Any]):
    assert one(message) == expected


IMAGES = {
    "openai": IMAGE,
    "openai, url only": {"type": "image_url", "image_url": f"data:image/png;base64,{PNG}"},
    "v1": {"type": "image", "base64": PNG, "mime_type": "image/png"},
    "v0": {"type": "image", "source_type": "base64", "data": PNG, "mime_type": "image/png"},
    "anthropic": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
    "non-standard": {"type": "non_standard", "value": IMAGE},
}


@pytest.mark.parametrize("block", IMAGES.values(), ids=IMAGES)
def test_an_image_of_any_form_is_sent_as_an_image_url(block: dict[str, Any]):
    assert one(HumanMessage(["Look:", block]))["content"] == [{"type": "text", "text": "Look:"}, IMAGE]


URLS = {
    "v1": {"type": "image", "url": "https://a/b.png"},
    "v0": {"type": "image", "source_type": "url", "url": "https://a/b.png"},
    "anthropic": {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}},
}


@pytest.mark.parametrize("block", URLS.values(), ids=URLS)
def test_the_url_of_an_image_is_sent_unchanged(block: dict[str, Any]):
    assert one(HumanMessage([block]))["content"] == [{"type": "image_url", "image_url": {"url": "https://a/b.png"}}]


def test_the_detail_of_an_image_is_kept():
    image = {"url": "https://a/b.png", "detail": "low"}

    assert one(HumanMessage([{"type": "image_url", "image_url": image}]))["content"][0]["image_url"] == image


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (
            {"type": "audio", "base64": "AA==", "mime_type": "audio/wav"},
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}},
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}},
        ),
        ({"type": "audio", "url": "https://a/b"}, {"type": "audio_url", "audio_url": {"url": "https://a/b"}}),
        ({"type": "video", "url": "https://a/b"}, {"type": "video_url", "video_url": {"url": "https://a/b"}}),
        ({"type": "text-plain", "text": "A document."}, {"type": "text", "text": "A document."}),
        (
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "A document."}},
            {"type": "text", "text": "A document."},
        ),
    ],
)
def test_audio_video_and_plain_documents_are_sent_as_parts(block: dict[str, Any], expected: dict[str, Any]):
    assert one(HumanMessage([block, IMAGE]))["content"][0] == expected


def test_fields_that_other_providers_add_to_a_text_are_not_sent():
    block = {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}, "index": 0, "id": "x"}

    assert one(HumanMessage([block, IMAGE]))["content"] == [{"type": "text", "text": "Hi"}, IMAGE]


def test_several_texts_of_a_user_are_joined_with_newlines():
    assert one(HumanMessage(["Hi", {"type": "text", "text": "there"}]))["content"] == "Hi\nthere"


UNSENDABLE = {
    "a file": HumanMessage([{"type": "file", "base64": "AA==", "mime_type": "application/pdf"}]),
    "an image by id": HumanMessage([{"type": "image", "file_id": "x"}]),
    "an image as bytes": HumanMessage([{"type": "image", "base64": b"png", "mime_type": "image/png"}]),
    "an image of an unknown type": HumanMessage([{"type": "image", "base64": "AAAA"}]),
    "a document as bytes": HumanMessage([{"type": "document", "source": {"type": "base64", "data": PNG}}]),
    "an unknown block": HumanMessage([{"type": "hologram"}]),
    "a block without a type": HumanMessage([{"hologram": 1}]),
    "a tool result without an id": HumanMessage([{"type": "tool_result", "content": "31"}]),
    "a tool result of the system": SystemMessage([{"type": "tool_result", "tool_use_id": "1", "content": "31"}]),
    "an image of the system": SystemMessage([IMAGE]),
    "a removal": RemoveMessage(id="1"),
}


@pytest.mark.parametrize("message", UNSENDABLE.values(), ids=UNSENDABLE)
def test_content_that_cannot_be_sent_is_refused_with_its_position(message: BaseMessage):
    with pytest.raises(InvalidRequestError, match=r"messages\[1\]: .*(type|cannot be sent)"):
        to_wire([HumanMessage("Hi"), message])


@pytest.mark.parametrize("content", [7, [7], [["Hi"]]])
def test_values_that_are_neither_text_nor_blocks_are_refused(content: Any):
    with pytest.raises(InvalidRequestError, match="neither text nor a block"):
        to_wire([HumanMessage.model_construct(content=content)])


def test_a_text_block_may_lack_its_type():
    assert one(HumanMessage([{"text": "Hi"}]))["content"] == "Hi"


def test_past_reasoning_is_sent_under_both_names():
    message = AIMessage("So", additional_kwargs={"reasoning_content": "Because."})

    assert one(message) == {
        "role": "assistant",
        "content": "So",
        "reasoning": "Because.",
        "reasoning_content": "Because.",
    }


@pytest.mark.parametrize(
    "block",
    [
        {"type": "reasoning", "reasoning": "Because."},
        {"type": "thinking", "thinking": "Because."},
        {"type": "thinking", "thinking": [{"type": "text", "text": "Because."}]},
        {"type": "reasoning_content", "reasoning_content": {"text": "Because."}},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Because."}], "id": "rs_1"},
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Because."}]},
    ],
)
def test_reasoning_in_the_content_is_sent_once(block: dict[str, Any]):
    content = [{**block, "signature": "x"}, {"type": "text", "text": "So"}]
    message = AIMessage(content, additional_kwargs={"reasoning_content": "Because."})

    wire = one(message)

    assert (wire["reasoning"], wire["content"]) == ("Because.", "So")


def test_encrypted_reasoning_is_left_out():
    message = AIMessage([{"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": "So"}])

    assert one(message) == {"role": "assistant", "content": "So"}


def test_tool_results_in_a_users_message_become_tool_messages():
    results = [
        {"type": "tool_result", "tool_use_id": "1", "content": "31"},
        {"type": "tool_result", "tool_use_id": "2", "content": [{"type": "text", "text": "noon"}], "is_error": False},
        {"type": "tool_result", "tool_use_id": "3"},
    ]
    use = {"type": "tool_use", "id": "1", "name": "get_weather", "input": {}}

    _, *result_messages, user_message = to_wire(
        [AIMessage([use]), HumanMessage([*results, {"type": "text", "text": "So?"}])]
    )

    assert result_messages == [
        {"role": "tool", "tool_call_id": "1", "content": "31", "name": "get_weather"},
        {"role": "tool", "tool_call_id": "2", "content": "noon"},
        {"role": "tool", "tool_call_id": "3", "content": ""},
    ]
    assert user_message == {"role": "user", "content": "So?"}
    assert [message["role"] for message in to_wire([HumanMessage(results)])] == ["tool"] * 3


def test_past_calls_are_sent_and_name_their_results():
    call_message, result_message = to_wire([AIMessage("", tool_calls=[CALL]), ToolMessage("31", tool_call_id="1")])

    assert call_message["content"] == ""
    assert call_message["tool_calls"] == [
        {"id": "1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "पुणे"}'}}
    ]
    assert result_message["name"] == "get_weather"


@pytest.mark.parametrize(
    "block",
    [
        {"type": "tool_use", "id": "1", "name": "get_weather", "input": CALL["args"]},
        {"type": "function_call", "id": "fc_1", "call_id": "1", "name": "get_weather", "arguments": "{}"},
        {"type": "input_json_delta", "partial_json": "{"},
    ],
)
def test_a_call_that_the_content_repeats_is_sent_once(block: dict[str, Any]):
    assert one(AIMessage([block], tool_calls=[CALL])) == one(AIMessage("", tool_calls=[CALL]))


@pytest.mark.parametrize(
    "block",
    [
        {"type": "tool_use", "id": "1", "name": "get_weather", "input": CALL["args"]},
        {"type": "tool_call", **CALL},
        {"type": "function_call", "id": "fc_1", "call_id": "1", "name": "get_weather", "arguments": '{"city": "पुणे"}'},
        {"type": "tool_call_chunk", "id": "1", "name": "get_weather", "args": '{"city": "पुणे"}', "index": 0},
    ],
)
def test_a_call_that_is_only_in_the_content_is_sent(block: dict[str, Any]):
    assert one(AIMessage([block]))["tool_calls"] == one(AIMessage("", tool_calls=[CALL]))["tool_calls"]


@pytest.mark.parametrize("args", ["{'city': Pune", "[1]", "null", ""])
def test_a_broken_call_is_sent_as_json(args: str):
    call = {"id": "1", "name": "t", "args": args, "error": None, "type": "invalid_tool_call"}

    (sent,) = one(AIMessage("", invalid_tool_calls=[call]))["tool_calls"]

    nothing = args in {"null", ""}  # which models write for "no arguments"
    assert json.loads(sent["function"]["arguments"]) == ({} if nothing else {"invalid_arguments": args})


def test_arguments_that_json_cannot_express_are_sent_as_text():
    call = {"id": "1", "name": "plan", "args": {"day": date(2020, 1, 1)}}

    (sent,) = one(AIMessage("", tool_calls=[call]))["tool_calls"]

    assert sent["function"]["arguments"] == '{"day": "2020-01-01"}'


@given(st.dictionaries(st.text(), st.recursive(st.none() | st.integers() | st.text(), st.lists)))
def test_arguments_are_sent_unchanged(args: dict[str, Any]):
    (sent,) = one(AIMessage("", tool_calls=[{"id": "1", "name": "t", "args": args}]))["tool_calls"]

    assert json.loads(sent["function"]["arguments"]) == args


def test_the_callers_messages_are_not_changed():
    messages = [HumanMessage(["Hi", IMAGE]), AIMessage("", tool_calls=[CALL]), ToolMessage("31", tool_call_id="1")]
    before = copy.deepcopy(messages)

    to_wire(messages)

    assert messages == before


@pytest.mark.parametrize("output_version", ["v0", "v1"])
@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_is_sent_back_unchanged(make: Any, sandbox: Sandbox, output_version: str, streamed: bool):
    model: ChatTIR = make(output_version=output_version)
    calls = [ToolCall("a", {"x": 1}, id="1"), ToolCall("b", {"y": "é"}, id="2"), ToolCall("c", "{broken", id="3")]
    sandbox.script(Reply(reasoning="I think.", text="I say.", tool_calls=calls), Reply(text="Done."))
    answer = sum(model.stream("Hi"), AIMessageChunk("")) if streamed else model.invoke("Hi")
    results = [ToolMessage("ok", tool_call_id=str(number)) for number in (1, 2, 3)]

    model.invoke([HumanMessage("Hi"), answer, *results])

    _, sent, *result_messages = sandbox.requests[-1].body["messages"]
    assert (sent["reasoning"], sent["content"]) == ("I think.", "I say.")
    functions = [call["function"] for call in sent["tool_calls"]]
    assert [function["name"] for function in functions] == ["a", "b", "c"]
    assert [json.loads(function["arguments"]) for function in functions[:2]] == [{"x": 1}, {"y": "é"}]
    assert json.loads(functions[2]["arguments"]) == {"invalid_arguments": "{broken"}
    assert [message["name"] for message in result_messages] == ["a", "b", "c"]
