"""The timeout `total`, in every phase of a call."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.client.paths import PATHS, Ask, client, request
from tests.wire_server import CLOSE, STALL, WireServer
from tir_client import APITimeoutError, RetryPolicy

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: id-7\r\n"


def event(content: str = "", finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish}
    return (
        b"data: " + str({"id": "c", "choices": [choice]}).replace("'", '"').replace("None", "null").encode() + b"\n\n"
    )


@pytest.mark.parametrize("ask", PATHS[2:])
async def test_the_total_timeout_ends_a_silence_and_keeps_the_partial_answer(ask: Ask):
    """The error has the partial answer. A slow machine needs a longer timeout."""
    script = [HEAD + b"\r\n" + event("a"), 0.1, event("b"), STALL]
    with WireServer(script) as server:
        for total in (0.5, 4, 25):
            with pytest.raises(APITimeoutError, match="`total`") as caught:
                await ask(client(server, timeout={"total": total, "chunk": 300}), request())
            if caught.value.partial is not None and caught.value.partial.choice.text == "ab":
                break

        assert caught.value.partial.choice.text == "ab"
        assert caught.value.request_id == "id-7"


TRICKLES = [b"x: y\r\n", b"\r\nHTTP/1.1 103 Early Hints\r\n"]


@pytest.mark.parametrize("ask", PATHS)
@pytest.mark.parametrize("trickle", TRICKLES, ids=["header lines", "1xx answers"])
async def test_the_total_timeout_ends_headers_that_never_end(ask: Ask, trickle: bytes):
    script = [b"HTTP/1.1 103 Early Hints\r\n", *[trickle, 0.1] * 200]
    with WireServer(script) as server:
        with pytest.raises(APITimeoutError, match="`total`") as caught:
            await ask(client(server, timeout={"total": 0.4, "first_byte": 30}), request())
        assert caught.value.phase == "total"
        assert len(server.connections) <= 1  # nothing if the server is slow to accept


@pytest.mark.parametrize("ask", PATHS[::2])
@pytest.mark.parametrize("trickle", TRICKLES, ids=["header lines", "1xx answers"])
async def test_headers_outlast_the_total_timeout_on_a_sync_client_of_the_users(ask: Ask, trickle: bytes):
    """httpx has no limit for all of them, only for each read: the call ends when the headers do.

    On a slow machine the first time may end before the headers begin, or between two of them.
    """
    for total in (0.4, 4, 25):
        trickles = [trickle, 0.1] * int(20 * total)  # for twice the time
        script = [b"HTTP/1.1 103 Early Hints\r\n", *trickles, b"\r\n" + HEAD + b"\r\n", STALL]
        with (
            WireServer(script) as server,
            httpx.Client() as own,
            pytest.raises(APITimeoutError, match="`total`") as caught,
        ):
            await ask(client(server, timeout={"total": total, "chunk": 30}, http_client=own), request())
        if caught.value.request_id is not None:
            break
    assert caught.value.request_id == "id-7"


@pytest.mark.parametrize("ask", PATHS)
@pytest.mark.parametrize(
    ("base", "totals"),
    [(0.0, (0.3, 3, 25)), (300.0, (60,))],
    ids=["the time ends in a try", "the time ends in a pause"],
)
async def test_an_exhausted_total_names_the_last_failure(ask: Ask, base: float, totals: tuple[float, ...]):
    """On a slow machine the first time may end before the first answer."""
    refusal = b"HTTP/1.1 503 Busy\r\ncontent-length: 4\r\nconnection: close\r\nx-request-id: id-7\r\n\r\nbusy"
    retry = RetryPolicy(base=base, ceiling=base)
    for total in totals:
        with (
            WireServer([refusal, CLOSE], [STALL]) as server,
            pytest.raises(APITimeoutError, match="`total`") as caught,
        ):
            await ask(client(server, retry=retry, timeout={"total": total}), request())
        if caught.value.status_code is not None:
            break

    assert re.search(r"`total`.*\n.*ServerError: HTTP 503.*busy", str(caught.value))
    assert (caught.value.phase, caught.value.status_code, caught.value.request_id) == ("total", 503, "id-7")
