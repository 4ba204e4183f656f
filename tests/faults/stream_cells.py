"""Cells of the fault matrix: streams that break, end early or report an error."""

from __future__ import annotations

from tests.faults.matrix import Cell, Fails, Right, case
from tests.faults.response_bytes import (
    DONE,
    HALF,
    PAGE,
    PIECES,
    TEXT,
    VLLM_ERROR,
    answer,
    as_json,
    chunk,
    chunked,
    chunks,
    completion,
    events,
    stream,
    stream_head,
    usage_chunk,
    zipped,
)
from tests.wire_server import CLOSE

_E = "Ends of streams"
_X = "Events"
_B = "Bytes of streams"
FIRST = [chunk({"role": "assistant", "content": ""}), *[chunk({"content": piece}) for piece in PIECES[:2]]]
REST = [*[chunk({"content": piece}) for piece in PIECES[2:]], chunk({}, "stop"), usage_chunk()]
LINE_SEPARATORS = "one\u2028two\u2029three\u0085four\u000bfive\u001cend"
WELL = stream(*chunks())
BODY = events(*chunks()) + DONE
WITHOUT_ROLE = events(*chunks()[1:]) + DONE
"""A body whose first event has text, so that a test notices if it is lost."""
NO_MORE = dict.fromkeys(("role", "tool_calls", "reasoning", "refusal"))
CUMULATIVE = [
    {**one, "usage": {"prompt_tokens": 11, "completion_tokens": n, "total_tokens": 11 + n}}
    for n, one in enumerate(chunks()[:-1])
]


def _cell(name: str, group: str, script: bytes | list[object], expected: Right | Fails) -> Cell:
    steps = script if isinstance(script, list) else [script]
    return Cell(name=name, group=group, stream=case([*steps, CLOSE], expected))


def _broken(*mentions: str, error: str = "StreamError", partial: str | None = HALF, tries: int = 1) -> Fails:
    return Fails(error=error, mentions=mentions, partial=partial, tries=tries)


def _reported(partial: str | None = HALF, tries: int = 1) -> Fails:
    words = ("The model broke.",)
    return Fails(error="StreamServerError", mentions=words, status=400, partial=partial, tries=tries)


_INTERRUPTED = _broken("finish reason", error="StreamInterruptedError")
_NOTHING = _broken("no choices", error="StreamInterruptedError", partial=None, tries=3)
_SERVER = "StreamServerError"

CELLS = [
    _cell("well-formed", _E, WELL, Right()),
    _cell("without [DONE]", _E, stream(*chunks(), done=False), Right()),
    _cell("without a last empty line", _E, WELL[:-2], Right()),
    _cell("without finish reason and [DONE]", _E, stream(*FIRST, done=False), _INTERRUPTED),
    _cell("[DONE] without a finish reason", _E, stream(*FIRST), _INTERRUPTED),
    _cell("no event", _E, stream(done=False), _NOTHING),
    _cell("only [DONE]", _E, stream(), _NOTHING),
    _cell("only usage", _E, stream(usage_chunk()), _NOTHING),
    _cell("finish reason `abort`", _E, stream(*FIRST, chunk({}, "abort")), _broken("aborted it", error=_SERVER)),
    _cell(
        "finish reason repeated",
        _E,
        stream(*chunks()[:-1], chunk({}, "stop"), chunk({}, "length"), usage_chunk()),
        Right(),
    ),
    _cell("[DONE] twice, and text after it", _E, WELL + DONE + events(chunk({"content": "more"})), Right()),
    _cell("no usage", _E, stream(*chunks()[:-1]), Right(usage=None)),
    _cell("usage in every chunk", _E, stream(*CUMULATIVE, usage_chunk()), Right()),
    _cell("usage twice", _E, stream(*chunks(), usage_chunk()), Right()),
    _cell(
        "text with the finish reason",
        _E,
        stream(*chunks()[:-3], chunk({"content": PIECES[-1]}, "stop"), usage_chunk()),
        Right(),
    ),
    _cell("vLLM's error, after some text", _X, stream(*FIRST, VLLM_ERROR), _reported()),
    _cell(
        "vLLM's error, as the first event",
        _X,
        stream(VLLM_ERROR),
        _reported(partial=None, tries=3),
    ),
    _cell(
        "vLLM's old error",
        _X,
        stream(*FIRST, {"object": "error", "message": "The model broke.", "code": 400}),
        _reported(),
    ),
    _cell("a string as the error", _X, stream(*FIRST, {"error": "overloaded"}), _broken("overloaded", error=_SERVER)),
    _cell(
        "an error after the finish reason",
        _X,
        stream(*chunks()[:-1], VLLM_ERROR),
        _reported(partial=TEXT),
    ),
    _cell("`error: null` in every chunk", _X, stream(*[{**one, "error": None} for one in chunks()]), Right()),
    _cell("garbage, after some text", _X, stream(*FIRST, b"<garbage>"), _broken("not a chunk", "<garbage>")),
    _cell("garbage, as the first event", _X, stream(b"<garbage>"), _broken("not a chunk", partial=None, tries=3)),
    _cell(
        "truncated JSON as an event",
        _X,
        stream(*FIRST, as_json(chunk({"content": "x"}))[:30], *REST),
        _broken("not a chunk"),
    ),
    _cell(
        "truncated JSON at the end", _X, stream(*FIRST, done=False) + events(chunk({"content": "x"}))[:40], _INTERRUPTED
    ),
    _cell("an event that is an array", _X, stream(*FIRST, b"[1]"), _broken("not a chunk")),
    _cell("an event that is null", _X, stream(*FIRST, b"null"), _broken("not a chunk")),
    _cell("empty events", _X, stream(*FIRST, b"", *REST), Right()),
    _cell(
        "`choices: []` and `choices: null`",
        _X,
        stream(*FIRST, {**chunk({}), "choices": []}, {**chunk({}), "choices": None}, *REST),
        Right(),
    ),
    _cell("`choices: [null]`", _X, stream(*FIRST, {**chunk({}), "choices": [None]}), _broken("`choices[]`")),
    _cell(
        "`delta: null`",
        _X,
        stream(*FIRST, {**chunk({}), "choices": [{"index": 0, "delta": None, "finish_reason": None}]}, *REST),
        Right(),
    ),
    _cell(
        "nulls in every delta",
        _X,
        stream(
            chunk({"role": "assistant", "content": None}),
            *[chunk({"content": piece, **NO_MORE}) for piece in PIECES],
            chunk({}, "stop"),
            usage_chunk(),
        ),
        Right(),
    ),
    _cell(
        "no index",
        _X,
        stream(
            *[
                {**one, "choices": [{k: v for k, v in c.items() if k != "index"} for c in one["choices"]]}
                for one in chunks()
            ]
        ),
        Right(),
    ),
    _cell(
        "a string as the delta",
        _X,
        stream(*FIRST, {**chunk({}), "choices": [{"index": 0, "delta": "x"}]}),
        _broken("`message` must be an object"),
    ),
    _cell("a number as the text", _X, stream(*FIRST, chunk({"content": 5})), _broken("must be a string")),
    _cell("an event of 10 MB", _X, stream(*chunks("x" * 10_000_000)), Right(text="x" * 10_000_000)),
    _cell("unknown fields", _X, stream(*[{**one, "novelty": {"a": [1]}} for one in chunks()]), Right()),
    _cell(
        "a UTF-8 sequence that is cut off at the end of an event",
        _B,
        stream(*FIRST, as_json(chunk({"content": "👋"})).replace("👋".encode(), b"\xf0\x9f")),
        _broken("not a chunk"),
    ),
    _cell("one byte per write", _B, [stream_head(), *[BODY[i : i + 1] for i in range(len(BODY))]], Right()),
    _cell(
        "HTTP chunks that split UTF-8 sequences",
        _B,
        stream_head(transfer_encoding="chunked") + chunked(*[BODY[i : i + 3] for i in range(0, len(BODY), 3)]),
        Right(),
    ),
    _cell(
        "comments",
        _B,
        stream_head() + b": hello\n\n" + events(*FIRST) + b":\n: keep-alive\n\n" + events(*REST) + DONE,
        Right(),
    ),
    _cell("CRLF", _B, stream_head() + events(*chunks(), end=b"\r\n\r\n") + b"data: [DONE]\r\n\r\n", Right()),
    _cell("CR alone", _B, stream_head() + events(*chunks(), end=b"\r\r") + b"data: [DONE]\r\r", Right()),
    _cell(
        "a CRLF that is split between two writes",
        _B,
        [stream_head() + events(*FIRST, end=b"\r\n\r\n")[:-1], 0.02, b"\n" + events(*REST, end=b"\r\n\r\n") + DONE],
        Right(),
    ),
    _cell("a byte order mark", _B, stream_head() + b"\xef\xbb\xbf" + WITHOUT_ROLE, Right()),
    _cell(
        "U+2028, U+0085 and similar characters in the text",
        _B,
        stream(*chunks(LINE_SEPARATORS)),
        Right(text=LINE_SEPARATORS),
    ),
    _cell("no space behind `data:`", _B, stream_head() + BODY.replace(b"data: ", b"data:"), Right()),
    _cell(
        "`event`, `id` and `retry` lines",
        _B,
        stream_head() + BODY.replace(b"data: ", b"event: message\nid: 7\nretry: 10\ndata: "),
        Right(),
    ),
    _cell(
        "one event over several `data` lines",
        _B,
        stream_head() + BODY.replace(b',"choices"', b',\ndata: "choices"'),
        Right(),
    ),
    _cell("compressed", _B, zipped(BODY, 200, "text/event-stream"), Right()),
    _cell("HTML", _B, answer(PAGE, 200, "text/html"), Fails(error="ResponseError", mentions=("502 Bad Gateway",))),
    _cell("HTML with the content type of a stream", _B, stream_head() + PAGE, _NOTHING),
    _cell(
        "an error as JSON, with status 200",
        _B,
        answer(as_json(VLLM_ERROR)),
        Fails(error="NoAnswerError", mentions=("The model broke.",), tries=3),
    ),
    _cell("a whole answer instead", _B, answer(as_json(completion())), Right()),
    _cell("no content type", _B, WELL.replace(b"content-type: text/event-stream; charset=utf-8\r\n", b""), Right()),
]
