"""The accumulator of one choice of an answer, streamed and whole. No I/O."""

from __future__ import annotations

import sys

import pytest

from tir_client import ResponseError
from tir_client.protocol.accumulator import Accumulator
from tir_client.protocol.responses import Choice, Completion, ToolCall, Usage

TOKENS = [
    {"token": "H", "logprob": -0.5, "bytes": [72], "top_logprobs": [{"token": "H", "logprob": -0.5, "bytes": None}]},
    {"token": "i", "logprob": -1, "bytes": None, "top_logprobs": []},
]
HEAD = {"id": "c1", "model": "m", "created": 7, "system_fingerprint": "fp", "service_tier": "flex"}
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
CALLS = [
    {"index": 0, "id": "a", "function": {"name": "add", "arguments": "{}"}},
    {"index": 1, "id": "b", "function": {"name": "sub", "arguments": "{}"}},
]
EVERYTHING = Completion(
    **HEAD,
    choices=[
        Choice(
            index=0,
            text="Hi",
            reasoning="Hm.",
            tool_calls=[ToolCall("a", "add", "{}", cut=True), ToolCall("b", "sub", "{}", cut=True)],
            finish_reason="length",
            stop_reason=7,
            refusal="No!",
            logprobs=TOKENS,
            token_ids=[1, 2],
        )
    ],
    usage=Usage(1, 2, 3),
    raw_usage=USAGE,
    request_id="id-7",
)


def chunk(delta, **choice):
    return {**HEAD, "choices": [{"index": 0, "delta": delta, **choice}]}


WHOLE = [
    {
        **HEAD,
        "usage": USAGE,
        "choices": [
            {
                "index": 0,
                "message": {"content": "Hi", "reasoning": "Hm.", "tool_calls": CALLS, "refusal": "No!"},
                "logprobs": {"content": TOKENS},
                "token_ids": [1, 2],
                "finish_reason": "length",
                "stop_reason": 7,
            }
        ],
    }
]
STREAMED = [
    chunk({"reasoning": "H"}),
    chunk({"reasoning_content": "m."}),
    chunk({"content": "H"}, logprobs={"content": TOKENS[:1]}, token_ids=[1]),
    chunk({"content": "i"}, logprobs={"content": TOKENS[1:]}, token_ids=[2]),
    chunk({"tool_calls": CALLS[:1]}),
    chunk({"tool_calls": CALLS[1:]}),
    chunk({"refusal": "N"}),
    chunk({"refusal": "o!"}),
    chunk({}, finish_reason="length", stop_reason=7),
    {"choices": [], "usage": USAGE},
]


@pytest.mark.parametrize("events", [WHOLE, STREAMED], ids=["whole", "streamed"])
def test_every_field_of_an_answer_is_kept(events):
    accumulator = Accumulator(("add", "sub"))
    accumulator.request_id = "id-7"
    for event in events:
        accumulator.add(event)

    assert accumulator.completion() == EVERYTHING


def test_each_delta_has_what_its_event_added():
    accumulator = Accumulator(("add", "sub"))
    deltas = [delta for event in STREAMED for delta in accumulator.add(event)]

    assert [delta.event for delta in deltas] == STREAMED[:-1]
    assert [delta.reasoning for delta in deltas if delta.reasoning] == ["H", "m."]
    assert [delta.text for delta in deltas if delta.text] == ["H", "i"]
    assert [delta.logprobs for delta in deltas if delta.logprobs] == [TOKENS[:1], TOKENS[1:]]
    assert [delta.token_ids for delta in deltas if delta.token_ids] == [[1], [2]]
    assert [call.name for delta in deltas for call in delta.tool_calls] == ["add", "sub"]
    assert [delta.refusal for delta in deltas if delta.refusal] == ["N", "o!"]
    assert [delta.finish_reason for delta in deltas if delta.finish_reason] == ["length"]
    assert all(delta.accumulator is accumulator for delta in deltas)


@pytest.mark.parametrize("finish", ["stop", "tool_calls"])
def test_a_call_is_marked_as_cut_only_if_the_answer_was_cut(finish):
    accumulator = Accumulator(("add", "sub"))
    accumulator.add(chunk({"tool_calls": CALLS}, finish_reason=finish))

    assert [call.cut for call in accumulator.completion().choice.tool_calls] == [False, False]


def test_calls_of_a_whole_answer_without_ids_or_indexes_stay_separate():
    calls = [{"function": {"name": "add", "arguments": "{}"}}] * 2
    accumulator = Accumulator(("add",))
    accumulator.add({"id": "c1", "choices": [{"message": {"tool_calls": calls}, "finish_reason": "stop"}]})

    assert [call.id for call in accumulator.completion().choice.tool_calls] == ["c1-tool-0", "c1-tool-1"]


def test_ids_of_calls_are_made_of_the_answers_and_the_choices():
    calls = [{"index": 0, "function": {"name": "add", "arguments": "{}"}}]
    accumulator = Accumulator(("add",))
    for index in range(2):
        accumulator.add({"id": "c1", "choices": [{"index": index, "delta": {"tool_calls": calls}}]})

    ids = [choice.tool_calls[0].id for choice in accumulator.completion().choices]
    assert ids == ["c1-tool-0", "c1-1-tool-0"]
    assert [choice.index for choice in accumulator.completion().choices] == [0, 1]


@pytest.mark.parametrize("finish", ["stop", "length", "tool_calls"])
def test_if_calls_are_forbidden_only_their_finish_reason_is_changed(finish):
    accumulator = Accumulator(tools_allowed=False)
    accumulator.add(chunk({"content": "Hi"}, finish_reason=finish))

    assert accumulator.completion().choice.finish_reason == ("stop" if finish == "tool_calls" else finish)


def test_reasoning_next_to_a_tag_in_one_event_leaves_the_tag_in_the_text():
    accumulator = Accumulator()
    (delta,) = accumulator.add(chunk({"reasoning": "Hm.", "content": "<think>a</think>b"}))

    assert (delta.reasoning, delta.text) == ("Hm.", "<think>a</think>b")


def test_a_piece_held_back_is_text_if_the_server_separates_reasoning_itself():
    accumulator = Accumulator()
    accumulator.add(chunk({"content": "<thi"}))
    accumulator.add(chunk({"reasoning": "Hm."}))
    (delta,) = accumulator.add(chunk({"content": "s"}, finish_reason="stop"))

    assert (delta.text, accumulator.completion().choice.text) == ("<this", "<this")


def test_inline_reasoning_held_back_is_released_with_the_finish():
    accumulator = Accumulator()
    accumulator.add(chunk({"content": "<think>a</thi"}))
    (delta,) = accumulator.add(chunk({"content": "n"}, finish_reason="length"))

    assert (delta.reasoning, delta.text) == ("</thin", "")
    assert accumulator.completion().choice.reasoning == "a</thin"


@pytest.mark.parametrize(
    ("parts", "reasoning", "text"),
    [
        (
            [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"type": "text", "text": "Hi"}],
            "Hm.",
            "Hi",
        ),
        ([{"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}, "Hi"], "Hm.", "Hi"),
        ([{"type": "reasoning", "reasoning": "Hm."}, {"type": "thinking", "text": "So."}], "Hm.\nSo.", ""),
        ([{"type": "thinking", "thinking": None}, {"type": "thinking"}], "", ""),
        ([{"type": "text", "text": "H"}, {"type": "text", "text": "i"}], "", "Hi"),
    ],
)
def test_reasoning_may_be_among_the_parts_of_the_content(parts, reasoning, text):
    accumulator = Accumulator()
    accumulator.add(chunk({"content": parts}))

    assert (accumulator.choice().reasoning, accumulator.choice().text) == (reasoning, text)


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (
            {"type": "image_url", "image_url": {"url": "https://a/b.png"}},
            '[image_url: {"image_url": {"url": "https://a/b.png"}}]',
        ),
        ({"type": "refusal", "refusal": "No."}, '[refusal: {"refusal": "No."}]'),
        ({"type": "text", "text": None}, ""),
        ({"type": "text"}, ""),
        ({"type": 7}, "[7]"),
        ({}, ""),
    ],
)
def test_a_part_that_is_not_text_becomes_a_placeholder(part, text):
    accumulator = Accumulator()
    accumulator.add(chunk({"content": [{"type": "text", "text": "Hi"}, part]}))

    assert accumulator.choice().text == "Hi" + text


def test_reasoning_in_its_own_field_is_not_added_to_reasoning_in_content_parts():
    accumulator = Accumulator()
    accumulator.add(chunk({"reasoning": "Hm.", "content": [{"type": "thinking", "thinking": "Hm."}]}))

    assert accumulator.choice().reasoning == "Hm."


@pytest.mark.parametrize("error", ["Overloaded.", {"message": "Overloaded.", "code": 502}])
@pytest.mark.parametrize("choice", [{}, {"delta": {"content": "Hi"}, "finish_reason": "stop"}])
def test_a_router_may_report_an_error_in_a_choice(error, choice):
    accumulator = Accumulator()
    accumulator.add({"choices": [{"index": 0, "error": error, **choice}]})

    with pytest.raises(ResponseError, match="the server aborted it with an error: Overloaded"):
        accumulator.finish()


@pytest.mark.parametrize("error", [None, "", {}])
def test_an_empty_error_in_a_choice_is_ignored(error):
    accumulator = Accumulator()
    accumulator.add(chunk({"content": "Hi"}, finish_reason="stop", error=error))

    assert accumulator.finish().final


def test_a_choice_without_fields_is_empty():
    accumulator = Accumulator()
    accumulator.add(chunk(None, finish_reason="stop"))

    assert accumulator.completion().choice == Choice(finish_reason="stop")

    unfinished = Accumulator()
    unfinished.add(chunk({"content": "a"}))
    assert unfinished.completion().choice == Choice(text="a")
    assert unfinished.completion().request_id is None

    whole = Accumulator()
    whole.add({"choices": [{"index": 0, "message": None, "finish_reason": "stop"}]})
    assert whole.completion().choice == Choice(finish_reason="stop")


def tokens(**changes):
    return {"content": [{**TOKENS[0], **changes}]}


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"index": 0}, "neither a `message` nor a `delta`"),
        ({"message": "Hi"}, "`message` must be an object, not str"),
        ({"delta": {"tool_calls": {"id": "c"}}}, "`tool_calls` must be an array, not dict"),
        ({"delta": {"content": 5}}, "must be a string, not int"),
        ({"delta": {}, "logprobs": [1]}, "`logprobs` must be an object, not list"),
        ({"delta": {}, "logprobs": {"content": {"a": 1}}}, "`logprobs.content` must be an array, not dict"),
        ({"delta": {}, "logprobs": {"content": ["a"]}}, "`logprobs.content` must be an object, not str"),
        ({"delta": {}, "logprobs": tokens(token=5)}, "`logprobs.content` has a token without a text or a log prob"),
        ({"delta": {}, "logprobs": tokens(logprob="x")}, "`logprobs.content` has a token without a text or a log prob"),
        ({"delta": {}, "logprobs": tokens(logprob=None)}, "has a token without a text or a log probability"),
        ({"delta": {}, "logprobs": tokens(logprob=sys.maxsize + 1)}, "has a token without a text or a log probability"),
        ({"delta": {}, "logprobs": tokens(bytes=["a"])}, "`logprobs.content` has a token whose bytes are not numbers"),
        ({"delta": {}, "logprobs": tokens(bytes="a")}, "`bytes` must be an array, not str"),
        ({"delta": {}, "logprobs": tokens(top_logprobs=[5])}, "`top_logprobs` must be an object, not int"),
        ({"delta": {}, "token_ids": "12"}, "`token_ids` must be an array, not str"),
        ({"delta": {"refusal": 5}}, "must be a string, not int"),
        ({"index": "0", "delta": {}}, "a choice with the index '0'"),
    ],
)
def test_a_part_of_another_type_is_refused_by_its_name(choice, words):
    with pytest.raises(ResponseError, match=words):
        Accumulator().add({"choices": [choice]})


def test_a_log_probability_may_be_a_whole_number():
    accumulator = Accumulator()
    accumulator.add(chunk({}, logprobs=tokens(logprob=-sys.maxsize)))

    assert accumulator.choice().choice().logprobs[0]["logprob"] == -sys.maxsize


@pytest.mark.parametrize("indices", [(0, 0), (1, 1), (7, 7), (-1, -1)])
def test_the_only_choice_has_the_index_0_whatever_the_server_counts_from(indices):
    accumulator = Accumulator()
    deltas = [
        delta
        for index, choice in zip(indices, ({"delta": {"content": "Hi"}}, {"finish_reason": "stop"}), strict=True)
        for delta in accumulator.add({"choices": [{"index": index, "delta": {}, **choice}]})
    ]

    assert [delta.index for delta in deltas] == [0, 0]
    assert accumulator.completion().choice.text == "Hi"
    assert accumulator.missing() == ""


def test_a_choice_that_was_not_requested_stays_separate():
    accumulator = Accumulator()
    for index, text in ((0, "a"), (1, "b"), (2, "c"), (0, "d")):
        accumulator.add({"choices": [{"index": index, "delta": {"content": text}}]})

    assert [choice.text for choice in accumulator.completion().choices] == ["ad", "b", "c"]


@pytest.mark.parametrize(
    "pieces", [[{"name": "f", "arguments": '{"a": 1}'}], [{"name": "f"}, {"arguments": '{"a": 1}'}]]
)
def test_a_function_call_of_an_old_server_is_a_tool_call(pieces):
    accumulator = Accumulator(("f",))
    for piece in pieces:
        accumulator.add({"id": "x", "choices": [{"index": 0, "delta": {"function_call": piece}}]})

    (call,) = accumulator.choice().choice().tool_calls
    assert (call.name, call.parsed(), call.id) == ("f", {"a": 1}, "x-tool-0")
