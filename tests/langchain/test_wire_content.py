"""LangChain's content blocks in wire form: which fields are read, and which blocks are refused."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.messages.content import create_file_block

from langchain_tir._content import reasoning_of, to_blocks, to_content
from langchain_tir._messages import to_wire
from langchain_tir._placeholders import all_text, placeholder
from tir_client import InvalidRequestError

DATA = base64.b64encode(b"a\nb").decode()
BYTES = b"\0\1\xff"
MEDIA = base64.b64encode(BYTES).decode()
"""Data of no known type, which are sent."""
BLOCK = {"type": "x", "n": 1}


@pytest.mark.parametrize(
    ("content", "blocks"),
    [
        ("", []),
        ("Hi", [{"type": "text", "text": "Hi"}]),
        (["Hi", BLOCK], [{"type": "text", "text": "Hi"}, BLOCK]),
        (BLOCK, [BLOCK]),
        (7, [{"type": "int", "value": 7}]),
        ([{"type": "non_standard", "value": BLOCK}], [BLOCK]),
        ([{"type": "non_standard", "value": 7}], [{"type": "non_standard", "value": 7}]),
        ([{"type": "y", "value": BLOCK}], [{"type": "y", "value": BLOCK}]),
        ([{"type": 7, "n": 1}], [{"type": "7", "n": 1}]),
        ([{"text": "Hi", "n": 1}], [{"type": "text", "text": "Hi", "n": 1}]),
        ([{"a": 1, "b": 2}], [{"type": "None", "a": 1, "b": 2}]),
        ([{}], [{"type": "None"}]),
        ([{"a": 1}], [{"type": "a", "a": 1}]),
        (
            [{"toolUse": {"toolUseId": "1", "name": "f", "input": {}}}],
            [{"type": "tool_use", "id": "1", "toolUseId": "1", "name": "f", "input": {}}],
        ),
        (
            [{"toolResult": {"toolUseId": "1", "content": []}}],
            [{"type": "tool_result", "tool_use_id": "1", "toolUseId": "1", "content": []}],
        ),
        (
            [{"reasoningContent": {"reasoningText": {"text": "a"}}}],
            [{"type": "reasoning_content", "reasoning_content": {"text": "a"}}],
        ),
        ([{"guardContent": {"text": {"text": "a"}}}], [{"type": "text", "text": "a"}]),
        ([{"guardContent": 7}], [{"type": "text", "text": ""}]),
        *(([{kind: {"format": "f"}}], [{"type": kind, "format": "f"}]) for kind in ("image", "audio", "video")),
        ([{"document": {"format": "f"}}, {"cachePoint": {}}, {"type": "cache_point"}],
         [{"type": "document", "format": "f"}]),
    ],
)  # fmt: skip
def test_content_of_any_form_is_a_list_of_blocks(content: Any, blocks: list[Any]):
    assert to_blocks(content) == blocks


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ({"reasoning": "a", "thinking": "b"}, "a"),
        ({"thinking": "b", "reasoning_content": "c"}, "b"),
        ({"reasoning_content": "c", "summary": "d"}, "c"),
        ({"summary": [{"text": "d"}], "content": [{"text": "e"}]}, "d\ne"),
        ({}, ""),
    ],
)
def test_reasoning_is_read_from_its_fields_in_order(block: dict[str, Any], text: str):
    assert reasoning_of(block) == text


def test_texts_in_a_value_are_joined_with_newlines():
    assert all_text(["a", "", {"text": {"text": "b"}}, {"summary": ["c"]}, 7, None]) == "a\nb\nc"


URL = "https://a/b"
IMAGE = {"type": "image_url", "image_url": {"url": URL}}
VIDEO = {"type": "video_url", "video_url": {"url": URL}}
AUDIO = {"type": "audio_url", "audio_url": {"url": URL}}


def data_url(kind: str, media_type: str) -> dict[str, Any]:
    return {"type": f"{kind}_url", f"{kind}_url": {"url": f"data:{media_type};base64,{MEDIA}"}}


MP3 = {"type": "input_audio", "input_audio": {"data": MEDIA, "format": "mp3"}}
PARTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"type": "image_url", "image_url": URL, "detail": "low"},
     {"type": "image_url", "image_url": {"url": URL, "detail": "low"}}),
    ({"type": "input_image", "image_url": URL, "detail": 7}, IMAGE),
    ({**IMAGE, "more": 1}, IMAGE),
    ({**AUDIO, "more": 1}, AUDIO),
    ({**VIDEO, "more": 1}, VIDEO),
    ({"type": "image", "url": URL}, IMAGE),
    ({"type": "image", "source": {"url": URL}, "url": "x"}, IMAGE),
    ({"type": "video", "url": URL}, VIDEO),
    ({"type": "audio", "url": URL}, AUDIO),
    ({"type": "image", "base64": MEDIA, "mime_type": "image/png"}, data_url("image", "image/png")),
    ({"type": "image", "data": MEDIA, "media_type": "image/png"}, data_url("image", "image/png")),
    ({"type": "video", "bytes": MEDIA, "mimeType": "video/mp4"}, data_url("video", "video/mp4")),
    ({"video": {"format": "mp4", "source": {"bytes": BYTES}}}, data_url("video", "video/mp4")),
    ({"type": "video", "format": "mp4", "bytes": BYTES}, data_url("video", "video/mp4")),
    ({"type": "audio", "base64": MEDIA, "mime_type": "audio/mp3"}, MP3),
    ({"type": "audio", "base64": MEDIA, "mime_type": 7},
     {"type": "input_audio", "input_audio": {"data": MEDIA, "format": "wav"}}),
    ({"type": "media", "mime_type": "image/png", "file_uri": URL}, IMAGE),
    ({"type": "media", "mime_type": "video/mp4/x", "file_uri": URL}, VIDEO),
    ({"type": "media", "mime_type": "audio/mp3", "file_uri": URL}, AUDIO),
    ({"type": "media", "mime_type": "audio/mp3", "data": MEDIA}, MP3),
    ({"type": "text-plain", "base64": DATA}, {"type": "text", "text": "a\nb"}),
    ({"type": "text-plain", "base64": DATA, "mime_type": "text/csv"}, {"type": "text", "text": "a\nb"}),
    ({"type": "text-plain", "base64": DATA, "text": "c"}, {"type": "text", "text": "c"}),
]  # fmt: skip


@pytest.mark.parametrize(("block", "part"), PARTS)
def test_a_block_of_any_form_is_its_part(block: dict[str, Any], part: dict[str, Any]):
    assert to_content([block, IMAGE], "user") == [part, IMAGE]


@pytest.mark.parametrize(
    "block",
    [
        {"type": "text", "text": 7},
        {"type": "image_url", "image_url": ""},
        {"type": "image_url", "image_url": 7},
        {"type": "image_url", "image_url": {"detail": "low"}},
        {"type": "image_url", "image_url": {"url": URL, "n": 1}},
        {"type": "input_audio", "input_audio": {}},
        {"type": "input_audio", "input_audio": "x"},
        {"type": "input_audio"},
        {"type": "video"},
        {"type": "image", "url": 7},
        {"type": "image", "base64": DATA, "mime_type": 7},
        {"type": "media"},
        {"type": "document", "source": {"type": "base64", "data": DATA}},
    ],
)
def test_a_block_without_anything_to_send_is_refused_with_its_keys(block: dict[str, Any]):
    keys = ", ".join(sorted(block))

    with pytest.raises(InvalidRequestError) as raised:
        to_wire([HumanMessage([block])])
    assert str(raised.value) == (
        f"messages[0]: A content block of type {block['type']!r} (keys: {keys}) cannot be sent in a user message."
    )


def test_values_that_are_not_blocks_are_refused_with_their_class():
    with pytest.raises(InvalidRequestError) as raised:
        to_content([7], "user")
    assert str(raised.value) == "Content of type int cannot be sent: it is neither text nor a block."


def test_content_of_a_model_is_text_with_placeholders_on_separate_lines():
    assert to_content(["a", "b", BLOCK, {"type": "text"}, "c", BLOCK], "assistant") == (
        'ab\n[x: {"n": 1}]\nc\n[x: {"n": 1}]'
    )
    assert to_content("Hi", "assistant") == to_content(["Hi"], "tool") == "Hi"


def tool_content(block: dict[str, Any]) -> str:
    """The text of a tool result that is sent to a model."""
    (wire,) = to_wire([ToolMessage([block], tool_call_id="1")])
    return wire["content"]


FILES: list[tuple[dict[str, Any], str]] = [
    ({"type": "file", "name": "n", "filename": "f", "title": "t", "url": "u"}, "[file: n, u]"),
    ({"type": "file", "filename": "f", "title": "t"}, "[file: f]"),
    ({"type": "file", "name": "", "title": "t"}, "[file: t]"),
    ({"type": "file", "mime_type": "a/b", "media_type": "c"}, "[file: a/b]"),
    ({"type": "file", "media_type": "c", "mimeType": "d"}, "[file: c]"),
    ({"type": "file", "mimeType": "d", "format": "e"}, "[file: d]"),
    ({"type": "file", "format": "e"}, "[file: e]"),
    *(({"type": "file", name: "u"}, "[file: u]") for name in ("url", "file_url", "file_uri", "uri", "file_id")),
    ({"type": "file", "fileId": "u", "id": "v"}, "[file: u]"),
    ({"type": "file", "id": "u"}, "[file: u]"),
    (dict(create_file_block(base64="AAAA", mime_type="a/b")), "[file: a/b, 3 bytes]"),
    *(({"type": "file", name: DATA}, "[file: 3 bytes]") for name in ("base64", "data", "file_data", "bytes", "blob")),
    ({"type": "file", "result": DATA}, "[file: 3 bytes]"),
    ({"type": "file", "base64": DATA, "data": "AAAAAAAA"}, "[file: 3 bytes]"),
    ({"type": "file", "data": b"abc", "mime_type": "text/csv"}, "[file: text/csv, 3 bytes]"),
    ({"type": "file", "data": DATA, "mime_type": "text/csv"}, "a\nb"),
    ({"type": "file", "url": f"data:text/csv;base64,{DATA}"}, "a\nb"),
    ({"type": "file", "url": "data:a/b;base64,AAAA", "format": "c"}, "[file: c, 3 bytes]"),
    ({"type": "file", "url": "data:a/b;base64,AAAA"}, "[file: a/b, 3 bytes]"),
    ({"type": "file", "text": ["a", {"text": "b"}, 7]}, "a\nb"),
    ({"type": "file", "content": [{"text": "b"}, {"text": 7}], "url": "u"}, "b"),
    ({"type": "file", "source": {"content": "c"}, "text": ""}, "c"),
    ({"type": "file", "resource": {"uri": "u"}}, "[file: u]"),
    ({"type": "resource", "file": {"name": "n"}, "source": "x"}, "[resource: n]"),
    ({"type": "file", "file": "u"}, "[file: u]"),
    ({"type": "file", "resource": "u"}, "[file]"),
    ({"type": "container_upload", "file_id": "u"}, "[container_upload: u]"),
    ({"type": "text-plain", "title": "t"}, "[text-plain: t]"),
    ({"type": "json", "json": {"a": "é"}}, '{"a": "é"}'),
    ({"type": "json"}, "null"),
    ({"type": "json", "json": {1, 2}}, '[json: "{1, 2}"]'),
    ({"type": "search_result", "title": "t", "source": "s", "content": "c"}, "[search_result: t, s]\nc"),
    ({"type": "search_result", "title": "", "source": 7, "content": [{"text": "c"}, "d"]}, "[search_result: ]\nc\nd"),
    ({"type": "x", "name": "f", "n": 1}, '[x f: {"n": 1}]'),
    ({"type": "x", "name": 7, "n": 1}, '[x: {"n": 1}]'),
    ({"type": "x", "value": {"n": 2}, "n": 1}, '[x: {"n": 2}]'),
]  # fmt: skip


@pytest.mark.parametrize(("block", "text"), FILES)
def test_a_block_that_cannot_be_sent_is_shown_with_its_details(block: dict[str, Any], text: str):
    assert tool_content(block) == text


@pytest.mark.parametrize("kind", ["text", "input_text", "output_text"])
def test_a_text_block_without_text_is_left_out(kind: str):
    assert placeholder({"type": kind}) == ""
    assert to_wire([AIMessage([{"type": kind}, "Hi"])])[0]["content"] == "Hi"


def test_the_fields_of_a_block_are_not_changed():
    block = {"type": "file", "file": {"name": "n"}}

    tool_content(block)

    assert block == {"type": "file", "file": {"name": "n"}}
