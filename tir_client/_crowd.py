"""A transport made of several pools of connections, for many async calls at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

CALLS = 16
"""How many calls one pool serves at once, more or less."""


class Crowd(httpx.AsyncBaseTransport):
    """Spreads calls over as many pools as they need.

    httpx looks at all connections of a pool whenever a call begins or ends. With a thousand streams that costs more
    than all else, so no pool gets many. Only the first one is kept when it has nothing to do.

    Args:
        make: Makes the transport of one more pool.
    """

    def __init__(self, make: Callable[[], httpx.AsyncBaseTransport]) -> None:
        self._make = make
        self._pools: list[_Pool] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request through the first pool that has room."""
        pool = next((pool for pool in self._pools if pool.calls < CALLS), None)
        if pool is None:
            pool = _Pool(self._make())
            self._pools.append(pool)
        pool.calls += 1
        try:
            response = await pool.transport.handle_async_request(request)
        except BaseException:
            await self.leave(pool)
            raise
        response.stream = _Answer(response.stream, self, pool)
        return response

    async def leave(self, pool: _Pool) -> None:
        """A call of a pool has ended."""
        pool.calls -= 1
        if not pool.calls and pool in self._pools[1:]:
            self._pools.remove(pool)
            await pool.transport.aclose()

    async def aclose(self) -> None:
        """Close all pools."""
        pools, self._pools = self._pools, []
        for pool in pools:
            await pool.transport.aclose()


class _Pool:
    __slots__ = ("calls", "transport")

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self.transport = transport
        self.calls = 0


class _Answer(httpx.AsyncByteStream):
    """The body of an answer, whose end is the end of the call."""

    def __init__(self, body: Any, crowd: Crowd, pool: _Pool) -> None:
        self._body = body
        self._crowd = crowd
        self._pool: _Pool | None = pool

    def __aiter__(self) -> AsyncIterator[bytes]:
        chunks: AsyncIterator[bytes] = self._body.__aiter__()
        return chunks

    async def aclose(self) -> None:
        pool, self._pool = self._pool, None
        try:
            await self._body.aclose()
        finally:
            if pool is not None:
                await self._crowd.leave(pool)
