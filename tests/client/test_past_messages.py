"""Past messages on the wire: ids of calls, lone surrogates, and placeholders for what cannot be sent."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tir_client import InvalidRequestError
from tir_client.protocol.messages import (
    assistant_message,
    chat_message,
    convert_messages,
    sendable_arguments,
    tool_call,
    tool_message,
)
from tir_client.protocol.placeholders import data_size, decoded_text, file_placeholder, value_placeholder

CODE_POINT = "\N{MATHEMATICAL BOLD CAPITAL A}"
LONE = chr(0xD835)
"""The first half of that character in UTF-16: a lone surrogate."""


def as_sent(*messages: dict[str, Any]) -> list[dict[str, Any]]:
    return convert_messages(messages, lambda message: [message])


def calls(*names: str, ids: tuple[str | None, ...]) -> dict[str, Any]:
    pairs = zip(ids, names, strict=True)
    return assistant_message("", tool_calls=[tool_call(call_id, name, {}) for call_id, name in pairs])


def test_a_call_without_an_id_gets_the_id_of_its_result():
    call_message, result_message = as_sent(calls("f", ids=(None,)), tool_message("1", "ok"))

    assert call_message["tool_calls"][0]["id"] == result_message["tool_call_id"] == "1"
    assert result_message["name"] == "f"


def test_calls_and_results_without_ids_are_matched_by_name_and_then_by_order():
    asked, *results = as_sent(
        calls("f", "g", "f", ids=(None, None, None)),
        tool_message(None, "2", name="g"),
        tool_message(None, "1"),
        tool_message(None, "3", name="f"),
    )

    ids = [call["id"] for call in asked["tool_calls"]]
    assert len(set(ids)) == 3
    assert [result["tool_call_id"] for result in results] == [ids[1], ids[0], ids[2]]
    assert [result["name"] for result in results] == ["g", "f", "f"]


def test_an_unmatched_call_and_an_unmatched_result_get_ids():
    result_message, call_message = as_sent(tool_message(None, "ok"), calls("f", ids=(None,)))

    assert result_message["tool_call_id"]
    assert call_message["tool_calls"][0]["id"]


@pytest.mark.parametrize("ids", [(None, None), ("f", "f")])
def test_calls_whose_results_have_the_tools_name_as_id_get_unique_ids(ids):
    """Ollama's integration, which keeps no ids, and Google's write such histories."""
    asked, other, first, second = as_sent(
        calls("f", "f", ids=ids), assistant_message("Wait."), tool_message("f", "1"), tool_message("f", "2")
    )

    assert [call["id"] for call in asked["tool_calls"]] == [first["tool_call_id"], second["tool_call_id"]]
    assert first["tool_call_id"] == "f"
    assert second["tool_call_id"] not in {"f", "", None}
    assert second["name"] == "f"
    assert other["content"] == "Wait."


def test_parallel_calls_with_the_same_id_get_different_ids():
    call_message, first, second = as_sent(
        calls("f", "g", ids=("d", "d")), tool_message("d", "1"), tool_message("d", "2")
    )

    assert [call["id"] for call in call_message["tool_calls"]] == [first["tool_call_id"], second["tool_call_id"]]
    assert [(message["name"], message["content"]) for message in (first, second)] == [("f", "1"), ("g", "2")]
    assert first["tool_call_id"] == "d" != second["tool_call_id"]


def test_an_id_may_be_used_again_in_a_later_turn():
    history = [calls("f", ids=("0",)), tool_message("0", "1"), calls("g", ids=("0",)), tool_message("0", "2")]
    sent = as_sent(*history, tool_message("0", "3"))

    assert [call["id"] for message in sent for call in message.get("tool_calls", ())] == ["0", "0"]
    assert [message["tool_call_id"] for message in sent if message["role"] == "tool"] == ["0", "0", "0"]
    assert [message["name"] for message in sent if message["role"] == "tool"] == ["f", "g", "g"]


def test_a_result_with_an_empty_id_gets_one():
    (result_message,) = as_sent(tool_message("", "ok"))

    assert result_message["tool_call_id"]


def test_ids_that_are_set_are_kept():
    call_message, result_message = as_sent(calls("f", "g", ids=("1", "2")), tool_message("2", "ok"))

    assert [call["id"] for call in call_message["tool_calls"]] == ["1", "2"]
    assert result_message == {"role": "tool", "tool_call_id": "2", "content": "ok", "name": "g"}


def test_a_users_text_with_a_lone_surrogate_is_refused_with_its_position():
    with pytest.raises(InvalidRequestError, match=r"messages\[1\]: a text has a lone surrogate.*ab\\ud835cd"):
        convert_messages(["Hi", f"ab{LONE}cd"], lambda text: [chat_message("user", text)])


@pytest.mark.parametrize("lone", [chr(0xD800), LONE, chr(0xDFFF)])
def test_the_error_shows_the_text_around_the_surrogate(lone: str):
    shown = f"{'a' * 20}{ascii(lone)[1:-1]}{'b' * 19}"
    with pytest.raises(InvalidRequestError, match=re.escape(f"cannot be sent: '{shown}'") + "$"):
        chat_message("user", [{"type": "text", "text": f"{'a' * 30}{lone}{'b' * 30}"}])
    with pytest.raises(InvalidRequestError, match=re.escape(f"cannot be sent: 'a{ascii(lone)[1:-1]}'") + "$"):
        chat_message("user", "Hi", name=f"a{lone}")


def test_lone_surrogates_of_urls_of_tools_are_replaced():
    image = {"type": "image_url", "image_url": {"url": f"a{LONE}", "detail": "low"}}

    assert tool_message("1", [image])["content"] == [
        {"type": "image_url", "image_url": {"url": "a\N{REPLACEMENT CHARACTER}", "detail": "low"}}
    ]
    assert chat_message("user", [image])["content"] == [image]


def test_lone_surrogates_of_models_and_tools_are_replaced():
    part = {"type": "text", "text": f"a{LONE}"}

    assert assistant_message(f"a{LONE}", reasoning=f"b{LONE}")["content"] == "a\N{REPLACEMENT CHARACTER}"
    assert assistant_message("", reasoning=f"b{LONE}")["reasoning"] == "b\N{REPLACEMENT CHARACTER}"
    assert tool_message("1", [part])["content"] == [{"type": "text", "text": "a\N{REPLACEMENT CHARACTER}"}]


def test_two_surrogates_that_form_a_character_become_it():
    halves = json.loads('["\\ud835", "\\udc00"]')

    assert tool_message("1", "".join(halves))["content"] == CODE_POINT


@given(st.dictionaries(st.text(st.characters(codec=None)), st.text(st.characters(codec=None))))
def test_arguments_with_any_characters_can_be_sent_and_read_as_they_were(arguments: dict[str, str]):
    sent = sendable_arguments(arguments)

    assert sent.encode()
    assert json.loads(sent) == json.loads(json.dumps(arguments))


@pytest.mark.parametrize(
    ("details", "line"),
    [
        ({}, "[file]"),
        ({"url": "file:///a.csv", "media_type": "text/csv"}, "[file: text/csv, file:///a.csv]"),
        ({"name": "a.pdf", "size": 12_345}, "[file: a.pdf, 12,345 bytes]"),
        ({"url": "data:text/csv;base64,AAAA", "name": 7}, "[file]"),
    ],
)
def test_a_file_placeholder_shows_the_known_details(details: dict[str, Any], line: str):
    assert file_placeholder("file", **details) == line


def test_a_placeholder_shows_a_value_without_ids_and_encrypted_content():
    value = {"type": "x", "id": "1", "query": "rain", "encrypted_content": "AA", "data": b"abc", "none": None, 1: [{}]}

    assert value_placeholder("web_search", value) == '[web_search: {"query": "rain", "data": "3 bytes", "1": [{}]}]'
    assert value_placeholder("web_search", {}) == "[web_search]"
    assert value_placeholder("web_search", "") == "[web_search]"
    assert value_placeholder("web_search", {"a": "", "b": "é"}) == '[web_search: {"b": "é"}]'


def test_a_placeholder_shows_a_long_value_shortened():
    assert len(value_placeholder("search", {"text": "x" * 100_000})) < 600
    assert len(value_placeholder("search", ["x" * 400] * 1_000)) < 2_100
    assert value_placeholder("search", json.loads("[" * 100 + "]" * 100)) == f'[search: {"[" * 7}"…"{"]" * 7}]'
    deep = json.loads('{"a":' * 9 + "1" + "}" * 9)
    assert value_placeholder("search", deep) == "[search: " + '{"a": ' * 7 + '"…"' + "}" * 7 + "]"
    assert value_placeholder("search", ["x" * 500]) == f'[search: ["{"x" * 500}"]]'
    assert value_placeholder("search", ["x" * 501]) == f'[search: ["{"x" * 500}… (501 characters)"]]'


def test_the_data_of_a_data_url_is_not_in_a_placeholder():
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}, "note": "data: a, b"}
    shown = '"image_url": {"url": "data:image/png;base64,… (26 characters)"}, "note": "data: a, b"'
    assert value_placeholder("image_url", part) == f"[image_url: {{{shown}}}]"


@pytest.mark.parametrize(
    ("data", "media_type", "text"),
    [
        (base64.b64encode(b"a,b").decode(), "text/csv", "a,b"),
        (base64.b64encode(b"{}").decode(), "application/json", "{}"),
        (base64.b64encode(b"\xff").decode(), "text/plain", None),
        (base64.b64encode(b"a,b").decode() + "!", "text/plain", None),
        ("not base64!", "text/plain", None),
        ("AAAA", "application/pdf", None),
        (None, "text/plain", None),
        ("AAAA", None, None),
    ],
)
def test_text_in_base64_is_decoded(data: Any, media_type: Any, text: str | None):
    assert decoded_text(data, media_type) == text


def test_the_size_of_data_is_counted_in_bytes():
    assert [data_size(data) for data in (b"abc", "YWI=", "YWJj", None)] == [3, 2, 3, 0]
