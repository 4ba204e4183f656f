"""Server-sent events are read as specified, however the body is split."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tir_client.protocol.sse import BOM, SSEDecoder, _whole_events

SIZES = (1, 2, 3, 7, 1_000_000)
"""How many bytes arrive at a time."""


def decode(body: bytes, size: int) -> list[bytes]:
    decoder = SSEDecoder()
    events = [event for place in range(0, len(body), size) for event in decoder.feed(body[place : place + size])]
    return events + decoder.close()


BODIES = [
    pytest.param(b"data: a\n\n", [b"a"], id="one event"),
    pytest.param(b"data: a\n\ndata: b\n\ndata: [DONE]\n\n", [b"a", b"b", b"[DONE]"], id="several events"),
    pytest.param(b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"], id="CRLF"),
    pytest.param(b"data: a\r\rdata: b\r\r", [b"a", b"b"], id="CR"),
    pytest.param(b"data: a\n\r\ndata: b\r\n\n", [b"a", b"b"], id="line ends mixed"),
    pytest.param(b"data: a\r\n\r\n\ndata: b\n\n", [b"a", b"b"], id="an empty line too many"),
    pytest.param(b"data: a\r\ndata: b\r\n\r\n", [b"a\nb"], id="CRLF within an event"),
    pytest.param(b"data: a\rdata: b\r\r", [b"a\nb"], id="CR within an event"),
    pytest.param(b"data: a\rdata: b\n\ndata: c\n\n", [b"a\nb", b"c"], id="CR and LF within an event"),
    pytest.param(b"data: a\ndata: b\ndata: c\n\n", [b"a\nb\nc"], id="several data lines"),
    pytest.param(b"data:a\n\ndata:  b\n\ndata:c \n\n", [b"a", b" b", b"c "], id="one space is removed"),
    pytest.param(b"data: a\n\ndata:\n\n", [b"a", b""], id="empty data"),
    pytest.param(b"data\n\ndata\ndata\n\n", [b"", b"\n"], id="data without a colon"),
    pytest.param(b": ping\n\n:\n\ndata: a\n\n", [b"a"], id="comments"),
    pytest.param(b"event: message\nid: 7\nretry: 10\ndata: a\n\n", [b"a"], id="other fields"),
    pytest.param(b"data: a\n: ping\ndata: b\n\n", [b"a\nb"], id="a comment within an event"),
    pytest.param(b"database: a\n\n data: b\n\nDATA: c\n\n", [], id="fields that look like data"),
    pytest.param(BOM + b"data: a\n\ndata: b\n\n", [b"a", b"b"], id="a byte order mark"),
    pytest.param(BOM + b"data: a\r\n\r\n", [b"a"], id="a byte order mark before CRLF"),
    pytest.param(BOM + b"data: a", [b"a"], id="a byte order mark and no end of line"),
    pytest.param(b"data: a\n\n" + BOM + b"data: b\n\n", [b"a"], id="a byte order mark in the middle"),
    pytest.param(b"data: a\n" + BOM + b"data: b", [b"a"], id="a byte order mark in the last line"),
    pytest.param(b"data: a\n\ndata: b\n", [b"a", b"b"], id="the last empty line is missing"),
    pytest.param(b"data: a\n\ndata: b", [b"a", b"b"], id="the last line end is missing"),
    pytest.param(b"data: a\ndata: b", [b"a\nb"], id="the end of a second data line is missing"),
    pytest.param(b"data: a\n\nevent: x", [b"a"], id="the last line is no data"),
    pytest.param("data: \u2028\u0085\x0b\x1c\n\n".encode(), ["\u2028\u0085\x0b\x1c".encode()], id="Unicode line ends"),
    pytest.param(b"", [], id="nothing"),
    pytest.param(b"\n\r\n\r\n\n", [], id="only empty lines"),
]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("body", "events"), BODIES)
def test_a_body_has_the_same_events_in_pieces_of_every_size(body, events, size):
    assert decode(body, size) == events


@pytest.mark.parametrize(("body", "events"), BODIES)
@pytest.mark.parametrize("between", [(), (b"",)], ids=["", "an empty piece between"])
def test_a_body_may_be_split_anywhere(body, events, between):
    for cut in range(len(body) + 1):
        decoder = SSEDecoder()
        found = [event for piece in (body[:cut], *between, body[cut:]) for event in decoder.feed(piece)]
        assert found + decoder.close() == events


@pytest.mark.parametrize(
    ("piece", "events"),
    [
        (b"data: a\n\n", [b"a"]),
        (b"data: a\n\ndata: b\n\ndata: c\n\n", [b"a", b"b", b"c"]),
        (b"data: a\ndata: b\n\n", []),
        (b"data: a\n\nid: 7\n\n", []),
        (b"data: a\n\n\n\n", []),
        (b"data: a\r\n\n", []),
        (b"data: a\n", []),
        (b"data:a\n\n", []),
        (b"id: 7\ndata: a\n\n", []),
    ],
)
def test_a_piece_of_complete_events_is_split_without_reading_lines(piece, events):
    assert _whole_events(piece) == events


def by_the_specification(body: bytes) -> list[bytes]:
    """The data of each event; unlike in the specification, the last event needs no blank line after it."""
    events, data = [], []
    for line in [*re.split(rb"\r\n|\n|\r", body.removeprefix(BOM)), b""]:
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif not line and data:
            events.append(b"\n".join(data))
            data = []
    return events


PIECES = st.sampled_from([b"data:", b"data", b" ", b"\n", b"\r", b"\r\n", b"\n\n", b"a", b":", b"data: b\n\n", BOM])


@given(st.lists(PIECES, max_size=12))
def test_events_in_pieces_are_those_that_the_specification_reads(pieces):
    decoder = SSEDecoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]

    assert events + decoder.close() == by_the_specification(b"".join(pieces))


def test_events_are_returned_as_soon_as_they_are_complete():
    decoder = SSEDecoder()

    assert decoder.feed(b"data: a\n") == []
    assert decoder.feed(b"\ndata: b\n\nda") == [b"a", b"b"]
    assert decoder.feed(b"ta: c\r") == []
    assert decoder.feed(b"\r") == [b"c"]
    assert decoder.close() == []


def test_a_closed_decoder_is_empty():
    decoder = SSEDecoder()
    decoder.feed(b"data: a")

    assert decoder.close() == [b"a"]
    assert decoder.close() == []
