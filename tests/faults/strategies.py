"""Input of every kind: JSON, answers with something changed, recordings with bytes changed, messages."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from itertools import pairwise
from math import inf, nan
from typing import Any

from hypothesis import strategies as st

from tests.faults.response_bytes import chunks, completion
from tests.recorded import recordings

NAMES = st.sampled_from(
    [
        *("id", "model", "choices", "usage", "error", "message", "detail", "object", "code", "type", "data", "index"),
        *("delta", "content", "role", "tool_calls", "function", "name", "arguments", "reasoning", "finish_reason"),
        *("reasoning_content", "stop_reason", "logprobs", "token_ids", "refusal", "prompt_tokens", "embedding", "text"),
        *("image_url", "url", "input", "args", "thinking", "source", "data", "mime_type", "base64", "tool_use"),
    ]
)
ODD = st.sampled_from([10**400, -(10**400), nan, inf, "\x00", "\ud800", "[" * 2_000, '{"a":' * 2_000])
"""Integers too large for floats, NaN and infinities, text that is not UTF-8, JSON nested too deeply for Python."""
PLAIN = st.none() | st.booleans() | st.integers(-5, 1 << 70) | st.floats() | st.text(max_size=8) | NAMES | ODD
JSON: st.SearchStrategy[Any] = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=4), inner, max_size=5),
    max_leaves=12,
)
OBJECTS = st.dictionaries(NAMES | st.text(max_size=4), JSON, max_size=6)
CALL = {"index": 0, "id": "call-1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
LOGPROB = {
    "token": "a",
    "logprob": -0.5,
    "bytes": [97],
    "top_logprobs": [{"token": "a", "logprob": -0.5, "bytes": [97]}],
}


def rich_chunks() -> list[dict[str, Any]]:
    """The chunks of a stream with every kind of content: reasoning, text, calls, log probabilities, usage."""
    first, *texts, finish, usage = chunks()
    thought, call, spoken = (copy.deepcopy(texts[0]) for _ in range(3))
    thought["choices"][0]["delta"] = {"reasoning": "hm", "reasoning_content": "hm"}
    call["choices"][0]["delta"] = {"tool_calls": [CALL]}
    spoken["choices"][0] |= {"logprobs": {"content": [LOGPROB]}, "token_ids": [1]}
    return [first, thought, spoken, *texts, call, finish, usage]


def rich_completion() -> dict[str, Any]:
    """A whole answer with every kind of content."""
    answer = completion()
    answer["choices"][0]["message"] |= {"reasoning": "hm", "tool_calls": [CALL], "refusal": ""}
    answer["choices"][0] |= {"logprobs": {"content": [LOGPROB]}, "token_ids": [1]}
    answer["usage"] = {**answer["usage"], "prompt_tokens_details": {"cached_tokens": 1}}
    return answer


@st.composite
def changed(draw: st.DrawFn, value: Any) -> Any:
    """A copy of a JSON value with a few of its parts replaced, added, or taken away."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 4))):
        _change(draw, value)
    return value


def _change(draw: st.DrawFn, value: Any) -> None:
    places = list(_places(value))
    if not places:
        return
    holder, key = places[draw(st.integers(0, len(places) - 1))]
    if draw(st.integers(0, 4)) == 0:
        del holder[key]
    else:
        holder[key] = draw(ODD if draw(st.booleans()) else JSON)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a value, as its container and its key, all equally likely."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield value, key
        yield from _places(inner)


@st.composite
def damaged(draw: st.DrawFn, *, streamed: bool) -> bytes:
    """A recording of a real server with bytes changed, lost, doubled or moved."""
    corpus = [one.content for one in recordings() if one.is_chat and one.is_stream is streamed]
    content = bytearray(draw(st.sampled_from(corpus)))
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 40)))
        with_what = draw(
            st.sampled_from([b"", bytes(content[start:end]) * 2, b"\x00", b"\xff\xfe", b"\r", b"\n\n", b'"', b"}"])
        )
        content[start:end] = draw(st.binary(max_size=6)) if draw(st.booleans()) else with_what
    return bytes(content)


def pieces(content: bytes, cuts: list[int]) -> list[bytes]:
    """A body split at some places."""
    places = sorted({0, len(content), *(cut % (len(content) + 1) for cut in cuts)})
    return [content[start:end] for start, end in pairwise(places)]


def dumped(value: Any) -> bytes:
    """JSON as Python writes it, NaN and infinities included."""
    return json.dumps(value).encode("utf-8", "surrogatepass")
