"""Answers of the core as LangChain's results and chunks, without a server."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.content import KNOWN_BLOCK_TYPES
from langchain_core.messages.tool import invalid_tool_call, tool_call, tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk

from langchain_tir._content_blocks import standard_blocks
from langchain_tir._messages import from_completion, set_only, usage_metadata
from langchain_tir._stream import DeltaMapper, ending_for_broken_call
from tir_client.protocol.accumulator import Accumulator
from tir_client.protocol.responses import Choice, Completion, ToolCall, Usage

RAW_USAGE = {
    "prompt_tokens": 3,
    "completion_tokens": 0,
    "total_tokens": 3,
    "prompt_tokens_details": {"cached_tokens": 2, "audio_tokens": None},
    "completion_tokens_details": None,
}
USAGE = {
    "prompt_tokens": 3,
    "completion_tokens": 0,
    "total_tokens": 3,
    "prompt_tokens_details": {"cached_tokens": 2},
}
COUNTS = {"input_tokens": 3, "output_tokens": 0, "total_tokens": 3, "input_token_details": {"cache_read": 2}}


def completion(*choices: Choice, **fields: Any) -> Completion:
    """An answer with all metadata."""
    facts = {"id": "cmpl-1", "model": "m", "created": 7, "system_fingerprint": "fp", "service_tier": "default"}
    counted = {"usage": Usage.of(RAW_USAGE), "raw_usage": RAW_USAGE, "request_id": "req-1"}
    return Completion(choices=list(choices), **{**facts, **counted, **fields})


FULL = Choice(
    text="It is 31.",
    reasoning="I look.",
    refusal="No.",
    tool_calls=[ToolCall("1", "get_weather", '{"city": "Pune"}'), ToolCall("2", "get_time", "[1]")],
    finish_reason="stop",
    stop_reason=7,
    logprobs=[{"token": "It", "logprob": -0.5}],
    token_ids=[4, 5],
)
HEAD = {"model_provider": "tir", "model_name": "m", "id": "cmpl-1", "created": 7, "request_id": "req-1"}
TAIL = {"system_fingerprint": "fp", "service_tier": "default", "token_usage": USAGE}
END = {"finish_reason": "stop", "stop_reason": 7}


def test_a_result_holds_all_of_an_answer():
    result = from_completion(completion(FULL))

    (generation,) = result.generations
    message = generation.message
    assert isinstance(message, AIMessage)
    assert (message.content, message.additional_kwargs) == (
        "It is 31.",
        {"reasoning_content": "I look.", "refusal": "No."},
    )
    assert message.tool_calls == [tool_call(name="get_weather", args={"city": "Pune"}, id="1")]
    assert message.response_metadata == {
        **HEAD,
        **END,
        "logprobs": {"content": [{"token": "It", "logprob": -0.5}]},
        "token_ids": [4, 5],
        **TAIL,
    }
    assert message.usage_metadata == COUNTS
    assert generation.generation_info == {"finish_reason": "stop"}
    assert result.llm_output == {"id": "cmpl-1", "model_name": "m", "token_usage": USAGE}


def test_a_call_without_a_json_object_is_invalid_and_says_why():
    message = from_completion(completion(FULL)).generations[0].message

    (call,) = message.invalid_tool_calls
    assert call == invalid_tool_call(name="get_time", args="[1]", id="2", error=call["error"])
    assert str(call["error"]).startswith("The arguments are not a JSON object: ")


def test_fields_that_an_answer_lacks_are_left_out():
    bare = Completion(model="m", choices=[Choice(text="Hi")])

    result = from_completion(bare)

    message = result.generations[0].message
    assert (message.content, message.additional_kwargs, message.usage_metadata) == ("Hi", {}, None)
    assert message.response_metadata == {"model_provider": "tir", "model_name": "m"}
    assert result.generations[0].generation_info == {}
    assert result.llm_output == {"model_name": "m"}


def test_the_first_of_several_choices_has_the_usage_and_the_others():
    second = Choice(
        index=1, text="Or 32.", reasoning="Hm.", tool_calls=[ToolCall("3", "f", "{")], finish_reason="length"
    )

    first, other = (generation.message for generation in from_completion(completion(FULL, second)).generations)

    assert first.usage_metadata == COUNTS
    assert first.response_metadata["other_choices"] == [
        {
            "content": "Or 32.",
            "reasoning_content": "Hm.",
            "tool_calls": [{"id": "3", "name": "f", "args": "{"}],
            "finish_reason": "length",
        }
    ]
    assert other.usage_metadata is None
    assert "other_choices" not in other.response_metadata
    assert other.response_metadata == {**HEAD, "finish_reason": "length", **TAIL}


def test_version_1_has_standard_blocks_with_indices():
    message = from_completion(completion(Choice(text="So", reasoning="Because.")), "v1").generations[0].message

    assert message.content == [
        {"type": "reasoning", "reasoning": "Because.", "index": "lc_reasoning"},
        {"type": "text", "text": "So", "index": "lc_text"},
    ]
    assert message.response_metadata["output_version"] == "v1"
    assert "output_version" not in from_completion(completion(FULL), "v0").generations[0].message.response_metadata


def test_none_and_empty_texts_are_left_out():
    assert set_only(a=None, b="", c=0, d=False, e=[], f="x") == {"c": 0, "d": False, "e": [], "f": "x"}


def test_usage_has_details_where_the_server_reports_them():
    assert usage_metadata(Usage(1, 2, 3)) == {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    assert usage_metadata(Usage(1, 2, 3, 0, 0)) == {
        "input_tokens": 1,
        "output_tokens": 2,
        "total_tokens": 3,
        "input_token_details": {"cache_read": 0},
        "output_token_details": {"reasoning": 0},
    }


# Standard blocks


def test_blocks_are_reasoning_text_refusal_and_calls():
    call = tool_call(name="f", args={}, id="1")
    broken = invalid_tool_call(name="g", args="{", id="2", error="no JSON")
    message = AIMessage(
        "So",
        additional_kwargs={"reasoning_content": "Because.", "refusal": "No."},
        tool_calls=[call],
        invalid_tool_calls=[broken],
    )
    refusal = {"type": "refusal", "refusal": "No."}
    if "refusal" not in KNOWN_BLOCK_TYPES:  # older versions of LangChain
        refusal = {"type": "non_standard", "value": refusal}
    calls = [{**call, "type": "tool_call"}, {**broken, "type": "invalid_tool_call"}]

    assert standard_blocks(message, indexed=False) == [
        {"type": "reasoning", "reasoning": "Because."},
        {"type": "text", "text": "So"},
        refusal,
        *calls,
    ]
    assert standard_blocks(message, indexed=True) == [
        {"type": "reasoning", "reasoning": "Because.", "index": "lc_reasoning"},
        {"type": "text", "text": "So", "index": "lc_text"},
        {**refusal, "index": "lc_refusal"},
        *calls,
    ]
    assert standard_blocks(AIMessage(""), indexed=True) == []


MARKED = {"model_provider": "tir"}
BEGUN = {**MARKED, "model_name": "m"}
PIECE = tool_call_chunk(name="f", args="{}", id="1", index=0)


@pytest.mark.parametrize(
    ("metadata", "position", "whole"),
    [(BEGUN, "last", True), (BEGUN, None, False), (MARKED, "last", False), (MARKED, None, False)],
)
def test_calls_of_a_chunk_are_pieces_until_the_answer_is_whole(metadata: Any, position: Any, whole: bool):
    chunk = AIMessageChunk("Hi", response_metadata=metadata, tool_call_chunks=[PIECE], chunk_position=position)

    text, call = chunk.content_blocks

    assert text == ({"type": "text", "text": "Hi"} if whole else {"type": "text", "text": "Hi", "index": "lc_text"})
    assert call == (
        {"type": "tool_call", "name": "f", "args": {}, "id": "1"}
        if whole
        else {"type": "tool_call_chunk", "name": "f", "args": "{}", "id": "1", "index": "lc_tool_0"}
    )


def test_a_piece_without_an_index_gets_none():
    chunk = AIMessageChunk("", response_metadata=MARKED, tool_call_chunks=[{**PIECE, "index": None}])

    assert chunk.content_blocks == [{**PIECE, "type": "tool_call_chunk", "index": None}]


def test_a_chunk_of_parsed_calls_shows_them():
    chunk = AIMessageChunk("", response_metadata=MARKED)
    chunk.tool_calls = [tool_call(name="f", args={}, id="1")]

    assert standard_blocks(chunk, indexed=True) == [tool_call(name="f", args={}, id="1")]


@pytest.mark.parametrize("cls", [AIMessage, AIMessageChunk])
def test_content_that_is_a_list_is_read_by_langchain(cls: type[AIMessage]):
    assert cls([{"type": "text", "text": "Hi"}], response_metadata=MARKED).content_blocks == [
        {"type": "text", "text": "Hi"}
    ]
    assert cls("Hi", response_metadata=BEGUN).content_blocks[0]["text"] == "Hi"


# Chunks of a stream


def event(delta: dict[str, Any] | None = None, *, index: int = 0, **fields: Any) -> dict[str, Any]:
    """One event of a stream."""
    finish = fields.pop("finish_reason", None)
    choice = {"index": index, "delta": delta or {}, "finish_reason": finish, **fields.pop("choice", {})}
    return {"id": "cmpl-1", "model": "m", "created": 7, "choices": [choice], **fields}


def chunks(
    *events: dict[str, Any], expected: int = 1, request_id: str | None = None
) -> list[ChatGenerationChunk | None]:
    """The chunks of a stream, the one of its end included."""
    accumulator, mapper = Accumulator(expected=expected), DeltaMapper()
    accumulator.request_id = request_id
    made = [mapper.map(delta) for each in events for delta in accumulator.add(each)]
    return [*made, mapper.map(accumulator.finish())]


def messages(*events: dict[str, Any], **options: Any) -> list[AIMessageChunk]:
    """The messages of the chunks of a stream with one choice."""
    return [chunk.message for chunk in chunks(*events, **options) if chunk is not None]


def test_the_first_chunk_has_all_metadata_and_later_ones_the_provider():
    first, second, last = messages(
        event({"content": "Hi"}), event({"content": "!"}, finish_reason="stop"), request_id="req-1"
    )

    assert first.response_metadata == HEAD
    assert second.response_metadata == {"model_provider": "tir"}
    assert last.response_metadata == {"model_provider": "tir", "finish_reason": "stop"}
    assert [message.content for message in (first, second, last)] == ["Hi", "!", ""]
    assert [message.chunk_position for message in (first, second, last)] == [None, None, "last"]


def test_a_chunk_has_text_reasoning_refusal_logprobs_and_token_ids():
    _, thought, refused, counted, _ = chunks(
        event({"content": "a"}),
        event({"reasoning": "b"}),
        event({"refusal": "c"}),
        event({"content": "d"}, choice={"logprobs": {"content": [{"token": "d", "logprob": -0.5}]}, "token_ids": [4]}),
        event(finish_reason="stop"),
    )[:5]

    assert thought.message.additional_kwargs == {"reasoning_content": "b"}
    assert refused.message.additional_kwargs == {"refusal": "c"}
    assert counted.message.additional_kwargs == {}
    assert (counted.text, counted.message.content) == ("d", "d")
    assert counted.message.response_metadata == {
        **MARKED,
        "logprobs": {"content": [{"token": "d", "logprob": -0.5}]},
        "token_ids": [4],
    }


def test_the_last_chunk_has_usage_finish_reason_and_late_metadata():
    early = event({"content": "Hi"}, id="")
    late = event(finish_reason="stop", choice={"stop_reason": 7}, system_fingerprint="fp", service_tier="default")

    *_, last = chunks(early, {**late, "usage": RAW_USAGE})

    assert last.message.response_metadata == {"model_provider": "tir", "id": "cmpl-1", **END, **TAIL}
    assert last.message.usage_metadata == COUNTS
    assert last.generation_info == {"finish_reason": "stop"}
    assert messages(event({"content": "Hi"}, finish_reason="stop"))[-1].usage_metadata is None


def test_a_stream_of_several_choices_is_the_first_with_the_others_at_its_end():
    made = chunks(
        event({"content": "a"}, finish_reason="stop"),
        event({"content": "b"}, index=1, finish_reason="length"),
        expected=2,
    )

    assert made[1] is None
    assert made[-1].message.response_metadata["other_choices"] == [
        {"content": "b", "tool_calls": [], "finish_reason": "length"}
    ]
    assert made[-1].message.response_metadata["finish_reason"] == "stop"


def call_event(arguments: str, index: int = 0, **head: Any) -> dict[str, Any]:
    """A piece of a call."""
    return event({"tool_calls": [{"index": index, **head, "function": {**head, "arguments": arguments}}]})


@pytest.mark.parametrize("pieces", [["null"], ["nu", "ll"], [" n", "ull "], ["", "null"], ['"', '" '], [" [", "]"]])
def test_arguments_that_mean_none_are_not_forwarded(pieces: list[str]):
    begin = event({"tool_calls": [{"index": 0, "id": "1", "function": {"name": "f", "arguments": ""}}]})

    made = messages(begin, *map(call_event, pieces), event(finish_reason="tool_calls"))

    assert "".join(chunk["args"] for message in made for chunk in message.tool_call_chunks) == ""
    whole = sum(made[1:], made[0])
    assert whole.tool_calls == [tool_call(name="f", args={}, id="1")]


@pytest.mark.parametrize("pieces", [["nu"], ['"'], ["[", " ", "]"], ['"', " ", '"'], ["[", "1]"], ["null", "s"]])
def test_held_text_that_means_something_else_is_an_invalid_call(pieces: list[str]):
    begin = event({"tool_calls": [{"index": 0, "id": "1", "function": {"name": "f", "arguments": ""}}]})

    made = messages(begin, *map(call_event, pieces), event(finish_reason="tool_calls"))

    whole = sum(made[1:], made[0])
    assert whole.tool_calls == []
    assert whole.invalid_tool_calls[0]["args"].startswith("".join(pieces))


@pytest.mark.parametrize("arguments", ["", " ", "[", "{"])
def test_a_call_that_was_cut_off_before_its_arguments_is_invalid(arguments: str):
    begin = event({"tool_calls": [{"index": 0, "id": "1", "function": {"name": "wipe", "arguments": arguments}}]})

    made = messages(begin, event(finish_reason="length"))

    whole = sum(made[1:], made[0])
    assert whole.tool_calls == []
    assert [call["name"] for call in whole.invalid_tool_calls] == ["wipe"]


def test_held_text_is_forwarded_once_it_is_not_null_and_for_its_own_call():
    begin = [
        event({"tool_calls": [{"index": index, "id": str(index), "function": {"name": "f", "arguments": ""}}]})
        for index in (0, 1)
    ]

    made = messages(
        *begin,
        call_event("n"),
        call_event('{"a"', 1),
        call_event("o"),
        call_event("null", 0),
        call_event(": null}", 1),
        event(finish_reason="tool_calls"),
    )

    pieces = [(chunk["index"], chunk["args"]) for message in made[2:-1] for chunk in message.tool_call_chunks]
    assert pieces == [(0, ""), (1, '{"a"'), (0, "no"), (0, "null"), (1, ": null}")]
    assert made[0].tool_call_chunks == [tool_call_chunk(name="f", args="", id="0", index=0)]


def test_pieces_of_a_call_in_one_event_are_one_piece():
    """LangChain would read each of them as a separate call, the first one without arguments."""
    pieces = [
        {"index": 0, "id": "1", "function": {"name": "f", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"a"'}},
        {"index": 1, "id": "2", "function": {"name": "g", "arguments": "{}"}},
        {"index": 0, "function": {"arguments": ": 1}"}},
    ]

    made = messages(event({"tool_calls": pieces}), event(finish_reason="tool_calls"))

    whole = sum(made[1:], made[0])
    assert whole.tool_calls == [tool_call(name="f", args={"a": 1}, id="1"), tool_call(name="g", args={}, id="2")]
    assert whole.invalid_tool_calls == []


def test_the_last_chunk_closes_broken_arguments_and_says_how():
    begin = event(
        {
            "tool_calls": [
                {"index": 0, "id": "1", "function": {"name": "f", "arguments": "{}"}},
                {"index": 1, "id": "2", "function": {"name": "g", "arguments": '{"a": "b'}},
            ]
        }
    )

    made = messages(begin, event(finish_reason="length"))

    (piece,) = made[-1].tool_call_chunks
    assert (piece["index"], piece["name"], piece["id"]) == (1, None, None)
    assert made[-1].response_metadata["closed_arguments"] == {"2": piece["args"]}
    whole = sum(made[1:], made[0])
    assert [call["name"] for call in whole.tool_calls] == ["f"]
    assert [call["args"] for call in whole.invalid_tool_calls] == ['{"a": "b' + piece["args"]]


@pytest.mark.parametrize(
    ("arguments", "end"),
    [
        ("{}", ""),
        ("null", ""),
        ("[1]", ""),
        ('{"a": 1', "]"),
        ('{"a": [1', "}"),
        ('{"a": "b', '"]'),
        ('{"a": ["b', '"}'),
        ('{"a": "b\\', '""]'),
        ('{"a": ["b\\', '""}'),
    ],
)
def test_broken_arguments_get_the_end_that_langchain_cannot_repair(arguments: str, end: str):
    assert ending_for_broken_call(ToolCall("1", "f", arguments)) == end


def test_langchain_has_no_place_for_the_reason_of_a_streamed_invalid_call():
    """A whole answer says in `error` why a call is invalid. LangChain makes the invalid calls of a chunk of its pieces,
    which have no reason. When this fails, pass the reason in the last chunk, too.
    """
    broken = invalid_tool_call(name="f", args='{"a": ]', id="1", error="The reason.")
    piece = tool_call_chunk(name="f", args='{"a": ]', id="1", index=0)

    chunk = AIMessageChunk("", tool_call_chunks=[piece], invalid_tool_calls=[broken], chunk_position="last")

    assert [call["error"] for call in chunk.invalid_tool_calls] == [None]
