"""JSON in a model's text: found in prose and fences, whole and streamed, in linear time."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.complexity import growth
from tir_client.protocol.json_text import (
    PartialJson,
    ValueEnd,
    escape_surrogates,
    find_json,
    find_json_source,
    find_partial_json,
    parse_json,
    replace_surrogates,
)
from tir_client.protocol.messages import sendable_arguments
from tir_client.protocol.responses import ToolCall

PUNE = {"name": "Pune", "lines": "a\nb"}
TEXT = json.dumps(PUNE)
RAW = '{"name": "Pune", "lines": "a\nb"}'

ANSWERS = {
    "plain": TEXT,
    "white space": f"\n  {TEXT}\n",
    "a fence": f"```json\n{TEXT}\n```",
    "a fence of no language": f"```\n{TEXT}```",
    "a fence in capitals": f"```JSON\n{TEXT}\n```",
    "a fence on one line": f"```json {TEXT} ```",
    "one backtick": f"`{TEXT}`",
    "a fence that is not closed": f"```json\n{TEXT}",
    "prose, then a fence": f"Here it is:\n```json\n{TEXT}\n```\nAnything else?",
    "prose with braces, then a fence": f"{{name}} is a city.\n```json\n{TEXT}\n```",
    "code, then a fence": f"```python\nprint(1)\n```\n```json\n{TEXT}\n```",
    "an object, then prose": f"{TEXT}\n\nI hope that helps.",
    "two objects": f"{TEXT}\n{{}}",
    "a raw line break": RAW,
    "a raw line break in a fence": f"Here:\n```json\n{RAW}\n```",
}


@pytest.mark.parametrize("text", ANSWERS.values(), ids=ANSWERS)
def test_an_object_is_found_whole_and_streamed(text: str):
    parts = [find_partial_json(text[:size]) for size in range(len(text) + 1)]

    assert find_json(text) == json.loads(find_json_source(text)) == PUNE
    assert parts[-1] == PUNE
    assert {"name": "Pune"} in parts
    assert all(part is None or isinstance(part, dict) for part in parts)


@pytest.mark.parametrize("text", ["3", "true", "null", ' "abc" ', "[1, 2]"])
def test_a_value_may_be_anything(text: str):
    assert find_json(text) == json.loads(text)


def test_an_array_may_be_followed_by_prose():
    assert find_json("[1, 2] are the numbers.") == [1, 2]


NOT_JSON = {
    "nothing": "",
    "prose": "Pune is a city.",
    "prose, then an object": f"So: {TEXT}",
    "cut off": TEXT[:-1],
    "cut off in a fence": f"```json\n{TEXT[:-1]}\n```",
    "cut off with a fence in a string": '{"code": "```json [1]``` and',
    "broken": '{"name" "Pune"}',
    "a fence without JSON": "```json\nPune\n```",
    "nested too deeply": "[" * 100_000,
}


@pytest.mark.parametrize("text", NOT_JSON.values(), ids=NOT_JSON)
def test_invalid_json_is_not_repaired(text: str):
    with pytest.raises(ValueError):
        find_json(text)
    with pytest.raises(ValueError):
        find_json_source(text)


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.lists(st.text(), max_size=2), max_size=3))
def test_any_object_survives_with_its_control_characters_raw(value: dict[str, Any]):
    raw = json.dumps(value, ensure_ascii=False)
    for escape, control in (("\\n", "\n"), ("\\t", "\t"), ("\\u0001", "\1")):
        raw = raw if "\\\\" in raw else raw.replace(escape, control)

    assert parse_json(raw) == find_json(raw) == json.loads(find_json_source(raw)) == value
    assert ToolCall("1", "f", raw).parsed() == json.loads(sendable_arguments(raw)) == value


@pytest.mark.parametrize(
    "unit", ["```", "``` ", "```json ", "`", "[", '{"a":', '{"a":"\n', '"', "\\", "{name} ```json {"], ids=repr
)
@pytest.mark.parametrize("function", [find_json, find_partial_json])
def test_reading_takes_linear_time(function: Any, unit: str):
    def run(text: str) -> None:
        try:
            function(text)
        except ValueError:
            return

    assert growth(run, lambda size: unit * (size // len(unit))) < 4


ANY_TEXT = st.text(st.characters() | st.sampled_from("\ud83d\ude42\"\\u'd8"), max_size=12)


@given(ANY_TEXT)
def test_half_a_character_in_an_answer_becomes_the_replacement_character(text: str):
    answer = json.dumps({"a": text, "b": 1})

    value = {"a": replace_surrogates(text), "b": 1}
    assert find_json(answer) == find_partial_json(answer) == json.loads(find_json_source(answer)) == value


def test_half_a_character_at_the_end_of_a_partial_answer_waits_for_the_other_half():
    answer = r'{"a": "\ud83d", "b": "\ud83d\ude42"}'

    parts = [find_partial_json(answer[:size]) for size in range(14, len(answer) + 1)]
    assert {part.get("b", "") for part in parts} == {"", "\U0001f642"}
    assert {part["a"] for part in parts} == {"\ufffd"}


@pytest.mark.parametrize("text", ['{"a": "é"}', '{"a": "\ud800", "b": "\udc00\ud800"}'])
def test_text_with_escaped_surrogates_can_be_sent_and_reads_as_the_same_value(text: str):
    assert json.loads(escape_surrogates(text).encode()) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "replaced"),
    [
        ("é", "é"),
        ("a\ud800b\udc00", "a\ufffdb\ufffd"),
        ("\ud83d\ude00", "\U0001f600"),
    ],
)
def test_lone_surrogates_are_replaced(text: str, replaced: str):
    assert replace_surrogates(text) == replaced


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("value", "rest"),
    [
        ('{"a": [1, {"b": "}"}], "c": {}}', ' and {"b": 1}}'),
        ('["\\\\", "\\"]", "{"]', '"]'),
        (' {"\\\\\\"": "\\\\"}', ""),
        ("[]", "[["),
    ],
)
def test_the_end_of_a_value_is_found_in_pieces_of_any_size(value: str, rest: str, size: int):
    end = ValueEnd()
    text = value + rest
    assert not end.is_reached
    for start in range(0, len(text), size):
        end.feed(text[start : start + size])
        assert end.length == min(start + size, len(text))
        assert end.is_reached is (end.length >= len(value))


def test_partial_json_returns_only_complete_parts():
    partial = PartialJson()
    assert [partial.parse(text) for text in ("", "{", '{"a', '{"a": [1, 2', '{"a": [1, 2]}')] == [
        {},
        {},
        {},
        {"a": [1, 2]},
        {"a": [1, 2]},
    ]


@pytest.mark.parametrize("text", ["[1", "null", "12", '"a', "}{"])
def test_partial_json_of_something_else_is_empty(text: str):
    assert PartialJson().parse(text) == {}


def test_a_long_object_is_seldom_parsed_and_exact_at_its_end():
    partial = PartialJson()
    text = json.dumps({"a": "x" * 20_000})
    parsed = {len(str(partial.parse(text[:size]))) for size in range(0, len(text), 10)}
    assert len(parsed) < 300
    assert partial.parse(text, whole=True) == json.loads(text)


def begun(size: int) -> str:
    """An object that has arrived up to this many characters."""
    return '{"a": "' + "x" * (size - 7)


def test_a_long_object_is_parsed_again_when_it_has_grown_by_an_eighth():
    partial = PartialJson()

    def read(size: int, *, whole: bool = False) -> int:
        return 7 + len(partial.parse(begun(size), whole=whole)["a"])

    assert [read(size) for size in (10, 11, 1_999, 2_000)] == [10, 11, 1_999, 2_000]
    assert [read(size) for size in (2_001, 2_249, 2_250)] == [2_000, 2_000, 2_250]
    assert [read(size) for size in (2_531, 2_532)] == [2_250, 2_532]
    assert read(2_533, whole=True) == 2_533


def test_the_first_piece_may_be_a_long_object():
    assert len(PartialJson().parse(begun(3_000))["a"]) == 2_993
