"""Answers of the core as LlamaIndex's responses, whole and streamed, without a server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    LogProb,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from llama_index_tir._messages import (
    from_completion,
    from_logprobs,
    response_kwargs,
    to_completion,
    to_wire,
)
from llama_index_tir._past_calls import parse_arguments
from llama_index_tir._stream import DeltaMapper
from tir_client.protocol.accumulator import Accumulator
from tir_client.protocol.responses import Choice, Completion, ToolCall, Usage

USAGE = Usage(3, 4, 7, 2, 1)
RAW_USAGE = {"prompt_tokens": 0, "more": 1}
COUNTS = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7, "cached_tokens": 2, "reasoning_tokens": 1}
CALL = ToolCall("1", "wire_name", '{"city":  "Pune"}')
BROKEN = ToolCall("2", "get_time", "[1]")
CHOICE = Choice(
    text="It is 31.",
    reasoning="I look.",
    refusal="No.",
    tool_calls=[CALL, BROKEN],
    finish_reason="stop",
    stop_reason=7,
    logprobs=[{"token": "It", "logprob": -0.5}],
    token_ids=[4],
)
NAMES = {"wire_name": "get weather"}


def completion(choice: Choice = CHOICE, **fields: Any) -> Completion:
    facts = {"id": "cmpl-1", "model": "m", "created": 7, "system_fingerprint": "fp"}
    return Completion(choices=[choice], **{**facts, "usage": USAGE, "raw_usage": RAW_USAGE, **fields})


def wire_call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


CALLS = [wire_call("1", "get weather", CALL.arguments), wire_call("2", "get_time", "[1]")]
PROBLEM = "the arguments must be a JSON object, not '[1]'"
INVALID = {"id": "2", "name": "get_time", "arguments": "[1]", "error": PROBLEM}
CALL_BLOCKS = [
    ToolCallBlock(tool_call_id="1", tool_name="get weather", tool_kwargs={"city": "Pune"}),
    ToolCallBlock(tool_call_id="2", tool_name="get_time", tool_kwargs="[1]"),
]


def test_a_response_has_every_part_of_an_answer():
    response = from_completion(completion(), NAMES)

    assert response.message.role == MessageRole.ASSISTANT
    assert response.message.blocks == [
        ThinkingBlock(content="I look.", num_tokens=1),
        TextBlock(text="It is 31."),
        *CALL_BLOCKS,
    ]
    assert response.message.additional_kwargs == {
        "tool_calls": CALLS,
        "invalid_tool_calls": [INVALID],
        "refusal": "No.",
    }
    assert response.logprobs == [[LogProb(token="It", logprob=-0.5)]]
    assert response.additional_kwargs == {**COUNTS, "finish_reason": "stop", "stop_reason": 7, "refusal": "No."}
    assert response.raw == {
        "object": "chat.completion",
        "id": "cmpl-1",
        "model": "m",
        "created": 7,
        "system_fingerprint": "fp",
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7, "more": 1},
        "choices": [
            {
                "message": {
                    "role": "assistant",
                    "content": "It is 31.",
                    "reasoning": "I look.",
                    "tool_calls": [wire_call("1", "wire_name", CALL.arguments), CALLS[1]],
                },
                "index": 0,
                "finish_reason": "stop",
                "stop_reason": 7,
                "logprobs": [{"token": "It", "logprob": -0.5}],
                "token_ids": [4],
            }
        ],
    }


def test_an_answer_of_text_only_has_one_block():
    response = from_completion(completion(Choice(text="Hi"), usage=None, raw_usage=None))

    assert response.message.blocks == [TextBlock(text="Hi")]
    assert response.message.additional_kwargs == {}
    assert (response.logprobs, response.additional_kwargs) == (None, {})
    assert "usage" not in response.raw
    assert response.raw["choices"][0]["message"] == {
        "role": "assistant",
        "content": "Hi",
        "reasoning": None,
        "tool_calls": [],
    }
    assert from_completion(completion(usage=None)).message.blocks[0] == ThinkingBlock(content="I look.")
    assert from_completion(completion(raw_usage=None)).raw["usage"] == {
        "prompt_tokens": 3,
        "completion_tokens": 4,
        "total_tokens": 7,
    }


def test_a_call_without_another_name_keeps_its_own():
    message = from_completion(completion()).message

    assert message.blocks[2].tool_name == "wire_name"
    assert message.additional_kwargs["tool_calls"][0]["function"]["name"] == "wire_name"


@pytest.mark.parametrize(("text", "parsed"), [("", {}), ("null", {}), ('{"a": 1}', {"a": 1}), ("[1]", None)])
def test_arguments_are_an_object_or_none(text: str, parsed: Any):
    assert parse_arguments(text) == parsed


def test_a_cut_call_without_arguments_has_none():
    response = from_completion(completion(Choice(tool_calls=[ToolCall("1", "f", "", cut=True)])))

    assert response.message.blocks[1].tool_kwargs == ""


def test_token_counts_and_finish_reason_are_kept_if_they_are_set():
    assert response_kwargs(Choice(), None) == {}
    assert response_kwargs(Choice(finish_reason="length"), Usage(1, 2, 3)) == {
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "total_tokens": 3,
        "finish_reason": "length",
    }


def test_alternatives_of_a_token_follow_it():
    rivals = [{"token": "b", "logprob": -0.1, "bytes": [98]}, {"token": "a", "logprob": -2.0}]
    tokens = [{"token": "a", "logprob": -2.0, "bytes": None, "top_logprobs": rivals}, {"token": "c", "logprob": 0}]

    assert from_logprobs(tokens) == [
        [LogProb(token="a", logprob=-2.0), LogProb(token="b", logprob=-0.1, bytes=[98])],
        [LogProb(token="c", logprob=0)],
    ]
    assert from_logprobs([]) == []


def test_a_completion_is_converted_from_a_chat_response():
    response = from_completion(completion(), NAMES)
    response.delta = "31."

    made = to_completion(response)

    assert (made.text, made.delta, made.raw) == ("It is 31.", "31.", response.raw)
    assert made.logprobs == response.logprobs
    assert made.additional_kwargs == {**response.message.additional_kwargs, **response.additional_kwargs}
    assert to_completion(ChatResponse(message=ChatMessage(blocks=[]))).text == ""


# Past answers


def sent_answer(*blocks: Any, **kwargs: Any) -> dict[str, Any]:
    """A past answer on the wire."""
    (sent,) = to_wire([ChatMessage(role=MessageRole.ASSISTANT, blocks=list(blocks), additional_kwargs=kwargs)])
    return sent


def test_a_past_answer_is_sent_with_its_reasoning_and_calls():
    thoughts = [ThinkingBlock(content="a"), ThinkingBlock(content=None), ThinkingBlock(content="b")]

    assert sent_answer(*thoughts, TextBlock(text="So"), *CALL_BLOCKS, tool_calls=CALLS) == {
        "role": "assistant",
        "content": "So",
        "reasoning": "a\nb",
        "reasoning_content": "a\nb",
        "tool_calls": [
            wire_call("1", "get_weather", CALL.arguments),
            wire_call("2", "get_time", '{"invalid_arguments": "[1]"}'),
        ],
    }
    assert sent_answer(TextBlock(text="So")) == {"role": "assistant", "content": "So"}


def test_a_call_keeps_the_arguments_text_of_the_call_with_its_id():
    other = [{**CALLS[0], "id": "other"}]

    assert sent_answer(CALL_BLOCKS[0], tool_calls=other)["tool_calls"] == [
        wire_call("1", "get_weather", '{"city": "Pune"}')
    ]
    unnumbered = CALL_BLOCKS[0].model_copy(update={"tool_call_id": None})
    assert sent_answer(unnumbered, tool_calls=CALLS)["tool_calls"][0]["function"]["arguments"] == '{"city": "Pune"}'


@pytest.mark.parametrize("call", ["f", {"number": 1}, {"function": {"arguments": "{}"}}, {"function": "f"}])
def test_a_call_in_additional_kwargs_that_cannot_be_read_is_shown(call: Any):
    sent = sent_answer(TextBlock(text="So"), tool_calls=[call, *CALLS])
    assert sent["content"] == f"So\n[tool_call: {json.dumps(call)}]"
    assert [call["id"] for call in sent["tool_calls"]] == [call["id"] for call in CALLS]


def test_a_call_in_additional_kwargs_may_have_no_arguments():
    (call,) = sent_answer(tool_calls=[{"id": "1", "function": {"name": "f"}}])["tool_calls"]
    assert call == {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("role", "sent"),
    [
        ("user", "user"),
        ("system", "system"),
        ("developer", "developer"),
        ("chatbot", "assistant"),
        ("model", "assistant"),
    ],
)
def test_a_role_of_another_provider_has_its_name_on_the_wire(role: str, sent: str):
    assert to_wire([ChatMessage(role=MessageRole(role), content="Hi")]) == [{"role": sent, "content": "Hi"}]


@pytest.mark.parametrize("role", [MessageRole.TOOL, MessageRole.FUNCTION])
def test_a_result_has_its_call_and_name(role: MessageRole):
    kwargs = {"tool_call_id": "1", "name": "f"}

    assert to_wire([ChatMessage(role=role, content="31", additional_kwargs=kwargs)]) == [
        {"role": "tool", "content": "31", **kwargs}
    ]


# Streams


def event(delta: dict[str, Any], finish: str | None = None, **choice: Any) -> dict[str, Any]:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish, **choice}]
    return {"id": "cmpl-1", "model": "m", "created": 7, "choices": choices}


def responses(*events: dict[str, Any], names: dict[str, str] | None = None) -> list[ChatResponse]:
    accumulator, mapper = Accumulator(), DeltaMapper(names)
    made = [mapper.map(delta) for each in events for delta in accumulator.add(each)]
    return [*made, mapper.map(accumulator.finish())]


def call_event(arguments: str, **head: Any) -> dict[str, Any]:
    name = {"name": head.pop("name")} if head else {}
    return event({"tool_calls": [{"index": 0, **head, "function": {**name, "arguments": arguments}}]})


def test_each_response_holds_the_answer_so_far():
    tokens = {"content": [{"token": "a", "logprob": -0.5}]}
    events = [event({"reasoning": "I "}), event({"reasoning": "look."}), event({"content": "a"}, logprobs=tokens)]
    events += [event({"content": "b"}, "stop")]

    first, second, third, fourth, last = responses(*events)

    assert [each.delta for each in (first, second, third, fourth, last)] == ["", "", "a", "b", ""]
    assert first.message.blocks == [ThinkingBlock(content="I "), TextBlock(text="")]
    assert second.message.blocks == [ThinkingBlock(content="I look."), TextBlock(text="")]
    assert fourth.message.blocks == [ThinkingBlock(content="I look."), TextBlock(text="ab")]
    assert fourth.message.role == MessageRole.ASSISTANT
    assert [each.raw for each in (first, second, third, fourth)] == events
    assert (second.logprobs, third.logprobs) == (None, [[LogProb(token="a", logprob=-0.5)]])
    assert [each.additional_kwargs for each in (first, second, third, fourth)] == [
        {"thinking_delta": "I "},
        {"thinking_delta": "look."},
        {},
        {"finish_reason": "stop"},
    ]
    assert last.message.blocks == fourth.message.blocks


def test_calls_grow_under_the_names_of_their_tools():
    events = [call_event("", id="1", name="wire_name"), call_event('{"city": "Pu'), call_event('ne"}')]

    begun, half, whole, _, last = responses(*events, event({}, "tool_calls"), names=NAMES)

    made = [response.message.blocks[1] for response in (begun, half, whole, last)]
    assert [block.tool_kwargs for block in made] == [{}, {"city": "Pu"}, {"city": "Pune"}, {"city": "Pune"}]
    assert {(block.tool_call_id, block.tool_name) for block in made} == {("1", "get weather")}
    assert half.message.additional_kwargs == {"tool_calls": [wire_call("1", "get weather", '{"city": "Pu')]}
    assert begun.message.blocks[1].tool_kwargs is not half.message.blocks[1].tool_kwargs


def test_a_call_keeps_its_name_where_no_other_was_sent():
    begun, *_ = responses(call_event("{}", id="1", name="wire_name"), event({}, "tool_calls"))

    assert begun.message.blocks[1].tool_name == "wire_name"
