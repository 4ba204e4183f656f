"""The prompts that contenders send, and the server's answers, which are rendered in advance.

A prompt names its answer: `bench:text/4000/1` is a text of 4,000 chunks with one chunk per write, `bench:tools/1000/1`
a tool call in 1,000 fragments, `bench:paced/20/400` a text of 20 chunks at intervals of 400 ms, `bench:whole/1/1` a
whole answer. Chunks have vLLM's form and size, about 200 bytes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

MODEL = "gpt_oss_120b"
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "write_file",
        "description": "Write a file.",
        "parameters": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    },
}
"""The tool that contenders offer."""

Turns = list[tuple[str, str]]
"""A conversation: role and text of each message."""

_HEAD = {"id": "chatcmpl-b549e18f1650e02c", "object": "chat.completion.chunk", "created": 1795389280, "model": MODEL}
_USAGE = {"prompt_tokens": 90, "completion_tokens": 4000, "total_tokens": 4090, "prompt_tokens_details": None}
_WORDS = (" the", " server", " sends", " what", " it", " has", " rendered", ",", " token", " by", " token", ".")
_NAMED = re.compile(rb"bench:(\w+)/(\d+)/(\d+)")

TIME = b"%%TIME-OF-DAY-%%"
"""Placeholder in a paced chunk for the time at which it is written, which has the same length."""

STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nserver: uvicorn\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
END = b"0\r\n\r\n"


@dataclass(frozen=True)
class Answer:
    """An answer: `writes` are sent in order, `pause` seconds apart if it is set."""

    writes: tuple[bytes, ...]
    pause: float = 0.0


def answer_to(body: bytes) -> Answer:
    """The answer for the last prompt in `body`."""
    *_, (kind, count, detail) = _NAMED.findall(body)
    return rendered(kind.decode(), int(count), int(detail))


@cache
def rendered(kind: str, count: int, detail: int) -> Answer:
    """Render an answer; `detail` is the number of chunks per write, or the milliseconds between chunks."""
    if kind == "whole":
        return Answer((whole(),))
    if kind == "paced":
        frames = [_frame(_chunk({"content": TIME.decode()})) for _ in range(count)]
        return Answer((STREAM_HEAD, *frames, *_frames(_last("stop"), 1)), detail / 1000)
    chunks = _tool_chunks(count) if kind == "tools" else _text_chunks(count)
    return Answer((STREAM_HEAD, *_frames([*chunks, *_last("tool_calls" if kind == "tools" else "stop")], detail)))


def whole() -> bytes:
    """A short whole answer."""
    message = {"role": "assistant", "content": "It is 31 degrees in Delhi.", "refusal": None, "reasoning": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop", "stop_reason": None}
    return as_json({**_HEAD, "object": "chat.completion", "choices": [choice], "usage": _USAGE})


def as_json(value: Any) -> bytes:
    """An HTTP response with `value` as JSON."""
    body = json.dumps(value).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


def _text_chunks(count: int) -> list[bytes]:
    return [_chunk({"content": _WORDS[position % len(_WORDS)]}) for position in range(count)]


def _tool_chunks(count: int) -> list[bytes]:
    begin = {
        "id": "call-1",
        "type": "function",
        "index": 0,
        "function": {"name": "write_file", "arguments": '{"text":"'},
    }
    pieces = [_WORDS[position % len(_WORDS)] for position in range(count - 2)]
    functions = [{"arguments": piece} for piece in (*pieces, '"}')]
    calls = [begin, *({"index": 0, "function": function} for function in functions)]
    return [_chunk({"tool_calls": [call]}) for call in calls]


def _last(finish: str) -> list[bytes]:
    usage = json.dumps({**_HEAD, "choices": [], "usage": _USAGE}, separators=(",", ":"))
    return [_chunk({"content": ""}, finish), b"data: %s\n\n" % usage.encode(), b"data: [DONE]\n\n"]


def _chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish, "token_ids": None}
    return b"data: %s\n\n" % json.dumps({**_HEAD, "choices": [choice]}, separators=(",", ":")).encode()


def _frames(events: list[bytes], size: int) -> list[bytes]:
    joined = (b"".join(events[start : start + size]) for start in range(0, len(events), size))
    return [*map(_frame, joined), END]


def _frame(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)
