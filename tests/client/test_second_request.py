"""Which answers need a second request, and how the second answer continues the first. No I/O."""

from __future__ import annotations

from typing import Any

import pytest

from tests.client.paths import request
from tir_client import ForcedToolError
from tir_client.protocol.accumulator import Accumulator, Delta
from tir_client.protocol.responses import Choice, ToolCall, Usage
from tir_client.protocol.second_request import SecondRequest
from tir_client.protocol.stop_words import request_without_stop
from tir_client.protocol.stopped_answer import StoppedAnswer, continuation

TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
TOKENS = [{"token": "a", "logprob": -0.1}]


def event(message: dict[str, Any], finish: str | None = "stop", index: int = 0, **more: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": message, "finish_reason": finish, "stop_reason": None, **more}
    return {"id": "c", "choices": [choice], "usage": USAGE}


def stopped(reasoning: str = "The", index: int = 0) -> dict[str, Any]:
    return event({"reasoning": reasoning}, index=index, stop_reason="User:")


def read(*events: dict[str, Any], expected: int = 1) -> tuple[Accumulator, list[Delta]]:
    accumulator = Accumulator(("add",), expected=expected)
    return accumulator, [delta for each in events for delta in accumulator.add(each)]


# Stop words inside the reasoning


@pytest.mark.parametrize(
    ("answer", "fields"),
    [
        (event({"reasoning": "The"}, "length", stop_reason="User:"), {}),
        (event({"reasoning": "The"}, stop_reason="other"), {}),
        (event({"reasoning": "The"}), {}),
        (event({"reasoning": "The", "content": "Hi"}, stop_reason="User:"), {}),
        (event({"reasoning": "The", "tool_calls": [{"index": 0, "id": "c"}]}, stop_reason="User:"), {}),
        (event({"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}, "tool_calls", stop_reason=2), {}),
        (event({}, stop_reason="User:"), {}),
        (event({}, stop_reason="User:"), {"include_reasoning": True}),
    ],
)
def test_only_an_answer_without_text_that_a_stop_word_ended_is_requested_again(answer, fields):
    check = StoppedAnswer(request(stop=["User:"], **fields))
    accumulator, (delta,) = read(answer)

    assert check.accepts(accumulator)
    assert check.second is None
    assert check.pass_through(delta)
    assert delta.finish_reason is not None


@pytest.mark.parametrize("message", [{"reasoning": "The"}, {}])
def test_reasoning_that_is_not_returned_counts_as_reasoning(message):
    check = StoppedAnswer(request(stop="User:", include_reasoning=False, seed=1))

    assert not check.accepts(read(event(message, stop_reason="User:"))[0])
    assert check.second == request(include_reasoning=False, seed=1)


def test_deltas_before_the_end_are_passed_through():
    _, (delta,) = read(event({"reasoning": "The"}, None))

    assert StoppedAnswer(request(stop="User:")).pass_through(delta)


@pytest.mark.parametrize(
    ("more", "passes"),
    [({}, False), ({"logprobs": {"content": TOKENS}}, True), ({"token_ids": [1]}, True)],
)
def test_the_finish_of_a_stopped_choice_is_held_back_but_not_its_text(more, passes):
    _, (_, last) = read(event({"reasoning": "The"}, None), event({}, stop_reason="User:", **more))

    assert StoppedAnswer(request(stop="User:")).pass_through(last) is passes
    assert last.finish_reason is None


@pytest.mark.parametrize(
    ("asked", "choices", "again"),
    [
        ({"stop": "a"}, 1, {}),
        ({"stop": "a", "n": 3}, 2, {"n": 2}),
        ({"extra_body": {"stop": "a", "x": 1}}, 1, {"extra_body": {"x": 1}}),
        ({"stop": "a", "extra_body": {"stop": "a"}}, 1, {}),
    ],
)
def test_the_second_request_has_no_stop_words(asked, choices, again):
    first = request(seed=1, **asked)

    assert request_without_stop(first, choices) == request(seed=1, **again)
    assert first == request(seed=1, **asked)


CALL = ToolCall("c1", "add", "{}")


def test_every_part_of_a_second_answer_is_added():
    choice = Choice(
        text="Hi.",
        reasoning="The User: greets.",
        tool_calls=[CALL],
        finish_reason="tool_calls",
        stop_reason=7,
        refusal="No.",
        logprobs=TOKENS,
        token_ids=[1],
    )

    assert continuation(choice, Choice(reasoning="The"), ["User:"]) == {
        "message": {
            "reasoning": " User: greets.",
            "content": "Hi.",
            "tool_calls": [{"id": "c1", "function": {"name": "add", "arguments": "{}"}}],
            "refusal": "No.",
        },
        "finish_reason": "tool_calls",
        "stop_reason": 7,
        "logprobs": {"content": TOKENS},
        "token_ids": [1],
    }


def test_a_second_answer_is_cut_at_its_first_stop_word_with_its_calls():
    choice = Choice(text="Hi. User: END", tool_calls=[CALL], finish_reason="length")

    assert continuation(choice, Choice(), ["END", "User:"]) == {
        "message": {"reasoning": "", "content": "Hi. ", "tool_calls": [], "refusal": None},
        "finish_reason": "stop",
        "stop_reason": "User:",
        "logprobs": None,
        "token_ids": None,
    }


@pytest.mark.parametrize(
    ("first", "second", "more"),
    [
        ("The", "The end", " end"),
        ("The", "An end", "\n\nAn end"),
        ("The", "The", ""),
        ("The", "", ""),
        ("", "An end", "An end"),
    ],
)
def test_reasoning_and_text_are_continued_or_follow_after_an_empty_line(first, second, more):
    message = continuation(Choice(reasoning=second, text=second), Choice(reasoning=first, text=first), [])["message"]

    assert (message["reasoning"], message["content"]) == (more, more)


def test_only_stopped_choices_are_continued():
    check = StoppedAnswer(request(stop="User:", n=3))
    first, _ = read(stopped("A", 0), event({"content": "Done."}, index=1), stopped("C", 2), expected=3)
    assert not check.accepts(first)
    assert check.second == request(n=2)

    answers = [event({"reasoning": "A!", "content": "one"}), event({"content": "two User: 2"}, index=1)]
    second, _ = read(*answers, event({"content": "more"}, index=2))
    *deltas, last = check.merge(first, second)

    assert [(delta.index, delta.reasoning, delta.text) for delta in deltas] == [(0, "!", "one"), (2, "", "two ")]
    assert [(choice.text, choice.stop_reason) for choice in first.completion().choices] == [
        ("one", None),
        ("Done.", None),
        ("two ", "User:"),
    ]
    assert (last.final, last.usage) == (True, Usage(10, 4, 14))
    assert check.accepts(first)


def broken_call(finish: str = "tool_calls") -> dict[str, Any]:
    call = {"index": 0, "id": "c", "function": {"name": "add", "arguments": '{"a": 1, "User:'}}
    return event({"content": "So.", "reasoning": "The", "tool_calls": [call]}, finish, stop_reason="User:")


@pytest.mark.parametrize("finish", ["stop", "tool_calls"])
def test_a_call_that_a_stop_word_cut_is_requested_again(finish):
    check = StoppedAnswer(request(stop="User:"))
    first, (delta,) = read(broken_call(finish))

    assert check.pass_through(delta)  # with the call, which a stream has already yielded
    assert delta.finish_reason is None
    assert not check.accepts(first)

    calls = {"tool_calls": [{"index": 0, "id": "d", "function": {"name": "add", "arguments": "{}"}}]}
    check.merge(first, read(event({"content": "So.", "reasoning": "The end", **calls}, "tool_calls"))[0])
    choice = first.completion().choice
    assert (choice.text, choice.reasoning, choice.finish_reason) == ("So.", "The end", "tool_calls")
    assert choice.tool_calls == [ToolCall("d", "add", "{}")]


# Stop words and forced calls together


def test_an_answer_that_needs_no_second_request_passes():
    second = SecondRequest(request(stop="User:", tools=[TOOL], tool_choice="required"), lenient=False)
    first, (delta,) = read(event({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "add"}}]}, "tool_calls"))

    assert second.pass_through(delta)
    assert second.pass_through(first.finish())
    assert second.check(first) is second.pending is None


def test_a_stopped_answer_is_requested_again_and_then_its_call():
    asked = request(stop="User:", tools=[TOOL], tool_choice="required")
    second = SecondRequest(asked, lenient=False)
    first, (delta,) = read(stopped())

    assert second.pass_through(delta)  # the reasoning
    assert delta.finish_reason is None
    assert not second.pass_through(first.finish())
    assert second.pending == request(tools=[TOOL], tool_choice="required")

    second.merge(first, read(event({"reasoning": "The end", "content": "No."}))[0])
    assert second.pending is None
    assert second.check(first).response_format["json_schema"]["name"] == "add"
    second.merge(first, read(event({"content": "{}"}))[0])
    assert second.check(first) is None
    assert [call.name for call in first.completion().choice.tool_calls] == ["add"]
    assert first.usage == Usage(15, 6, 21)


@pytest.mark.parametrize("lenient", [False, True])
def test_lenient_applies_to_the_forced_call(lenient):
    second = SecondRequest(request(tools=[TOOL], tool_choice="required"), lenient=lenient)
    first, _ = read(event({"content": "N"}, "length"))

    if lenient:
        assert second.check(first) is None
    else:
        with pytest.raises(ForcedToolError, match="max_tokens"):
            second.check(first)


def test_a_second_answer_without_usage_keeps_the_usage_so_far():
    first, _ = read(stopped())
    first.add_second_answer({"choices": [{"index": 0, "delta": {}}]}, Usage(1, 1, 2))
    first.add_second_answer({"choices": [{"index": 0, "delta": {}}]}, None)

    assert first.usage == Usage(6, 3, 9)
