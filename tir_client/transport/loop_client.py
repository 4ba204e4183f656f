"""LoopClient: the async httpx client that all models in an event loop share."""

from __future__ import annotations

import asyncio
import os
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.request import getproxies

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    import httpx

    Proxies = tuple[tuple[str, str], ...]


PROXY_SCHEMES = frozenset({"http", "https", "all"})
"""Schemes whose proxies httpx uses: `getproxies` returns every variable whose name ends in `_proxy`."""


def proxies() -> Proxies:
    """The proxies in the environment, and the hosts that need none."""
    return tuple(sorted(getproxies().items()))


def has_proxies() -> bool:
    """Whether the environment sets a proxy. Only httpx's own transports support proxies."""
    return bool(getproxies().keys() & PROXY_SCHEMES)


class LoopClient:
    """The shared async client of one event loop, whose connection limit applies to all users together.

    It is closed with its loop, when its last user leaves, or at the end of the program.

    Args:
        loop: The running loop.
        client: The client.

    Attributes:
        loop: The loop.
        client: The client.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, client: httpx.AsyncClient) -> None:
        self.loop = loop
        self.client = client
        self._users: set[int] = set()
        self._waits_to_close = has_proxies()
        self._guard = _closed_with_loop(client, is_for_proxies=self._waits_to_close)

    @classmethod
    async def shared(cls, make: Callable[[], httpx.AsyncClient]) -> LoopClient:
        """The client of the running loop for the current proxies. `make` creates it if there is none."""
        loop = asyncio.get_running_loop()
        key = (id(loop), proxies())
        found = _CLIENTS.get(key)
        if found is None or found.loop is not loop or found.client.is_closed:
            found = _CLIENTS[key] = cls(loop, make())
            await anext(found._guard)
        return found

    def join(self, user: object) -> weakref.finalize[[int], object]:
        """Add a user, and return a function that removes it. Garbage collection also removes it."""
        self._users.add(id(user))
        return weakref.finalize(user, self._leave, id(user))

    async def aleave(self, user: object) -> None:
        """Remove a user, and close the client if it was the last, in its own loop."""
        self._users.discard(id(user))
        if not self._users:
            await self._guard.aclose()

    def is_usable(self) -> bool:
        """Whether neither the loop nor the client is closed."""
        return not self.loop.is_closed() and not self.client.is_closed

    def _leave(self, user: int) -> None:
        """Remove a user in any thread, whether the loop runs or is closed."""
        self._users.discard(user)
        if self.loop.is_closed():
            self._close_at_once()
        elif not self._users and (self.loop.is_running() or self._waits_to_close):
            with suppress(RuntimeError):  # the loop was closed in the meantime
                self.loop.call_soon_threadsafe(self._close_in_loop)
        elif not self._users:
            self._close_at_once()

    def _close_in_loop(self) -> None:
        if self._users:
            return  # a user was added in the meantime
        if not self._waits_to_close:
            self._close_at_once()
            return
        # A loop that shuts down cancels tasks first and closes async generators later: keep `self` alive until then.
        _LEFT.difference_update([one for one in _LEFT if one.loop.is_closed()])
        _LEFT.add(self)
        task = self.loop.create_task(self._guard.aclose())
        task.add_done_callback(lambda done: None if done.cancelled() else _LEFT.discard(self))

    def _close_at_once(self) -> None:
        with suppress(StopIteration, RuntimeError):
            self._guard.aclose().send(None)


_CLIENTS: weakref.WeakValueDictionary[tuple[int, Proxies], LoopClient] = weakref.WeakValueDictionary()
_LEFT: set[LoopClient] = set()
"""Clients for proxies that are being closed."""


async def _closed_with_loop(client: httpx.AsyncClient, *, is_for_proxies: bool) -> AsyncGenerator[None]:
    """Close `client` when its loop shuts down its async generators.

    A client for proxies stays open in a forked child, whose sockets' registration with the system is the parent's.
    """
    pid = os.getpid()
    try:
        yield
    finally:
        if not is_for_proxies or os.getpid() == pid:
            with suppress(RuntimeError):  # httpx's client for proxies, in a closed loop
                await client.aclose()
