"""Cells of the fault matrix: error statuses, redirects and Retry-After."""

from __future__ import annotations

import zlib

from tests.faults.matrix import Cell, Fails, Right, both, case
from tests.faults.response_bytes import (
    PAGE,
    VLLM_ERROR,
    answer,
    as_json,
    chunks,
    completion,
    head,
    refusal,
    stream,
    zipped,
)
from tests.wire_server import CLOSE

WHOLE = answer(as_json(completion()))
STREAM = stream(*chunks())
IN_30_SECONDS = b"<the date in 30 seconds>"
OVERFLOW = "This model's maximum context length is 2048 tokens. However, your prompt contains 2049 input tokens."
_S = "Status"
_R = "Retry-After"
_B = "Error bodies"


def _status(code: int, error: str, *mentions: str, tries: int = 1) -> Cell:
    failure = Fails(error=error, status=code, mentions=(f"HTTP {code}", *mentions), tries=tries)
    return both(f"{code}", _S, [refusal(code), CLOSE], failure)


def _later(
    name: str, value: str, *, tries: int = 3, asked: float | None = None, pauses: tuple[float, ...] = ()
) -> Cell:
    failure = Fails(error="RateLimitError", status=429, retry_after=asked, tries=tries, pauses=pauses or None)
    return both(f"429, Retry-After {name}", _R, [refusal(429, retry_after=value), CLOSE], failure)


def _body(name: str, raw: bytes, *mentions: str, error: str = "BadRequestError") -> Cell:
    return both(name, _B, [raw, CLOSE], Fails(error=error, status=400, mentions=mentions))


def _packed(megabytes: int) -> bytes:
    """So many megabytes of zeros, compressed: a block is independent of those before it, and so can be repeated."""
    packer = zlib.compressobj()
    begin, more = (packer.compress(bytes(1_000_000)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return begin + more * (megabytes - 1)


CELLS = [
    _status(307, "APIStatusError", tries=1),
    _status(400, "BadRequestError"),
    _status(401, "AuthenticationError", "Auth Token", "E2E_TIR_ACCESS_TOKEN"),
    _status(403, "PermissionDeniedError", "may use this project"),
    _status(404, "NotFoundError", "`model`", "`project_id`"),
    _status(405, "BadRequestError"),
    _status(408, "ServerError", tries=3),
    _status(409, "ServerError", tries=3),
    _status(413, "BadRequestError"),
    _status(422, "BadRequestError"),
    _status(425, "BadRequestError", tries=3),
    _status(429, "RateLimitError", tries=3),
    _status(500, "ServerError", tries=3),
    _status(502, "ServerError", tries=3),
    _status(503, "ServerError", tries=3),
    _status(504, "ServerError", tries=3),
    _status(529, "ServerError", tries=3),
    Cell(
        name="503 twice, then an answer",
        group=_S,
        whole=case([[refusal(503), CLOSE], [refusal(503), CLOSE], [WHOLE, CLOSE]], Right(tries=3)),
        stream=case([[refusal(503), CLOSE], [refusal(503), CLOSE], [STREAM, CLOSE]], Right(tries=3)),
    ),
    Cell(
        name="429 with Retry-After 7, then an answer",
        group=_R,
        whole=case([[refusal(429, retry_after="7"), CLOSE], [WHOLE, CLOSE]], Right(tries=2, pauses=(7.0,))),
        stream=case([[refusal(429, retry_after="7"), CLOSE], [STREAM, CLOSE]], Right(tries=2, pauses=(7.0,))),
    ),
    _later("in seconds", "7", asked=7.0, pauses=(7.0, 7.0)),
    _later("as a date", IN_30_SECONDS.decode(), asked=30.0, pauses=(30.0, 30.0)),
    _later("in the past", "Wed, 21 Oct 2015 07:28:00 GMT", asked=0.0),
    _later("0", "0", asked=0.0),
    _later("of a year", "31536000", asked=31_536_000.0, tries=1),
    _later("of infinity", "1e999"),
    _later("negative", "-30", asked=0.0),
    _later("not a number", "soon"),
    _later("NaN", "nan"),
    _later("empty", ""),
    _body("vLLM's body", refusal(400, VLLM_ERROR), "The model broke."),
    _body(
        "vLLM's old body",
        refusal(400, {"object": "error", "message": "The model broke.", "code": 400}),
        "The model broke.",
    ),
    _body(
        "context overflow",
        refusal(400, {"error": {"message": OVERFLOW}}),
        "maximum context length",
        "Shorten",
        error="ContextOverflowError",
    ),
    _body("a string as the error", refusal(400, {"error": "Unauthorized"}), "Unauthorized"),
    _body("a detail", refusal(400, {"detail": "Not Found"}), "Not Found"),
    _body(
        "a list of details", refusal(400, {"detail": [{"loc": ["body"], "msg": "field required"}]}), "field required"
    ),
    _body(
        "the management envelope",
        refusal(400, {"code": 400, "data": {}, "errors": "Quota exceeded", "message": "Failure"}),
        "Failure",
        "Quota exceeded",
    ),
    _body("HTML", answer(PAGE, 400, "text/html"), "502 Bad Gateway"),
    _body("empty", answer(b"", 400), "no explanation"),
    _body("JSON null", answer(b"null", 400), "no explanation"),
    _body("JSON nested too deeply", answer(b"[" * 100_000, 400), "HTTP 400"),
    _body("truncated JSON", answer(b'{"error": {"message": "cut', 400), "cut"),
    _body("not UTF-8", answer(b"\xff\xfe\x00 no", 400, "text/plain"), "no"),
    _body("compressed", zipped(as_json(VLLM_ERROR), 400), "The model broke."),
    _body("declared as compressed, but plain", answer(b"plain words", 400, content_encoding="gzip"), "HTTP 400"),
    _body("50 MB", head(400, "text/plain", content_length="50000000") + b"No! " * 12_500_000, "No! No!"),
    _body(
        "1 GB, compressed to 1 MB",
        answer(_packed(1_000), 400, content_encoding="deflate"),
        "HTTP 400",
    ),
    _body("longer than its `Content-Length`", answer(b"short", 400) + b" and more", "short"),
    both(
        "shorter than its `Content-Length`",
        _B,
        [head(400, content_length="500") + b"short", CLOSE],
        Fails(error="BadRequestError", status=400, mentions=("short",)),
    ),
]
