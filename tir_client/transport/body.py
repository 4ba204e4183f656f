"""Reads the bodies of responses, each twice: for a sync and for an async one."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tir_client.errors import TIRError
from tir_client.transport.failures import transport_errors
from tir_client.transport.limits import hanging_up

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tir_client.transport.attempt import Call

ERROR_BYTES = 64 * 1024
"""How much of an error body is read; a gateway's page may be any size."""

DRAIN_SECONDS = 0.5
"""How long the end of a body may take after `[DONE]`; reading it keeps the connection for the next request."""


def read_whole(response: Any, call: Call) -> bytes:
    """All of a body."""
    content = bytearray()
    for data in response.iter_bytes():
        content += data
        call.check_time()
    call.check_time()
    return bytes(content)


async def aread_whole(response: Any, call: Call) -> bytes:
    """`read_whole` for an async response."""
    content = bytearray()
    async for data in response.aiter_bytes():
        content += data
        call.check_time()
    call.check_time()
    return bytes(content)


def read_refusal(response: Any, call: Call) -> bytes:
    """The body of an error, or its beginning: the status has said the most, whatever happens to the rest."""
    content = bytearray()
    with suppress(TIRError, *transport_errors()), call.watch_refusal(response):
        for data in response.iter_bytes():
            content += data
            if len(content) > ERROR_BYTES:
                break
            call.check_time()
    return bytes(content)


async def aread_refusal(response: Any, call: Call) -> bytes:
    """`read_refusal` for an async response."""
    content = bytearray()
    with suppress(TIRError, *transport_errors()), call.watch_refusal(response):
        async for data in response.aiter_bytes():
            content += data
            if len(content) > ERROR_BYTES:
                break
            call.check_time()
    return bytes(content)


def pieces(response: Any) -> Iterator[bytes]:
    """The body of a streamed answer as it arrives."""
    chunks: Iterator[bytes] = response.iter_raw() if _is_plain(response) else response.iter_bytes()
    return chunks


def apieces(response: Any) -> AsyncIterator[bytes]:
    """`pieces` of an async response."""
    chunks: AsyncIterator[bytes] = response.aiter_raw() if _is_plain(response) else response.aiter_bytes()
    return chunks


def _is_plain(response: Any) -> bool:
    """Whether a body needs no decoder, which costs time at each piece: nearly always, as no compression is asked for.

    A transport that is no network, as in a test, has read the body already.
    """
    return "content-encoding" not in response.headers and not response.is_stream_consumed


def drain(chunks: Iterator[bytes], response: Any) -> None:
    """Read what follows `[DONE]`, so that the connection can be used again; give it up if that takes long."""
    if response.is_closed:
        return  # the body has ended already
    try:
        with hanging_up(response, DRAIN_SECONDS):
            for _ in chunks:
                pass
    except transport_errors():
        response.close()


async def adrain(chunks: AsyncIterator[bytes], response: Any) -> None:
    """`drain` for an async response."""
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in chunks:
                pass
    except TimeoutError:
        await response.aclose()
    except transport_errors():
        await response.aclose()
