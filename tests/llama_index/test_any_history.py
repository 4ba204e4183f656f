"""Any conversation in LlamaIndex's types is sent or refused with a reason, and is not changed."""

from __future__ import annotations

import json
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    ChatMessage,
    CitableBlock,
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

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
WORDS = st.text(max_size=12)
ARGUMENTS = WORDS | st.dictionaries(WORDS, JSON, max_size=3)
BLOCKS = st.one_of(
    st.builds(TextBlock, text=WORDS),
    st.builds(ThinkingBlock, content=st.none() | WORDS),
    st.builds(ToolCallBlock, tool_call_id=st.none() | WORDS, tool_name=WORDS, tool_kwargs=ARGUMENTS),
    st.builds(ImageBlock, url=st.just("https://example.com/a.png"), detail=st.none() | WORDS),
    st.builds(
        DocumentBlock, data=st.binary(min_size=1, max_size=9), document_mimetype=st.sampled_from(["text/plain", "a/b"])
    ),
    st.builds(CitableBlock, title=WORDS, source=WORDS, content=st.lists(st.builds(TextBlock, text=WORDS), max_size=2)),
    st.just(CachePoint(cache_control=CacheControl(type="ephemeral"))),
    st.just(AudioBlock(audio=b"RIFF")),
    st.just(VideoBlock(video=b"\0\0\0\x18ftypmp42")),
)
CALLS = st.lists(
    JSON | st.fixed_dictionaries({"id": JSON, "function": st.fixed_dictionaries({"name": JSON, "arguments": JSON})}),
    max_size=2,
)
TOLD = st.fixed_dictionaries({}, optional={"tool_call_id": WORDS, "name": WORDS, "tool_calls": CALLS, "other": JSON})
MESSAGES = st.builds(
    ChatMessage, role=st.sampled_from(MessageRole), blocks=st.lists(BLOCKS, max_size=3), additional_kwargs=TOLD
)


@settings(max_examples=200)
@given(st.lists(MESSAGES, max_size=4))
def test_any_history_is_sent_or_refused(history):
    before = [message.model_dump_json() for message in history]
    with suppress(InvalidRequestError):
        body = ChatRequest.of(model="m", messages=to_wire(history)).whole()
        assert [*map(set, body["messages"])] == [*map(set, json.loads(json.dumps(body))["messages"])]
        assert len(body["messages"]) == len(history)
        assert {message["role"] for message in body["messages"]} <= {"system", "developer", "user", "assistant", "tool"}
    assert [message.model_dump_json() for message in history] == before
