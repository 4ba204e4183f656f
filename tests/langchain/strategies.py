"""Hypothesis strategies for any message that LangChain's classes can hold, and any answer of a server."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    ChatMessage,
    ChatMessageChunk,
    FunctionMessage,
    FunctionMessageChunk,
    HumanMessage,
    HumanMessageChunk,
    SystemMessage,
    SystemMessageChunk,
    ToolMessage,
    ToolMessageChunk,
    block_translators,
)
from langchain_core.messages.content import KNOWN_BLOCK_TYPES

from langchain_tir._content import _PARTS, CALLS, REASONING
from langchain_tir._content_blocks import PROVIDER
from langchain_tir._past_calls import CLOSED
from langchain_tir._placeholders import _FILES
from tir_client.protocol.messages import MACHINES

Value = TypeVar("Value")


def _short(strategy: st.SearchStrategy[Value]) -> st.SearchStrategy[Value]:
    """The strategy with a short repr: Hypothesis warns of very long ones."""
    return st.just(None).flatmap(lambda _: strategy)


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


def _constants(node: ast.AST) -> set[str]:
    found = {part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)}
    return {text for text in found if text.isidentifier() or text == "text-plain"}


def _names_of_translators() -> tuple[set[str], set[str]]:
    """The types and fields of blocks that LangChain's translators for other providers read."""
    kinds: set[str] = set()
    fields: set[str] = set()
    for path in Path(*block_translators.__path__).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare) and "type" in ast.unparse(node.left):
                kinds |= _constants(node)
            elif isinstance(node, ast.Dict):
                kinds |= {name for key, value in _items(node) if key == "type" for name in _constants(value)}
                fields |= {key for key, _ in _items(node)}
            elif isinstance(node, ast.Subscript):
                fields |= _constants(node.slice)
    return kinds, fields


def _items(node: ast.Dict) -> list[tuple[str, ast.expr]]:
    items = zip(node.keys, node.values, strict=True)
    return [(key.value, value) for key, value in items if isinstance(key, ast.Constant) and isinstance(key.value, str)]


FOREIGN_KINDS, FOREIGN_FIELDS = _names_of_translators()
KINDS = sorted(
    {*KNOWN_BLOCK_TYPES, *_PARTS, *_FILES, *CALLS, *REASONING, *FOREIGN_KINDS}
    | {"tool_result", "server_tool_use", "web_search_tool_result", "web_search_call", "executable_code"}
    | {"json", "search_result", "cache_point", "citation", "hologram"}
)
FIELDS = sorted(
    {"text", "reasoning", "thinking", "summary", "content", "refusal", "id", "index", "name", "args", "input"}
    | {"partial_json", "call_id", "tool_use_id", "tool_call_id", "url", "base64", "data", "mime_type", "media_type"}
    | {"source", "source_type", "file_id", "file", "image_url", "input_audio", "detail", "value", "output", "action"}
    | {"json", "title", "bytes", "format", "extras", "resource", "arguments", *FOREIGN_FIELDS}
)
PROVIDERS = sorted({*block_translators.PROVIDER_TRANSLATORS, PROVIDER, "unknown"})
BEDROCK = ["text", "image", "document", "video", "toolUse", "toolResult", "reasoningContent", "cachePoint", "json"]
BEDROCK += ["guardContent", "searchResult"]

MEDIA = ["AAAA", "image/png", "text/plain", "data:text/plain;base64,QQ==", "base64", "url", "https://a/b.png"]
PARTS = st.dictionaries(st.sampled_from(FIELDS), VALUES | st.sampled_from(MEDIA), max_size=3)
"""What a field of a block may hold: any value, or the fields of a block, once or in a list."""
INNER = st.builds(lambda kind, fields: {"type": kind, **fields}, st.sampled_from(KINDS), PARTS) | PARTS
FIELD_VALUES = VALUES | st.sampled_from(MEDIA) | INNER | st.lists(INNER, max_size=2)

TYPED = st.builds(
    lambda kind, fields: {"type": kind, **fields},
    st.sampled_from(KINDS) | VALUES,
    st.dictionaries(st.sampled_from(FIELDS), FIELD_VALUES, max_size=4),
)
UNTYPED = st.dictionaries(st.sampled_from(BEDROCK), VALUES, min_size=1, max_size=1)
BLOCKS = _short(TYPED | UNTYPED | st.dictionaries(TEXT, VALUES, max_size=2))
CONTENT = _short(TEXT | st.lists(TEXT | BLOCKS, max_size=3))

CALL = st.fixed_dictionaries(
    {"id": st.none() | TEXT, "name": TEXT, "args": st.dictionaries(TEXT, JSON, max_size=2)},
)
INVALID = st.fixed_dictionaries(
    {"id": st.none() | TEXT, "name": st.none() | TEXT, "args": st.none() | TEXT, "error": st.none() | TEXT},
)
EXTRA_NAMES = ["reasoning_content", "reasoning", "refusal", "audio", "executed_tools", "function_call", "tool_outputs"]
EXTRAS = st.dictionaries(st.sampled_from(EXTRA_NAMES), VALUES, max_size=2) | st.fixed_dictionaries(
    {"function_call": st.fixed_dictionaries({"name": TEXT, "arguments": TEXT})}
)
METADATA = st.fixed_dictionaries(
    {},
    optional={
        "model_provider": st.sampled_from(PROVIDERS),
        "output_version": st.sampled_from(["v0", "v1", "responses/v1"]),
        CLOSED: VALUES,
    },
)

ANSWERS = st.builds(
    lambda cls, content, calls, **fields: cls(content, tool_calls=calls, **fields),
    st.sampled_from([AIMessage, AIMessageChunk]),
    CONTENT,
    st.lists(CALL, max_size=2),
    invalid_tool_calls=st.lists(INVALID, max_size=1),
    additional_kwargs=EXTRAS,
    response_metadata=METADATA,
    name=st.none() | TEXT,
)
CHUNKS_OF_CALLS = st.builds(
    AIMessageChunk,
    CONTENT,
    tool_call_chunks=st.lists(
        st.fixed_dictionaries(
            {
                "name": st.none() | TEXT,
                "args": st.none() | st.text('{}[]":,\\ anul1', max_size=6),
                "id": st.none() | TEXT,
                "index": st.none() | st.integers(),
                "type": st.just("tool_call_chunk"),
            }
        ),
        max_size=2,
    ),
    response_metadata=METADATA,
)
RESULTS = st.builds(
    lambda cls, content, call_id, **fields: cls(content, tool_call_id=call_id, **fields),
    st.sampled_from([ToolMessage, ToolMessageChunk]),
    CONTENT,
    TEXT,
    name=st.none() | TEXT,
    status=st.sampled_from(["success", "error"]),
    artifact=VALUES,
)
OLD_RESULTS = st.builds(
    lambda cls, content, name: cls(content, name=name),
    st.sampled_from([FunctionMessage, FunctionMessageChunk]),
    CONTENT,
    TEXT,
)
CHAT = st.sampled_from([ChatMessage, ChatMessageChunk])
MACHINE = (
    ANSWERS
    | CHUNKS_OF_CALLS
    | RESULTS
    | OLD_RESULTS
    | st.builds(lambda cls, content, role: cls(content, role=role), CHAT, CONTENT, st.sampled_from(sorted(MACHINES)))
)
PERSON = st.builds(
    lambda cls, content, **fields: cls(content, **fields),
    st.sampled_from([HumanMessage, SystemMessage, HumanMessageChunk, SystemMessageChunk]),
    CONTENT,
    name=st.none() | TEXT,
    additional_kwargs=st.dictionaries(st.just("__openai_role__"), st.just("developer"), max_size=1),
) | st.builds(lambda cls, content, role: cls(content, role=role), CHAT, CONTENT, TEXT)


# What servers send

WIRE = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXT | st.sampled_from(["stop", "tool_calls", "{", '{"a": 1}']),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=2),
    max_leaves=4,
)
FUNCTION = st.fixed_dictionaries({}, optional={"name": st.none() | TEXT, "arguments": WIRE})
PIECE = st.fixed_dictionaries({}, optional={"index": WIRE, "id": st.none() | TEXT, "function": FUNCTION})
MESSAGE = st.fixed_dictionaries(
    {},
    optional={
        "content": WIRE | st.lists(INNER.map(lambda block: json.loads(json.dumps(block, default=str))), max_size=2),
        "reasoning": WIRE,
        "reasoning_content": WIRE,
        "refusal": WIRE,
        "tool_calls": WIRE | st.lists(PIECE, max_size=2),
        "role": WIRE,
    },
)
END = st.sampled_from([None, "stop", "length", "tool_calls", "content_filter", "odd"])


def choice(key: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({key: MESSAGE, "finish_reason": END | WIRE}, optional={"stop_reason": WIRE})


def event(key: str) -> st.SearchStrategy[dict[str, Any]]:
    usage = WIRE | st.dictionaries(st.sampled_from(["prompt_tokens", "completion_tokens", "total_tokens"]), WIRE)
    return st.fixed_dictionaries(
        {"choices": st.lists(choice(key), max_size=2)}, optional={"id": WIRE, "model": WIRE, "usage": usage}
    )
