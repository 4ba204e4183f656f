"""Reads response bodies. Each function has a sync and an async version."""

from __future__ import annotations

import time
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tir_client.errors import TIRError
from tir_client.transport.failures import transport_errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tir_client.transport.clock import Clock
    from tir_client.transport.http_call import HTTPCall

ERROR_BYTES = 64 * 1024
"""Maximum number of bytes of an error body that are read and decompressed."""

DRAIN_SECONDS = 0.5
"""Seconds to wait for the end of a body after `[DONE]`, which makes the connection reusable."""

CLOSE = "close"
"""The extension of our async transport's responses with a function that closes them without a task, in any thread."""


def pieces(response: Any) -> Iterator[bytes]:
    """Iterate over a body as it arrives."""
    chunks: Iterator[bytes] = response.iter_raw() if _is_plain(response) else response.iter_bytes()
    return chunks


def apieces(response: Any) -> AsyncIterator[bytes]:
    """`pieces` for an async response."""
    chunks: AsyncIterator[bytes] = response.aiter_raw() if _is_plain(response) else response.aiter_bytes()
    return chunks


def _is_plain(response: Any) -> bool:
    """Whether a body can be read without httpx's decoder, which takes time for each piece.

    A mock transport may already have read the body.
    """
    return "content-encoding" not in response.headers and not response.is_stream_consumed


def read_whole(response: Any, call: HTTPCall) -> bytes:
    """Read a whole body."""
    content = bytearray()
    for data in pieces(response):
        content += data
        call.check_time()
    call.check_time()
    return bytes(content)


async def aread_whole(response: Any, call: HTTPCall, clock: Clock) -> bytes:
    """`read_whole` for an async response."""
    content, chunks = bytearray(), apieces(response)
    with suppress(StopAsyncIteration):
        while True:
            content += await clock.wait(anext(chunks), call.timeouts.chunk)
    call.check_time()
    return bytes(content)


def read_error_body(response: Any, call: HTTPCall) -> bytes:
    """Read the body of an error response, or its beginning if the rest is late, broken or too long.

    It waits for at most the `chunk` timeout.
    """
    raw, encoding = bytearray(), _encoding(response)
    ends = _ends(call)
    with suppress(TIRError, *transport_errors()):
        for data in response.iter_raw() if encoding else pieces(response):
            raw += data
            if len(raw) > ERROR_BYTES or time.monotonic() >= ends:
                break
    return _inflated(raw, encoding)


async def aread_error_body(response: Any, call: HTTPCall, clock: Clock) -> bytes:
    """`read_error_body` for an async response."""
    raw, encoding = bytearray(), _encoding(response)
    chunks = response.aiter_raw() if encoding else apieces(response)
    ends = _ends(call)
    with suppress(StopAsyncIteration, TimeoutError, TIRError, *transport_errors()):
        while len(raw) <= ERROR_BYTES:
            raw += await clock.wait(anext(chunks), ends - time.monotonic())
    return _inflated(raw, encoding)


def _ends(call: HTTPCall) -> float:
    seconds = call.timeouts.chunk
    return time.monotonic() + min(call.seconds_left, float("inf") if seconds is None else seconds)


def _encoding(response: Any) -> str:
    """The compression of a body that has not been read; empty if there is none."""
    encoding: str = response.headers.get("content-encoding", "").strip().lower()
    return "" if response.is_stream_consumed else encoding


def _inflated(raw: bytearray, encoding: str) -> bytes:
    """Decompress the body of an error up to `ERROR_BYTES`: a few bytes may expand to a gigabyte."""
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        return bytes(raw)
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress(raw, ERROR_BYTES)
    except zlib.error:
        return bytes(raw)


def drain(response: Any, call: HTTPCall) -> None:
    """Read the end of the body after `[DONE]` to make the connection reusable; close it if that takes too long.

    Without a network stream, such as in a mock transport, reads have no known limit, so it is closed at once.
    """
    if response.is_closed:
        return  # the body has ended already
    if "network_stream" in response.extensions:
        call.set_read_timeout(DRAIN_SECONDS)
        ends = time.monotonic() + DRAIN_SECONDS
        with suppress(*transport_errors()):
            for _ in response.stream:
                if time.monotonic() >= ends:
                    break
    response.close()


async def adrain(chunks: AsyncIterator[bytes], response: Any, clock: Clock) -> None:
    """`drain` for an async response."""
    with suppress(TimeoutError, *transport_errors()):
        await clock.wait(_exhaust(chunks), DRAIN_SECONDS)
    await response.aclose()


async def _exhaust(chunks: AsyncIterator[bytes]) -> None:
    async for _ in chunks:
        pass
