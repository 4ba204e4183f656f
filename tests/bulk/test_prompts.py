"""How rows become requests. No I/O."""

from __future__ import annotations

import datetime as dt
from types import MappingProxyType
from typing import Any

import pytest

from tir_client import ConfigurationError, InvalidRequestError
from tir_client.bulk import Prompts
from tir_client.bulk.prompts import Row

TURN = {"role": "user", "content": "Hi"}


def messages(row: Any, **settings: Any) -> list[dict[str, Any]]:
    return Prompts(**settings).messages(Row.of(0, row))


@pytest.mark.parametrize("row", ["Hi", {"prompt": "Hi"}, {"prompts": "Hi"}, {"messages": [TURN], "prompt": "Ho"}])
def test_a_row_is_a_prompt_or_a_conversation(row):
    assert messages(row) == [TURN]


def test_a_row_may_be_any_mapping():
    columns = {"id": 3, "other": "Ho"}
    row, own = Row.of(0, MappingProxyType(columns)), Row.of(0, columns)

    assert messages(MappingProxyType({"prompt": "Hi"})) == [TURN]
    assert row == own
    assert Prompts().fingerprint(row) == Prompts().fingerprint(own)  # of all columns, as there is no prompt


@pytest.mark.parametrize("row", ["Hi", {"prompt": "Hi"}, 7])
def test_a_row_keeps_its_index(row):
    assert Row.of(3, row).index == 3


def test_a_template_is_filled_with_columns():
    date = dt.date(2026, 1, 2)
    row = {"a": "x", "b": 2.5, "c": True, "d": ["é", date], "e e": date, "messages": [TURN]}

    assert messages(row, template="{a}|{b}|{c}|{d}|{e e}|{{a}}") == [
        {"role": "user", "content": 'x|2.5|true|["é", "2026-01-02"]|2026-01-02|{a}'}
    ]


def test_a_template_without_columns_is_the_prompt_of_every_row():
    assert messages({"a": 1}, template="Tell a joke.")[0]["content"] == "Tell a joke."


def test_a_template_cannot_read_attributes_of_a_column():
    with pytest.raises(InvalidRequestError, match=r"no column `a\.__class__`"):
        messages({"a": "x"}, template="{a.__class__}")


@pytest.mark.parametrize("template", ["{", "}", "{a", "{}", "{a!r}", "{a:>10}"])
def test_a_template_that_cannot_be_read_is_refused(template):
    with pytest.raises(ConfigurationError, match="`template`"):
        Prompts(template=template)


def test_a_system_message_comes_first_unless_the_row_has_one():
    own = {"role": "developer", "content": "Own."}

    assert messages("Hi", system="Be short.") == [{"role": "system", "content": "Be short."}, TURN]
    assert messages({"messages": [own, TURN]}, system="Be short.") == [own, TURN]


@pytest.mark.parametrize(
    ("row", "settings", "problem"),
    [
        ({}, {}, "neither `prompt` nor `messages`, and there is no `template`; its columns are none"),
        ({"a": 1, "b": 2}, {}, "its columns are `a`, `b`"),
        ({"prompt": 7}, {}, "`prompt` must be a text, not int"),
        ({"a": None}, {"template": "{a}"}, "the column `a` is null"),
        ({"messages": "Hi"}, {}, "list of at least one message"),
        ({"messages": ["Hi"]}, {}, "each with a `role`"),
        ({"messages": [{"role": "user"}]}, {}, "the role `user` has no `content`"),
        ({"messages": [TURN, {"role": "assistant", "content": None}]}, {}, "the role `assistant` has no `content`"),
        (7, {}, "a row must be a text or an object, not int"),
    ],
)
def test_a_row_without_a_prompt_is_refused(row, settings, problem):
    with pytest.raises(InvalidRequestError, match=problem):
        messages(row, **settings)


def test_a_message_with_tool_calls_needs_no_content():
    call = {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]}

    assert messages({"messages": [TURN, call]}) == [TURN, call]


@pytest.mark.parametrize(
    ("row", "settings", "ends"),
    [
        ({"a": 1}, {}, True),
        ({"a": 1}, {"template": "{b}"}, True),
        ({"b": None}, {"template": "{b}"}, False),
        ({"prompt": "Hi"}, {}, False),
        ({"messages": [{"role": "user"}]}, {}, False),
        (7, {}, False),
    ],
)
def test_a_missing_column_ends_the_run_only_in_the_first_row(row, settings, ends):
    prompts, first = Prompts(**settings), Row.of(0, row)
    if ends:
        with pytest.raises(ConfigurationError, match="The first row cannot be sent"):
            prompts.check_first([first])
    else:
        prompts.check_first([first])


def test_a_run_ends_if_none_of_the_first_rows_can_be_read():
    broken = [Row(number, None, "it is not JSON") for number in range(3)]
    Prompts().check_first([*broken, Row.of(3, "Hi")])
    with pytest.raises(ConfigurationError, match=r"None of the first 3 rows can be read.*it is not JSON"):
        Prompts().check_first(broken)


def test_settings_are_fields_of_each_request():
    prompts = Prompts("m", schema={"type": "object"}, parameters={"temperature": 0.5, "extra_body": {"x": 1}})

    assert prompts.request(Row.of(0, "Hi")).body() == {
        "model": "m",
        "messages": [TURN],
        "temperature": 0.5,
        "x": 1,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "row", "schema": {"type": "object"}, "strict": True},
        },
    }


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"temprature": 1}, "did you mean `temperature`"),
        ({"temperature": "hot"}, "`temperature`"),
        ({"n": 2}, "leave out `messages` and `n`"),
        ({"messages": []}, "`messages`"),
    ],
)
def test_wrong_parameters_are_refused_before_any_row(parameters, problem):
    with pytest.raises(ConfigurationError, match=problem):
        Prompts(parameters=parameters)


def test_a_model_needs_a_name():
    with pytest.raises(ConfigurationError, match="`model`"):
        Prompts("")


def test_a_fingerprint_depends_on_the_id_the_prompt_and_the_settings():
    row = {"id": 1, "text": "Hi", "other": 2}
    usual = Prompts(template="{text}").fingerprint(Row.of(0, row))
    others = [
        Prompts(template="{text}").fingerprint(Row.of(0, {**row, "id": 2})),
        Prompts(template="{text}").fingerprint(Row.of(0, {**row, "text": "Ho"})),
        Prompts(template="{text}!").fingerprint(Row.of(0, row)),
        Prompts("m", template="{text}").fingerprint(Row.of(0, row)),
        Prompts(template="{text}", system="Short.").fingerprint(Row.of(0, row)),
        Prompts(template="{text}", schema={}).fingerprint(Row.of(0, row)),
        Prompts(template="{text}", parameters={"temperature": 0}).fingerprint(Row.of(0, row)),
    ]

    assert len({usual, *others}) == 8
    assert Prompts(template="{text}").fingerprint(Row.of(9, {**row, "other": 3})) == usual
    assert all(0 <= value < 2**64 for value in (usual, *others))


def test_a_fingerprint_is_the_same_in_every_process():
    assert Prompts("m").fingerprint(Row.of(0, "Hi")) == 0x923E33AE8A073C83


def test_an_id_may_be_a_date():
    first, second = ({"id": dt.date(2026, 1, day), "prompt": "Hi"} for day in (1, 2))

    assert Prompts().fingerprint(Row.of(0, first)) != Prompts().fingerprint(Row.of(0, second))


def test_rows_that_cannot_be_sent_have_fingerprints_too():
    prompts = Prompts()

    assert prompts.fingerprint(Row(0, None, "bad")) == prompts.fingerprint(Row(0, None, "worse"))
    assert prompts.fingerprint(Row.of(0, {"a": "\ud800"})) != prompts.fingerprint(Row.of(0, {"a": "b"}))
