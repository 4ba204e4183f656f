"""Token counts, and the advice on answers that have only reasoning. No I/O."""

from __future__ import annotations

import pytest

from tir_client.protocol.responses import Choice, ToolCall, Usage


def test_usage_adds_up_where_counts_may_be_missing():
    assert Usage(1, 2, 3) + Usage(10, 20, 30) == Usage(11, 22, 33)
    assert Usage(1, 2, 3, 1, None) + Usage(10, 20, 30, None, 4) == Usage(11, 22, 33, 1, 4)
    assert Usage(cached_tokens=1, reasoning_tokens=2) + Usage(cached_tokens=10, reasoning_tokens=20) == Usage(
        cached_tokens=11, reasoning_tokens=22
    )


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        ({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 9}, Usage(1, 2, 9)),
        ({"prompt_tokens": "1", "completion_tokens": 2.0, "total_tokens": "9.0"}, Usage(1, 2, 9)),
        ({"prompt_tokens": 2**60 + 1, "completion_tokens": -0.0}, Usage(2**60 + 1, 0, 2**60 + 1)),
        ({"prompt_tokens": True, "completion_tokens": [2], "total_tokens": "many"}, Usage(0, 0, 0)),
        ({"prompt_tokens": float("inf"), "completion_tokens": "nan", "total_tokens": ""}, Usage(0, 0, 0)),
        (
            {"prompt_tokens_details": [1], "completion_tokens_details": {"reasoning_tokens": "1"}},
            Usage(reasoning_tokens=1),
        ),
        ({"prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": None}, Usage(cached_tokens=0)),
    ],
)
def test_counts_are_read_from_numbers_and_texts(raw, usage):
    assert Usage.of(raw) == usage


def test_the_three_counts_go_under_the_servers_names():
    assert Usage(1, 2, 3, 4, 5).counts() == {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}


@pytest.mark.parametrize(
    ("choice", "advice"),
    [
        (Choice(), ""),
        (Choice(text="Hi", reasoning="Hm"), ""),
        (Choice(refusal="No.", reasoning="Hm"), ""),
        (Choice(tool_calls=[ToolCall("1", "f", "{}")], reasoning="Hm"), ""),
        (
            Choice(reasoning="Hm", finish_reason="stop"),
            "The answer has reasoning but no text: send the request again, or lower",
        ),
        (Choice(reasoning="Hm", finish_reason="length"), "The answer was cut off in its reasoning: raise `max_tokens`"),
    ],
)
def test_an_answer_with_only_reasoning_has_advice(choice, advice):
    assert choice.advice().startswith(advice)
    assert bool(choice.advice()) is bool(advice)
