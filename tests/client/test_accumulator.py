"""The accumulator of an answer: events and whole answers in every form that servers send."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tir_client import NoAnswerError, ResponseError, TIRError
from tir_client.protocol.accumulator import Accumulator
from tir_client.protocol.responses import ToolCall, Usage


def chunk(delta=None, *, index=0, finish=None, **more):
    return {"id": "c1", "model": "m", "choices": [{"index": index, "delta": delta, "finish_reason": finish}], **more}


def add_up(*events, **options):
    accumulator = Accumulator(**options)
    deltas = [delta for event in events for delta in accumulator.add(event)]
    return deltas, accumulator


STOP = chunk({}, finish="stop")


def test_empty_and_null_pieces_yield_no_deltas():
    deltas, accumulator = add_up(
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": None, "tool_calls": None, "reasoning": None, "refusal": None}),
        chunk(None),
        chunk({}),
        {"choices": None},
        {"choices": []},
        STOP,
    )

    assert [delta.finish_reason for delta in deltas] == ["stop"]
    assert accumulator.finish().final


def test_the_last_delta_has_the_usage():
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    _, accumulator = add_up(STOP, {"choices": [], "usage": usage})

    last = accumulator.finish()
    assert (last.usage, last.event, last.final) == (Usage(1, 2, 3), {"usage": usage}, True)
    assert last.accumulator is accumulator
    assert (last.text, last.finish_reason, last.index) == ("", None, 0)


def test_id_created_and_fingerprint_are_taken_from_the_first_and_last_events():
    """vLLM repeats it in each chunk; later fields, such as the fingerprint, arrive with the finish."""
    head = {"id": "c1", "model": "m", "created": 7}
    late = {"id": "c2", "model": "m2", "created": 8, "system_fingerprint": "fp", "service_tier": "flex"}

    def heads(*events):
        completion = add_up(*events)[1].completion()
        return completion.id, completion.created, completion.system_fingerprint, completion.service_tier

    assert heads({**STOP, "choices": [], **head}, chunk({"content": "a"})) == ("c1", 7, None, None)
    assert heads({**chunk({"content": "a"}), **head}, {**chunk({"content": "b"}), **late}) == ("c1", 7, None, None)
    assert heads({**chunk({"content": "a"}), **head}, {**STOP, **late}) == ("c2", 8, "fp", "flex")
    assert heads({**STOP, **head}, {"choices": [], **late}) == ("c2", 8, "fp", "flex")
    assert heads({**STOP, "created": "7"}) == ("c1", None, None, None)


@pytest.mark.parametrize("expected", [None, 1])
def test_usage_of_a_rescue_is_added_to_what_the_answer_reports(expected):
    first = {
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "total_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 1},
    }
    _, accumulator = add_up(chunk({"content": "No."}), STOP, {"choices": [], "usage": first}, expected=expected)
    delta = accumulator.add_rescued_call(ToolCall("c9", "add", "{}"), Usage(10, 20, 30, 5))
    completion = accumulator.completion()

    assert [(call.index, call.id, call.name, call.arguments) for call in delta.tool_calls] == [(0, "c9", "add", "{}")]
    assert (delta.finish_reason, completion.choice.finish_reason) == ("tool_calls", "tool_calls")
    assert completion.choice.tool_calls == [ToolCall("c9", "add", "{}")]
    assert completion.usage == accumulator.finish().usage == Usage(11, 22, 33, 6)
    assert completion.raw_usage == {
        "prompt_tokens": 11,
        "completion_tokens": 22,
        "total_tokens": 33,
        "prompt_tokens_details": {"cached_tokens": 1},
    }


def test_usage_of_a_rescue_whose_server_reports_none_changes_nothing():
    _, accumulator = add_up(STOP)
    accumulator.add_rescued_call(ToolCall("c9", "add", "{}"), Usage(10, 20, 30))
    assert (accumulator.completion().usage, accumulator.completion().raw_usage) == (None, None)

    _, accumulator = add_up(STOP, {"choices": [], "usage": {"prompt_tokens": 1}})
    accumulator.add_rescued_call(ToolCall("c9", "add", "{}"), None)
    assert (accumulator.completion().usage, accumulator.completion().raw_usage) == (
        Usage(1, 0, 1),
        {"prompt_tokens": 1},
    )


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning": "Hm."},
        {"reasoning_content": "Hm."},
        {"reasoning": "Hm.", "reasoning_content": "Hm."},
        {"reasoning": None, "reasoning_content": "Hm."},
        {"reasoning": "Hm.", "reasoning_content": None},
        {"reasoning": "Hm.", "content": None},
        {"reasoning": "Hm.", "content": ""},
        {"content": "<think>Hm.</think>"},
    ],
)
def test_reasoning_in_several_fields_is_read_once(delta):
    _, accumulator = add_up(chunk(delta), chunk({"content": "Yes."}), STOP)

    assert (accumulator.choice().reasoning, accumulator.choice().text) == ("Hm.", "Yes.")


def test_a_tag_after_the_servers_own_reasoning_is_text():
    _, accumulator = add_up(
        chunk({"reasoning": "Hm."}), chunk({"content": "<think>"}), chunk({"content": " is a tag."}), STOP
    )

    assert (accumulator.choice().reasoning, accumulator.choice().text) == ("Hm.", "<think> is a tag.")


def test_a_tag_is_text_for_a_model_that_does_not_use_it():
    _, accumulator = add_up(chunk({"content": "<think>a</think>b"}), STOP, inline_think=False)

    assert accumulator.choice().text == "<think>a</think>b"


def test_text_held_back_is_released_with_the_finish():
    deltas, accumulator = add_up(chunk({"content": "<thi"}), STOP)

    assert [(delta.text, delta.finish_reason) for delta in deltas] == [("<thi", "stop")]
    assert accumulator.choice().text == "<thi"


def test_a_repeated_finish_counts_once():
    deltas, accumulator = add_up(chunk({"content": "a"}, finish="stop"), STOP, chunk({}, finish="length"))

    assert [delta.finish_reason for delta in deltas] == ["stop"]
    assert accumulator.completion().choice.finish_reason == "stop"


def test_cumulative_usage_counts_once():
    counts = [{"prompt_tokens": 5, "completion_tokens": n, "total_tokens": 5 + n} for n in (1, 2, 3)]
    _, accumulator = add_up(*[chunk({"content": "a"}, usage=usage) for usage in counts], STOP)

    assert accumulator.finish().usage == Usage(5, 3, 8)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({}, None),
        (None, None),
        ([1], None),
        ("many", None),
        ({"prompt_tokens": None, "completion_tokens": 3}, Usage(0, 3, 3)),
        ({"prompt_tokens": 2, "completion_tokens": 3, "prompt_tokens_details": None}, Usage(2, 3, 5)),
        (
            {"prompt_tokens": 2, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 1}},
            Usage(2, 3, 5, 1),
        ),
        ({"prompt_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 0}}, Usage(2, 0, 2, None, 0)),
    ],
)
def test_usage_may_be_missing_in_part_or_be_no_object(usage, expected):
    _, accumulator = add_up(STOP, {"choices": [], "usage": usage})

    assert expected == accumulator.finish().usage


def test_choices_interleave_and_each_has_its_end():
    deltas, accumulator = add_up(
        chunk({"content": "a"}),
        chunk({"content": "x"}, index=1),
        chunk({"content": "b"}, finish="stop"),
        chunk({}, index=1, finish="length"),
        expected=2,
    )

    assert [(delta.index, delta.text) for delta in deltas] == [(0, "a"), (1, "x"), (0, "b"), (1, "")]
    assert [(c.text, c.finish_reason) for c in accumulator.completion().choices] == [("ab", "stop"), ("x", "length")]


def test_fewer_choices_than_requested_are_missing_until_the_server_says_that_the_answer_ends():
    _, accumulator = add_up(STOP, expected=2)

    assert accumulator.missing(is_end_known=False) == "it has 1 of 2 choices"
    assert accumulator.missing() == ""
    with pytest.warns(UserWarning, match="`n` is 2, but the server ignores it: it sent 1"):
        accumulator.finish()


@pytest.mark.parametrize(
    ("events", "expected", "words"),
    [
        ([], 1, "no choices"),
        ([{"choices": []}], 1, "no choices"),
        ([chunk({"content": "a"})], 1, "without a finish reason"),
        ([STOP, chunk({"content": "a"}, index=1)], 2, "without a finish reason"),
        ([chunk({"content": "a"}, finish="abort")], 1, "aborted it"),
        ([chunk({}, finish="error")], 1, "aborted it"),
    ],
)
def test_an_incomplete_answer_is_an_error_with_the_partial_answer(events, expected, words):
    _, accumulator = add_up(*events, expected=expected)

    with pytest.raises(ResponseError, match=words) as caught:
        accumulator.finish()
    assert isinstance(caught.value, NoAnswerError) == (words == "no choices")
    assert caught.value.partial == accumulator.completion()


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"choices": {}}, "`choices` must be an array, not dict"),
        ({"choices": ["a"]}, r"`choices\[\]` must be an object, not str"),
    ],
)
def test_a_part_of_another_type_is_refused_by_its_name(event, words):
    with pytest.raises(ResponseError, match=words):
        add_up(event)


@pytest.mark.parametrize(
    "event",
    [
        {"choices": {}},
        {"choices": ["a"]},
        {"choices": [{"index": "0", "delta": {}}]},
        {"choices": [{"index": [0], "delta": {}}]},
        {"choices": [{"index": 0}]},
        {"choices": [{"index": 0, "text": "legacy"}]},
        chunk("text"),
        chunk({"content": 5}),
        chunk({"content": {"text": "a"}}),
        chunk({"reasoning": ["a", 5]}),
        chunk({"tool_calls": {"id": "c"}}),
    ],
)
def test_malformed_events_are_refused(event):
    with pytest.raises(ResponseError):
        add_up(event)


def test_content_in_parts_is_joined():
    _, accumulator = add_up(chunk({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}), STOP)

    assert accumulator.choice().text == "ab"


def test_calls_of_a_request_that_forbids_them_are_hidden_as_in_a_whole_answer():
    call = {"index": 0, "id": "c", "function": {"name": "add", "arguments": "{}"}}
    deltas, accumulator = add_up(chunk({"tool_calls": [call]}), chunk({}, finish="tool_calls"), tools_allowed=False)

    assert [(delta.tool_calls, delta.finish_reason) for delta in deltas] == [((), "stop")]
    assert accumulator.completion().choice.tool_calls == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "index",
                    "delta",
                    "message",
                    "content",
                    "reasoning",
                    "reasoning_content",
                    "tool_calls",
                    "function",
                    "name",
                    "arguments",
                    "id",
                    "finish_reason",
                    "usage",
                    "error",
                    "logprobs",
                    "refusal",
                    "token_ids",
                    "model",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(st.lists(st.dictionaries(st.sampled_from(["choices", "usage", "id", "model"]), JSON, max_size=4), max_size=4))
def test_any_json_is_an_answer_or_our_error(events):
    accumulator = Accumulator(("add",))
    try:
        for event in events:
            for delta in accumulator.add(event):
                json.dumps([delta.text, delta.reasoning, delta.finish_reason])
        accumulator.finish()
    except TIRError:
        pass
    assert accumulator.completion().choices is not None


def test_a_long_answer_costs_linear_time_to_add_and_to_read():
    accumulator = Accumulator()
    for _ in range(100_000):
        for _ in accumulator.add(chunk({"content": "word "})):
            pass

    assert len(accumulator.choice().text) == 500_000


def test_log_probabilities_of_a_long_answer_are_not_copied_at_each_chunk():
    token = {"token": "a", "logprob": -0.1}
    piece = chunk({"content": "a"})
    piece["choices"][0]["logprobs"] = {"content": [token]}
    accumulator = Accumulator()

    (delta,) = accumulator.add(piece)
    kept = accumulator.choice()._logprobs
    for _ in range(10):
        list(accumulator.add(piece))

    assert kept is accumulator.choice()._logprobs
    assert delta.logprobs == [token]
    assert accumulator.completion().choice.logprobs == [token] * 11


def test_a_completion_does_not_change_with_later_events():
    piece = chunk({"content": "a"})
    piece["choices"][0] |= {"logprobs": {"content": [{"token": "a", "logprob": -0.1}]}, "token_ids": [1]}
    _, accumulator = add_up(piece)
    early = accumulator.completion().choice

    list(accumulator.add(piece))

    assert early.token_ids == [1]
    assert len(early.logprobs) == 1
