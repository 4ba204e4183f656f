"""The lines of the output file, written and read back. No I/O."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from tir_client import RateLimitError, ResponseError, StreamError
from tir_client.bulk.prompts import Row
from tir_client.bulk.results import (
    START,
    Result,
    Stored,
    answer_result,
    error_result,
    may_be_cut_off,
    read_data,
    read_line,
)
from tir_client.errors import RefusedOutputError, StructuredOutputError, TruncatedOutputError
from tir_client.protocol.responses import Choice, Completion, ToolCall, Usage

ROW = Row(7, {"id": "r7", "prompt": "Hi"})
ANSWER = Completion(
    model="m", choices=[Choice(text="Ho\n", reasoning="Hm", finish_reason="stop")], usage=Usage(1, 2, 3)
)
SCHEMA = {"type": "object", "required": ["a"]}


def test_an_answer_is_one_line_with_every_field():
    line = answer_result(ROW, 0xAB, ANSWER, None).line()

    assert line.startswith(START)
    assert line.count(b"\n") == 1
    assert json.loads(line) == {
        "index": 7,
        "fingerprint": "00000000000000ab",
        "id": "r7",
        "error": None,
        "text": "Ho\n",
        "reasoning": "Hm",
        "data": None,
        "tool_calls": None,
        "finish_reason": "stop",
        "usage": {
            "prompt_tokens": 1,
            "completion_tokens": 2,
            "total_tokens": 3,
            "cached_tokens": None,
            "reasoning_tokens": None,
        },
        "model": "m",
    }


def test_a_failed_row_has_the_error_and_what_had_arrived():
    error = StreamError("broke", status_code=500, request_id="q1", partial=ANSWER)
    row = json.loads(error_result(ROW, 1, error).line())

    assert row["error"] == {"type": "StreamError", "message": "broke", "status_code": 500, "request_id": "q1"}
    assert (row["id"], row["text"], row["usage"]["total_tokens"]) == ("r7", "Ho\n", 3)
    assert error_result(ROW, 1, RateLimitError("busy")).text == ""
    assert error_result(ROW, 1, ResponseError("none", partial=Completion())).text == ""


def test_odd_values_do_not_break_a_line():
    row = Row(1, {"id": dt.date(2026, 1, 2)})
    answer = Completion(choices=[Choice(text="\ud800\u2028\x00", tool_calls=[ToolCall("c", "f", "{}")])])
    found = json.loads(answer_result(row, 1, answer, None).line())

    assert (found["id"], found["text"]) == ("2026-01-02", "\ufffd\u2028\x00")
    assert found["tool_calls"] == [{"id": "c", "name": "f", "arguments": "{}", "cut": False}]


@pytest.mark.parametrize(
    ("choice", "error", "problem"),
    [
        (Choice(text="none"), StructuredOutputError, "not JSON: "),
        (Choice(text='{"b": 1}'), StructuredOutputError, "does not fit the schema"),
        (Choice(text='{"a": 1}', finish_reason="length"), TruncatedOutputError, "raise `max_tokens`"),
        (Choice(text="I", refusal="No."), RefusedOutputError, "refused: 'No.'"),
        (Choice(text='{"a": 1}', finish_reason="content_filter"), RefusedOutputError, "content filter"),
    ],
)
def test_answers_that_do_not_fit_the_schema_are_errors(choice, error, problem):
    with pytest.raises(error, match=problem) as raised:
        read_data(Completion(choices=[choice]), SCHEMA)
    result = answer_result(ROW, 1, Completion(choices=[choice]), SCHEMA)

    assert type(raised.value) is error
    assert raised.value.text == (choice.refusal or choice.text)
    assert (result.error and result.error.type, result.data, result.text) == (error.__name__, None, choice.text)


def test_data_is_read_from_prose_and_fences():
    assert read_data(Completion(choices=[Choice(text='Here:\n```json\n{"a": [1]}\n```')]), SCHEMA) == {"a": [1]}


def test_a_line_is_read_back():
    assert read_line(answer_result(ROW, 0xAB, ANSWER, None).line()) == Stored(7, 0xAB, failed=False)
    assert read_line(answer_result(Row(0, {}), 0, ANSWER, None).line()) == Stored(0, 0, failed=False)
    assert read_line(error_result(ROW, 0xAB, RateLimitError("busy")).line()) == Stored(7, 0xAB, failed=True)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"[1]",
        b"null",
        b'{"index":1}',
        b'{"index":-1,"fingerprint":"1","error":null}',
        b'{"index":true,"fingerprint":"1","error":null}',
        b'{"index":1,"fingerprint":"x","error":null}',
        b'{"index":1,"fingerprint":1,"error":null}',
        b'{"index":1,"fingerprint":"1","error":null',
        b"\xff",
    ],
)
def test_other_lines_are_not_results(line):
    assert read_line(line) is None


def test_every_prefix_of_a_line_may_be_a_half_written_one():
    line = Result(3, "ab").line()

    assert all(may_be_cut_off(line[:length]) for length in range(len(line)))
    assert may_be_cut_off(bytes(100))
    assert not may_be_cut_off(b"notes")
    assert not may_be_cut_off(b'{"id": 1')


@pytest.mark.parametrize(
    ("value", "written"), [(float("nan"), "nan"), ({"a": [float("-inf"), 1.5]}, {"a": ["-inf", 1.5]})]
)
def test_numbers_that_json_does_not_have_are_written_as_strings(value: Any, written: Any):
    line = Result(0, "ab", id=value, data=value).line()
    row = json.loads(line, parse_constant=pytest.fail)

    assert (row["id"], row["data"]) == (written, written)
