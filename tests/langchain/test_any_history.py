"""Any history in LangChain's types is sent or refused with an error of this library, and is not changed."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from langchain_core import messages as core
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    BaseMessageChunk,
    ChatMessage,
    ChatMessageChunk,
    FunctionMessage,
    FunctionMessageChunk,
    HumanMessage,
    HumanMessageChunk,
    RemoveMessage,
    SystemMessage,
    SystemMessageChunk,
    ToolMessage,
    ToolMessageChunk,
)

from langchain_tir._messages import to_wire
from tests.langchain.strategies import BLOCKS, FOREIGN_KINDS, MACHINE, PERSON, TEXT
from tir_client import ChatRequest, InvalidRequestError
from tir_client.protocol.requests import to_bytes


def test_the_strategies_have_all_classes_of_messages():
    classes = {value for name in core.__all__ if isinstance(value := getattr(core, name), type)}
    tried = {AIMessage, AIMessageChunk, ChatMessage, ChatMessageChunk, FunctionMessage, FunctionMessageChunk}
    tried |= {HumanMessage, HumanMessageChunk, SystemMessage, SystemMessageChunk, ToolMessage, ToolMessageChunk}

    bases = {BaseMessage, BaseMessageChunk}
    assert {cls for cls in classes if issubclass(cls, BaseMessage)} - bases == {*tried, RemoveMessage}
    assert {"server_tool_call", "web_search_call", "executable_code", "mcp_call", "thinking"} <= FOREIGN_KINDS


def send(messages: list[BaseMessage]) -> Any:
    return to_bytes(ChatRequest.of(model="m", messages=to_wire(messages)).body())


@given(st.lists(MACHINE | PERSON | TEXT.map(lambda text: RemoveMessage(id=text)), max_size=4))
def test_any_history_is_sent_or_refused_and_not_changed(messages: list[BaseMessage]):
    before = copy.deepcopy(messages)

    with suppress(InvalidRequestError):
        send(messages)

    assert repr(messages) == repr(before)


@given(st.lists(MACHINE, max_size=4))
def test_a_history_of_assistant_and_tool_messages_is_always_sent(messages: list[BaseMessage]):
    assert send(messages)


@given(TEXT, st.lists(BLOCKS, max_size=2))
def test_a_users_text_is_sent_unchanged_or_refused(text: str, blocks: list[Any]):
    with suppress(InvalidRequestError):
        content = to_wire([HumanMessage([text, *blocks])])[-1]["content"]

        assert content[0] == {"type": "text", "text": text} if isinstance(content, list) else content.startswith(text)
