"""Messages in wire form, as both integrations send them."""

from __future__ import annotations

import json
from datetime import date
from math import inf, nan

import pytest

from tir_client import InvalidRequestError
from tir_client.protocol.messages import (
    assistant_message,
    audio_part,
    chat_message,
    convert_messages,
    data_url,
    join_content,
    media_part,
    read_data_url,
    sendable_arguments,
    text_part,
    tool_call,
    tool_message,
)


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ({"a": 1}, '{"a": 1}'),
        ('{"a":1}', '{"a":1}'),
        (None, "{}"),
        ("", "{}"),
        (" \n", "{}"),
        ("null", "{}"),
        ('{"a": ', '{"invalid_arguments": "{\\"a\\": "}'),
        ("5", '{"invalid_arguments": "5"}'),
        ("é", '{"invalid_arguments": "é"}'),
        ([1], '{"invalid_arguments": "[1]"}'),
        ({"ä": "é"}, '{"ä": "é"}'),
        ('{"a": "one\ntwo"}', '{"a": "one\\u000atwo"}'),
    ],
)
def test_arguments_are_always_sent_back_as_an_object(arguments, sent):
    assert sent == sendable_arguments(arguments)


def test_a_message_has_a_name_if_it_is_given():
    assert chat_message("user", "Hi") == {"role": "user", "content": "Hi"}
    assert chat_message("user", "Hi", name="Ada") == {"role": "user", "content": "Hi", "name": "Ada"}
    assert chat_message("user", "Hi", name="") == {"role": "user", "content": "Hi"}


def test_a_past_answer_has_its_reasoning_under_both_names_and_its_calls():
    call = tool_call("c1", "add", {"a": 1})

    assert assistant_message("Hi") == {"role": "assistant", "content": "Hi"}
    assert assistant_message("", reasoning="Hm.", tool_calls=(call,), name="Ada") == {
        "role": "assistant",
        "content": "",
        "name": "Ada",
        "reasoning": "Hm.",
        "reasoning_content": "Hm.",
        "tool_calls": [call],
    }


def test_a_tools_result_names_the_call_and_the_tool():
    expected = {"role": "tool", "tool_call_id": "c1", "content": "3"}

    assert tool_message("c1", "3") == expected
    assert tool_message("c1", "3", name="add") == {**expected, "name": "add"}


def test_a_call_is_sent_back_as_the_server_wrote_it():
    function = {"name": "add", "arguments": '{"a": 1}'}

    assert tool_call("c1", "add", {"a": 1}) == {"id": "c1", "type": "function", "function": function}
    assert tool_call("c1", None, None)["function"] == {"name": "", "arguments": "{}"}


@pytest.mark.parametrize("call_id", [None, ""])
def test_a_call_may_have_no_id_until_it_is_matched_with_its_result(call_id):
    assert tool_call(call_id, "add", {})["id"] is None


def test_arguments_that_json_cannot_express_are_sent_as_text():
    when = date(2026, 1, 2)

    assert sendable_arguments({"on": when, "é": [1]}) == '{"on": "2026-01-02", "é": [1]}'
    shown = json.loads(sendable_arguments({(1, 2): "x"}))
    assert shown == {"invalid_arguments": '[arguments: {"(1, 2)": "x"}]'}


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ({"a": nan, "b": [inf, -inf]}, {"a": "NaN", "b": ["Infinity", "-Infinity"]}),
        ('{"a": NaN, "b": [Infinity,-Infinity]}', {"a": "NaN", "b": ["Infinity", "-Infinity"]}),
        ('{"NaN": "a \\" NaN -Infinity", "b": -1}', {"NaN": 'a " NaN -Infinity', "b": -1}),
        ("NaN", {"invalid_arguments": "NaN"}),
    ],
)
def test_numbers_that_json_does_not_have_are_sent_as_strings(arguments, sent):
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    assert json.loads(sendable_arguments(arguments), parse_constant=refuse) == sent


def test_arguments_that_contain_themselves_are_sent_as_their_repr_shows_them():
    endless = {}
    endless["a"] = endless

    assert '{"a": {"a": ' in json.loads(sendable_arguments(endless))["invalid_arguments"]


@pytest.mark.parametrize(
    ("url", "data"),
    [
        ("data:text/plain;base64,SGkh", b"Hi!"),
        ("data:text/plain,a%20b#c?d", b"a b#c?d"),
        ("data:,", b""),
        ("data:text/plain;BASE64,SGkh", b"Hi!"),
    ],
)
def test_a_data_url_holds_its_data(url, data):
    assert read_data_url(url) == data


def test_a_data_url_with_broken_base64_is_an_error():
    with pytest.raises(ValueError, match="base64"):
        read_data_url("data:text/plain;base64,a?b")


# Lists of messages


def test_messages_are_converted_in_their_order():
    def twice(text):
        return [chat_message("user", text), chat_message("user", text.upper())]

    assert [message["content"] for message in convert_messages(["a", "b"], twice)] == ["a", "A", "b", "B"]


def test_a_message_that_cannot_be_sent_is_named_by_its_position():
    def refuse(text):
        if text == "b":
            raise InvalidRequestError("no b.")
        return [chat_message("user", text)]

    with pytest.raises(InvalidRequestError, match=r"^messages\[1\]: no b\.$"):
        convert_messages(["a", "b"], refuse)


def test_results_get_the_names_of_their_tools():
    """vLLM before 0.13 does not find the name through the id."""
    calls = [tool_call("c1", "add", {}), tool_call("c2", "sub", {})]
    history = [
        assistant_message("", tool_calls=calls),
        tool_message("c2", "3"),
        tool_message("c1", "4"),
        tool_message("c1", "4", name="mine"),
        tool_message("c9", "5"),
        {**chat_message("user", "Hi"), "tool_call_id": "c1"},
        assistant_message("", tool_calls=[tool_call("c3", "", {})]),
        tool_message("c3", "6"),
    ]
    wire = convert_messages(history, lambda message: [message])

    names = [message.get("name") for message in wire]
    assert names == [None, "sub", "add", "mine", None, None, None, None]


# Contents


TEXTS = [text_part("one"), text_part("two")]
IMAGE = media_part("image", "https://host/a.png")


def test_texts_are_joined_and_media_stay_parts():
    assert join_content([], "user") == ""
    assert join_content(TEXTS, "user") == "one\ntwo"
    parts = (*TEXTS, IMAGE)
    assert join_content(parts, "user") == [*TEXTS, IMAGE]
    assert isinstance(join_content(parts, "tool"), list)


@pytest.mark.parametrize("role", ["system", "developer", "assistant"])
def test_media_are_refused_where_the_server_takes_only_text(role):
    with pytest.raises(InvalidRequestError, match=f"'image_url' cannot be sent in a {role} message"):
        join_content([*TEXTS, IMAGE], role)


def test_media_parts_have_vllms_form():
    assert text_part("a") == {"type": "text", "text": "a"}
    assert media_part("video", "u") == {"type": "video_url", "video_url": {"url": "u"}}
    assert media_part("image", "u", detail="low")["image_url"] == {"url": "u", "detail": "low"}
    assert data_url("QUI=", "image/png") == "data:image/png;base64,QUI="


@pytest.mark.parametrize(("media_type", "kind"), [("audio/mpeg", "mp3"), ("mp3", "mp3"), ("", "wav"), ("a/b/c", "c")])
def test_audio_has_its_format(media_type, kind):
    assert audio_part("QUI=", media_type) == {
        "type": "input_audio",
        "input_audio": {"data": "QUI=", "format": kind},
    }
