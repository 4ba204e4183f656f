"""Cells of the fault matrix: status 200 with an invalid or empty body."""

from __future__ import annotations

from typing import Any

from tests.faults.matrix import Cell, Fails, Right, case
from tests.faults.response_bytes import (
    PAGE,
    TEXT,
    VLLM_ERROR,
    answer,
    as_json,
    chunks,
    completion,
    head,
    stream,
    zipped,
)
from tests.wire_server import CLOSE

_A = "Whole answers"
_NULLS: dict[str, Any] = dict.fromkeys(
    ("id", "object", "created", "model", "service_tier", "system_fingerprint", "prompt_logprobs", "kv_transfer_params")
)


def _whole(name: str, raw: bytes, expected: Right | Fails) -> Cell:
    return Cell(name=name, group=_A, whole=case([raw, CLOSE], expected))


def _json(name: str, value: Any, expected: Right | Fails) -> Cell:
    return _whole(name, answer(as_json(value)), expected)


def _choice(message: Any, finish: Any = "stop", **fields: Any) -> dict[str, Any]:
    full_message = message and {"role": "assistant", **message}
    return completion(choices=[{"index": 0, "message": full_message, "finish_reason": finish, **fields}])


def _no(*mentions: str, error: str = "ResponseError", partial: str | None = None, tries: int = 1) -> Fails:
    return Fails(error=error, mentions=mentions, partial=partial, tries=tries)


def _passing(*mentions: str, error: str) -> Fails:
    """Failures that a retry may cure: no answer, or an error that the server reports."""
    return _no(*mentions, error=error, tries=3)


CELLS = [
    _json("well-formed", completion(), Right()),
    _whole("compressed", zipped(as_json(completion())), Right()),
    _whole(
        "a compressed body that is cut",
        answer(zipped(as_json(completion())).partition(b"\r\n\r\n")[2][:60], content_encoding="gzip"),
        _no(),
    ),
    _whole(
        "declared as compressed, but plain", answer(as_json(completion()), content_encoding="gzip"), _no("decompressed")
    ),
    _whole("HTML", answer(PAGE, 200, "text/html"), _no("502 Bad Gateway")),
    _whole("empty", answer(b""), _no("empty body")),
    _whole("truncated JSON", answer(as_json(completion())[:100]), _no("not a JSON object")),
    _whole(
        "a UTF-8 sequence that is cut off",
        answer(as_json(completion()).replace("👋".encode(), b"\xf0\x9f")),
        _no("not a JSON object"),
    ),
    _whole("a byte order mark", answer(b"\xef\xbb\xbf" + as_json(completion())), Right()),
    _whole("white space around the JSON", answer(b"\r\n  " + as_json(completion()) + b"\n\n"), Right()),
    _whole("an error in the body", answer(as_json(VLLM_ERROR)), _passing("The model broke.", error="NoAnswerError")),
    _whole(
        "a string as the error",
        answer(as_json({"error": "overloaded"})),
        _passing("overloaded", error="NoAnswerError"),
    ),
    _whole("events for a request without streaming", stream(*chunks()), _no("not a JSON object")),
    _json("`error: null`", completion(error=None), Right()),
    _json("an array", [completion()], _no("not a JSON object")),
    _json("null", None, _no("not a JSON object")),
    _json("an empty object", {}, _passing("no choices", error="NoAnswerError")),
    _json("`choices: []`", completion(choices=[]), _passing("no choices", error="NoAnswerError")),
    _json("`choices: null`", completion(choices=None), _passing("no choices", error="NoAnswerError")),
    _json("`choices: [null]`", completion(choices=[None]), _no("`choices[]`")),
    _json("an object as `choices`", completion(choices={"0": {}}), _no("`choices`")),
    _json("`message: null`", _choice(None), Right(text="")),
    _json("a choice without a message", completion(choices=[{"index": 0, "finish_reason": "stop"}]), _no("`message`")),
    _json(
        "null in every other field",
        {
            **_choice(
                {"role": None, "content": TEXT, "tool_calls": None, "reasoning": None, "refusal": None},
                logprobs=None,
                stop_reason=None,
            ),
            **_NULLS,
            "usage": None,
        },
        Right(usage=None),
    ),
    _json(
        "nulls in the usage",
        completion(
            usage={"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": None, "prompt_tokens_details": None}
        ),
        Right(),
    ),
    _json("no content", _choice({"role": "assistant", "content": None}), Right(text="")),
    _json("no finish reason", _choice({"content": TEXT}, None), _no("finish reason", partial=TEXT)),
    _json("finish reason `abort`", _choice({"content": TEXT[:5]}, "abort"), _no("aborted it", partial=TEXT[:5])),
    _json("a number as the text", _choice({"content": 5}), _no("must be a string")),
    _json("a list of parts as the text", _choice({"content": [{"type": "text", "text": TEXT}]}), Right()),
    _json(
        "unknown fields",
        completion(novelty={"a": [1]}, choices=[{**completion()["choices"][0], "x": {}}]),
        Right(),
    ),
    _json("10 MB", completion("x" * 10_000_000), Right(text="x" * 10_000_000)),
    _whole("HTTP/1.0", answer(as_json(completion())).replace(b"HTTP/1.1", b"HTTP/1.0"), Right()),
    _whole("without a `Content-Length`", head() + as_json(completion()), Right()),
    _whole("longer than its `Content-Length`", answer(as_json(completion())) + b"}}}", Right()),
    _whole(
        "no content type", answer(as_json(completion())).replace(b"content-type: application/json\r\n", b""), Right()
    ),
]
