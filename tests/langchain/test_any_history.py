"""Any history that LangChain's messages can hold is sent or refused: never another error, never a changed message."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages.content import KNOWN_BLOCK_TYPES

from langchain_tir._content import _PARTS, CALLS, MACHINES, REASONING
from langchain_tir._messages import to_wire
from langchain_tir._stand_ins import _FILES
from tir_client import ChatRequest, InvalidRequestError
from tir_client.protocol.requests import to_bytes

TEXT = st.text(st.characters(codec=None), max_size=5)
"""Any text, lone surrogates included."""

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.binary(max_size=3)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2), max_leaves=4
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)

KINDS = sorted(
    {*KNOWN_BLOCK_TYPES, *_PARTS, *_FILES, *CALLS, *REASONING}
    | {"tool_result", "server_tool_use", "web_search_tool_result", "web_search_call", "executable_code"}
    | {"json", "search_result", "cache_point", "citation", "hologram"}
)
FIELDS = sorted(
    {
        "text",
        "reasoning",
        "thinking",
        "summary",
        "content",
        "refusal",
        "id",
        "index",
        "name",
        "args",
        "input",
        "arguments",
    }
    | {"partial_json", "call_id", "tool_use_id", "tool_call_id", "url", "base64", "data", "mime_type", "media_type"}
    | {"source", "source_type", "file_id", "file", "image_url", "input_audio", "detail", "value", "output", "action"}
    | {"json", "title", "bytes", "format", "extras", "resource"}
)
BEDROCK = ["text", "image", "document", "video", "toolUse", "toolResult", "reasoningContent", "cachePoint", "json"]
BEDROCK += ["guardContent", "searchResult"]

TYPED = st.builds(
    lambda kind, fields: {"type": kind, **fields},
    st.sampled_from(KINDS) | VALUES,
    st.dictionaries(st.sampled_from(FIELDS), VALUES | st.just("AAAA") | st.just("image/png"), max_size=4),
)
UNTYPED = st.dictionaries(st.sampled_from(BEDROCK), VALUES, min_size=1, max_size=1)
BLOCKS = TYPED | UNTYPED | st.dictionaries(TEXT, VALUES, max_size=2)
CONTENT = TEXT | st.lists(TEXT | BLOCKS, max_size=3)

CALL = st.fixed_dictionaries(
    {"id": st.none() | TEXT, "name": TEXT, "args": st.dictionaries(TEXT, JSON, max_size=2)},
)
INVALID = st.fixed_dictionaries(
    {"id": st.none() | TEXT, "name": st.none() | TEXT, "args": st.none() | TEXT, "error": st.none() | TEXT},
)
EXTRAS = st.dictionaries(
    st.sampled_from(["reasoning_content", "reasoning", "refusal", "audio", "executed_tools"]), VALUES, max_size=2
) | st.fixed_dictionaries({"function_call": st.fixed_dictionaries({"name": TEXT, "arguments": TEXT})})

ANSWERS = st.builds(
    lambda cls, content, calls, invalid, extras, name: cls(
        content, tool_calls=calls, invalid_tool_calls=invalid, additional_kwargs=extras, name=name
    ),
    st.sampled_from([AIMessage, AIMessageChunk]),
    CONTENT,
    st.lists(CALL, max_size=2),
    st.lists(INVALID, max_size=1),
    EXTRAS,
    st.none() | TEXT,
)
RESULTS = st.builds(
    lambda content, call_id, name: ToolMessage(content, tool_call_id=call_id, name=name),
    CONTENT,
    TEXT,
    st.none() | TEXT,
)
OLD_RESULTS = st.builds(lambda content, name: FunctionMessage(content, name=name), CONTENT, TEXT)
MACHINE = (
    ANSWERS
    | RESULTS
    | OLD_RESULTS
    | st.builds(lambda content, role: ChatMessage(content, role=role), CONTENT, st.sampled_from(sorted(MACHINES)))
)
PERSON = st.builds(
    lambda cls, content, name: cls(content, name=name),
    st.sampled_from([HumanMessage, SystemMessage]),
    CONTENT,
    st.none() | TEXT,
) | st.builds(lambda content, role: ChatMessage(content, role=role), CONTENT, TEXT)


def send(messages: list[BaseMessage]) -> Any:
    return to_bytes(ChatRequest.of(model="m", messages=to_wire(messages)).body())


@settings(deadline=None, max_examples=300)
@given(st.lists(MACHINE | PERSON | TEXT.map(lambda text: RemoveMessage(id=text)), max_size=4))
def test_any_history_is_sent_or_refused_and_stays_as_it_was(messages: list[BaseMessage]):
    before = copy.deepcopy(messages)

    with suppress(InvalidRequestError):
        send(messages)

    assert repr(messages) == repr(before)


@settings(deadline=None, max_examples=300)
@given(st.lists(MACHINE, max_size=4))
def test_a_history_that_only_machines_wrote_is_sent(messages: list[BaseMessage]):
    assert send(messages)


@settings(deadline=None, max_examples=200)
@given(TEXT, st.lists(BLOCKS, max_size=2))
def test_a_persons_text_is_sent_whole_or_refused(text: str, blocks: list[Any]):
    with suppress(InvalidRequestError):
        content = to_wire([HumanMessage([text, *blocks])])[-1]["content"]

        assert content[0] == {"type": "text", "text": text} if isinstance(content, list) else content.startswith(text)
