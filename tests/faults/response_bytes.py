"""HTTP responses as raw bytes, whole or cut."""

from __future__ import annotations

import gzip
import json
from typing import Any

TEXT = "Every answer is whole, or it says why not: ₹ 100 — नमस्ते 👋🏽."
PIECES = ("Every answer ", "is whole, ", "or it says ", "why not: ", "₹ 100 — नमस्ते 👋🏽.")
HALF = "".join(PIECES[:2])
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
REQUEST_ID = "req-5a17"
PAGE = b"<!doctype html><html><head><title>502 Bad Gateway</title></head><body><h1>nginx</h1></body></html>"
DONE = b"data: [DONE]\n\n"
VLLM_ERROR = {"error": {"message": "The model broke.", "type": "BadRequestError", "param": "model", "code": 400}}

_REASONS = {200: "OK", 307: "Temporary Redirect", 400: "Bad Request", 503: "Service Unavailable"}


def as_json(value: Any) -> bytes:
    """Write JSON as vLLM does."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def head(status: int = 200, kind: str = "application/json", **headers: str) -> bytes:
    """A status line and headers. The connection is closed, so that each request has its own."""
    named = {"content-type": kind, "connection": "close", "x-request-id": REQUEST_ID}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}", *(f"{name}: {named[name]}" for name in named)]
    return "\r\n".join([*lines, "", ""]).encode()


def answer(body: bytes, status: int = 200, kind: str = "application/json", **headers: str) -> bytes:
    """A whole answer, with its length."""
    return head(status, kind, content_length=str(len(body)), **headers) + body


def refusal(status: int, body: Any = None, **headers: str) -> bytes:
    """An error in vLLM's shape, or with `body` as JSON."""
    default = {"error": {"message": f"No: {status}.", "type": "Error", "param": None, "code": status}}
    return answer(as_json(default if body is None else body), status, **headers)


def zipped(body: bytes, status: int = 200, kind: str = "application/json") -> bytes:
    """An answer that is compressed with gzip."""
    return answer(gzip.compress(body), status, kind, content_encoding="gzip")


def completion(text: str | None = TEXT, **fields: Any) -> dict[str, Any]:
    """A whole answer of vLLM 0.32, cut down to what is not null there."""
    message = {"role": "assistant", "content": text, "reasoning": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop", "stop_reason": None}
    named = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1_750_000_000, "model": "gpt_oss_120b"}
    return {**named, "choices": [choice], "usage": USAGE, "prompt_logprobs": None, **fields}


def chunk(delta: dict[str, Any], finish: str | None = None, **fields: Any) -> dict[str, Any]:
    """One chunk of a stream."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    named = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_750_000_000, "model": "gpt_oss_120b"}
    return {**named, "choices": [choice], **fields}


def chunks(*pieces: str) -> list[dict[str, Any]]:
    """The chunks of a whole answer, with the usage in a separate one at the end, as with `include_usage`."""
    spoken = [chunk({"content": piece}) for piece in pieces or PIECES]
    return [chunk({"role": "assistant", "content": ""}), *spoken, chunk({}, "stop"), usage_chunk()]


def usage_chunk(**usage: int) -> dict[str, Any]:
    """The chunk after the last one, which has no choices."""
    return {**chunk({}), "choices": [], "usage": {**USAGE, **usage}}


def events(*data: dict[str, Any] | bytes, end: bytes = b"\n\n") -> bytes:
    """Write events; bytes are taken as the data of one."""
    return b"".join(b"data: " + (one if isinstance(one, bytes) else as_json(one)) + end for one in data)


def stream_head(**headers: str) -> bytes:
    """The headers of a stream."""
    return head(200, "text/event-stream; charset=utf-8", **headers)


def stream(*data: dict[str, Any] | bytes, done: bool = True) -> bytes:
    """A stream that ends with its connection."""
    return stream_head() + events(*data) + (DONE if done else b"")


def chunked(*parts: bytes, end: bool = True) -> bytes:
    """Parts of a body in chunked transfer encoding; without `end`, one that is not complete."""
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + (b"0\r\n\r\n" if end else b"")
