"""Any conversation in LlamaIndex's types is sent or refused with a reason, and is not changed."""

from __future__ import annotations

import io
from contextlib import suppress
from datetime import date
from typing import Any, get_args

from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.base.llms.types import (
    AudioBlock,
    BaseContentBlock,
    CacheControl,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    ContentBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)

from llama_index_tir._messages import to_wire
from tir_client import ChatRequest, InvalidRequestError
from tir_client.protocol.requests import to_bytes

MACHINES = [MessageRole.ASSISTANT, MessageRole.CHATBOT, MessageRole.MODEL, MessageRole.TOOL, MessageRole.FUNCTION]

TEXT = st.text(st.characters(codec=None), max_size=6)
"""Any text, lone surrogates included."""

VALUES = st.recursive(
    st.sampled_from([None, True, 7, float("nan"), date(2026, 1, 2), frozenset({1})]) | TEXT | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
DATA = st.none() | st.binary(max_size=6) | st.builds(io.BytesIO, st.binary(max_size=4)) | st.builds(io.StringIO, TEXT)
URLS = st.none() | st.sampled_from(["https://example.com/a.png", "data:text/plain,a", "data:x;base64,A", "lost.pdf"])
WEB = st.none() | st.sampled_from(["https://example.com/a.mp4", "data:image/png;base64,AAAA", "file:///a.wav"])
GIVEN = st.sampled_from(["text/plain", "application/pdf", "application/json; charset=utf-8", "image/png"])
TYPES = st.none() | st.just("") | GIVEN
MAYBE = st.none() | TEXT

IMAGES = st.builds(ImageBlock, image=DATA, url=WEB, image_mimetype=TYPES, detail=MAYBE)
TEXTS = st.builds(TextBlock, text=TEXT)
# Without a media type, LlamaIndex itself fails for some data and for files that are missing.
DOCUMENTS = st.builds(DocumentBlock, data=DATA, url=URLS, path=URLS, title=MAYBE, document_mimetype=GIVEN)
BLOCKS: dict[type[BaseContentBlock], Any] = {
    TextBlock: TEXTS,
    ImageBlock: IMAGES,
    AudioBlock: st.builds(AudioBlock, audio=DATA, url=WEB, format=TYPES),
    VideoBlock: st.builds(
        VideoBlock, video=DATA, url=WEB, video_mimetype=TYPES, detail=MAYBE, fps=st.none() | st.just(2)
    ),
    DocumentBlock: DOCUMENTS,
    CachePoint: st.just(CachePoint(cache_control=CacheControl(type="ephemeral"))),
    CitableBlock: st.builds(
        CitableBlock, title=TEXT, source=TEXT, content=st.lists(TEXTS | IMAGES | DOCUMENTS, max_size=2)
    ),
    CitationBlock: st.builds(
        CitationBlock, cited_content=TEXTS | IMAGES, source=TEXT, title=TEXT, additional_location_info=st.just({"a": 1})
    ),
    ThinkingBlock: st.builds(
        ThinkingBlock, content=MAYBE, additional_information=st.dictionaries(TEXT, VALUES, max_size=1)
    ),
    ToolCallBlock: st.builds(
        ToolCallBlock,
        tool_call_id=MAYBE,
        tool_name=TEXT,
        tool_kwargs=TEXT | st.dictionaries(TEXT, VALUES, max_size=2),
    ),
}
FOREIGN = st.just(CacheControl(type="ephemeral"))
"""Values that code may append to the blocks of a message; LlamaIndex does not check them."""

CALLS = VALUES | st.lists(
    VALUES
    | st.fixed_dictionaries({"id": VALUES, "function": st.fixed_dictionaries({"name": VALUES, "arguments": VALUES})})
    | st.fixed_dictionaries({"id": MAYBE, "name": TEXT, "input": VALUES}),
    max_size=2,
)
EXTRAS = st.fixed_dictionaries(
    {},
    optional={
        "tool_call_id": VALUES,
        "call_id": VALUES,
        "name": VALUES | TEXT,
        "tool_calls": CALLS,
        "function_call": VALUES | st.fixed_dictionaries({"name": TEXT, "arguments": VALUES}),
        "reasoning": VALUES,
        "thinking": VALUES | st.fixed_dictionaries({"thinking": VALUES}),
        "refusal": VALUES,
        "built_in_tool_calls": VALUES | st.lists(st.fixed_dictionaries({"type": VALUES, "id": TEXT}), max_size=2),
        "other": VALUES,
    },
)


@st.composite
def messages(draw: Any, roles: Any) -> ChatMessage:
    message = ChatMessage(role=draw(roles), additional_kwargs=draw(EXTRAS))
    message.blocks.extend(draw(st.lists(st.one_of(*BLOCKS.values(), FOREIGN), max_size=3)))
    return message


def send(history: list[ChatMessage]) -> bytes:
    return to_bytes(ChatRequest.of(model="m", messages=to_wire(history)).body())


def snapshot(history: list[ChatMessage]) -> list[str]:
    """Everything in a history, with the content of files in it."""
    fields = [value for message in history for block in message.blocks for value in vars(block).values()]
    return [repr(history), *(repr(value.getvalue()) for value in fields if isinstance(value, io.BytesIO | io.StringIO))]


def test_the_strategies_have_all_blocks_of_llama_index():
    assert set(get_args(get_args(ContentBlock)[0])) <= set(BLOCKS)


@given(st.lists(messages(st.sampled_from(MessageRole)), max_size=3))
def test_any_history_is_sent_or_refused_and_not_changed(history):
    before = snapshot(history)

    with suppress(InvalidRequestError):
        assert send(history)
        wire = to_wire(history)
        assert len(wire) == len(history)
        assert {message["role"] for message in wire} <= {"system", "developer", "user", "assistant", "tool"}

    assert snapshot(history) == before


@given(st.lists(messages(st.sampled_from(MACHINES)), max_size=3))
def test_a_history_of_assistant_and_tool_messages_is_always_sent(history):
    assert send(history)


@given(TEXT, st.lists(st.one_of(*BLOCKS.values()), max_size=2))
def test_a_users_text_is_sent_unchanged_or_refused(text, blocks):
    with suppress(InvalidRequestError):
        content = to_wire([ChatMessage(blocks=[TextBlock(text=text), *blocks])])[0]["content"]
        assert content.startswith(text) if isinstance(content, str) else content[0]["text"] == text
