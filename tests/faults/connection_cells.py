"""Cells of the fault matrix: connections that fail, break or stay silent."""

from __future__ import annotations

from tests.faults.matrix import Cell, Fails, Right, both, case, hasty
from tests.faults.response_bytes import (
    HALF,
    PIECES,
    answer,
    as_json,
    chunk,
    chunked,
    chunks,
    completion,
    events,
    head,
    stream,
    stream_head,
)
from tests.wire_server import CLOSE, RESET, STALL

WHOLE = answer(as_json(completion()))
STREAM = stream(*chunks())
HALF_BODY = WHOLE[: len(WHOLE) // 2]
HALF_HEAD = head()[:40]
BEGUN = stream(*[chunk({"content": piece}) for piece in PIECES[:2]], done=False)
IN_EVENT = events(chunk({"content": PIECES[2]}))[:40]

_UNREACHED = Fails(
    error="APIConnectionError", phase="connect", mentions=("could not be reached", "URL"), identified=False, tries=3
)
_UNTRUSTED = Fails(
    error="APIConnectionError", phase="certificate", mentions=("certificate", "SSL_CERT_FILE"), identified=False
)
_NO_ANSWER = Fails(
    error="APIConnectionError", phase="first_byte", mentions=("sent no answer",), identified=False, tries=3
)
_BROKE_OFF = Fails(error="APIConnectionError", phase="chunk", mentions=("ended its answer early",), tries=3)
_BROKE_STREAM = Fails(error="StreamInterruptedError", mentions=("ended its answer early",), partial=HALF)
_SLOW = Fails(error="APITimeoutError", phase="first_byte", mentions=("`first_byte`", "timeout="), identified=False)
_SLOW_CONNECT = Fails(
    error="APITimeoutError", phase="connect", mentions=("`connect`", "timeout="), identified=False, tries=3
)
_SLOW_BODY = Fails(error="APITimeoutError", phase="chunk", mentions=("`chunk`", "timeout="))
_SLOW_STREAM = Fails(error="APITimeoutError", phase="chunk", mentions=("`chunk`", "timeout="), partial=HALF)
_TOTAL = Fails(error="APITimeoutError", phase="total", mentions=("`total`",))
_G = "Connection"
_S = "Silence"

CELLS = [
    both("connection refused", _G, [CLOSE], _UNREACHED, address="{closed}/v1", reached=False),
    both("host that does not exist", _G, [CLOSE], _UNREACHED, address="https://no-such-host.invalid/v1", reached=False),
    both("TLS: certificate of an unknown authority", _G, [CLOSE], _UNTRUSTED, address="{untrusted}/v1", reached=False),
    both("TLS: the server speaks plain HTTP", _G, [CLOSE], _UNREACHED, address="{not_tls}/v1", reached=False),
    both("reset before the headers", _G, [RESET], _NO_ANSWER),
    both("closed before the headers", _G, [CLOSE], _NO_ANSWER),
    Cell(
        name="reset once, then an answer",
        group=_G,
        whole=case([[RESET], [WHOLE, CLOSE]], Right(tries=2)),
        stream=case([[RESET], [STREAM, CLOSE]], Right(tries=2)),
    ),
    both("reset in the headers", _G, [HALF_HEAD, 0.02, RESET], _NO_ANSWER),
    both("closed in the headers", _G, [HALF_HEAD, CLOSE], _NO_ANSWER),
    both("not HTTP", _G, [b"\x16\x03\x01\x02\x00 hello\r\n\r\n", CLOSE], _NO_ANSWER),
    both("headers of 1 MB", _G, [head(x_long="a" * 1_000_000), CLOSE], _NO_ANSWER),
    Cell(
        name="reset in the body",
        group=_G,
        whole=case([HALF_BODY, 0.02, RESET], _BROKE_OFF),
        stream=case([BEGUN, 0.02, RESET], _BROKE_STREAM),
    ),
    Cell(
        name="closed in the body",
        group=_G,
        whole=case([HALF_BODY, CLOSE], _BROKE_OFF),
        stream=case([BEGUN, CLOSE], Fails(error="StreamInterruptedError", mentions=("finish reason",), partial=HALF)),
    ),
    Cell(
        name="closed in the body, chunked",
        group=_G,
        whole=case(
            [head(transfer_encoding="chunked") + chunked(as_json(completion())[:200], end=False), CLOSE], _BROKE_OFF
        ),
        stream=case(
            [
                stream_head(transfer_encoding="chunked")
                + chunked(events(*[chunk({"content": piece}) for piece in PIECES[:2]]), end=False),
                CLOSE,
            ],
            _BROKE_STREAM,
        ),
    ),
    Cell(
        name="reset inside an event",
        group=_G,
        stream=case([BEGUN + IN_EVENT, 0.02, RESET], _BROKE_STREAM),
    ),
    Cell(
        name="reset before the first event",
        group=_G,
        stream=case(
            [[stream_head(), 0.02, RESET], [STREAM, CLOSE]],
            Right(tries=2),
        ),
    ),
    Cell(
        name="reset between finish reason and [DONE]",
        group=_G,
        stream=case(
            [stream(*chunks(), done=False), 0.02, RESET],
            Fails(error="StreamInterruptedError", mentions=("ended its answer early",), partial="".join(PIECES)),
        ),
    ),
    both(
        "handshake that is never answered",
        _S,
        [CLOSE],
        _SLOW_CONNECT,
        address="{mute_tls}/v1",
        reached=False,
        timeouts=hasty("connect"),
    ),
    both(
        "port that drops every packet",
        _S,
        [CLOSE],
        _SLOW_CONNECT,
        address="{full}/v1",
        reached=False,
        timeouts=hasty("connect"),
    ),
    both("silence before the headers", _S, [STALL], _SLOW, timeouts=hasty("first_byte")),
    both("silence in the headers", _S, [HALF_HEAD, STALL], _SLOW, timeouts=hasty("first_byte")),
    Cell(
        name="silence after the headers",
        group=_S,
        whole=case([head(content_length="500"), STALL], _SLOW_BODY),
        stream=case([stream_head(), STALL], _SLOW_BODY),
        timeouts=hasty("chunk"),
    ),
    Cell(
        name="silence in the body",
        group=_S,
        whole=case([HALF_BODY, STALL], _SLOW_BODY),
        stream=case([BEGUN, STALL], _SLOW_STREAM),
        timeouts=hasty("chunk"),
    ),
    Cell(
        name="silence inside an event",
        group=_S,
        stream=case([BEGUN + IN_EVENT, STALL], _SLOW_STREAM),
        timeouts=hasty("chunk"),
    ),
    Cell(
        name="silence after [DONE]",
        group=_S,
        stream=case([STREAM, STALL], Right()),
        timeouts=hasty("chunk"),
    ),
    Cell(
        name="a byte now and then, without end",
        group=_S,
        whole=case([head(content_length="5000"), *[b" ", 0.1] * 600], _TOTAL),
        stream=case([stream_head(), *[b": keep-alive\n\n", 0.1] * 600], _TOTAL),
        timeouts=hasty("total", 1.0),
    ),
    both(
        "a byte of an error's body now and then",
        _S,
        [head(400, content_length="5000") + b'{"error":"No', *[b" ", 0.05] * 1200],
        Fails(error="BadRequestError", status=400, mentions=("No",)),
        timeouts=hasty("chunk", 0.6),
    ),
    both(
        "silence in an error's body until the timeout `total`",
        _S,
        [head(503, content_length="5000"), STALL],
        Fails(error="APITimeoutError", status=503, phase="total", mentions=("`total`", "ServerError: HTTP 503")),
        timeouts=hasty("total", 1.0),
    ),
    both(
        "503 until the timeout `total`",
        _S,
        [answer(b"", 503, retry_after="30"), CLOSE],
        Fails(
            error="APITimeoutError",
            status=503,
            phase="total",
            mentions=("`total`", "ServerError: HTTP 503"),
            retry_after=30.0,
            pauses=(),
        ),
        timeouts=hasty("total", 15.0),
    ),
]
