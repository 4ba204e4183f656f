"""An async generator inside another one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable

Item = TypeVar("Item")


class Enclosed(Generic[Item]):
    """`contextlib.aclosing` for a generator that another generator reads: closed with it, and by nobody else.

    An event loop that shuts down closes all async generators that were begun in it, at the same time. One that closes
    the generator inside it, and that generator, would then be in each other's way, which asyncio logs as an error. So
    the loop does not get to know of the inner one.
    """

    __slots__ = ("_begun", "_stream")

    def __init__(self, stream: AsyncGenerator[Item]) -> None:
        self._stream = stream
        self._begun = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stream.aclose()

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Awaitable[Item]:
        if self._begun:
            return self._stream.__anext__()
        self._begun = True
        hooks = sys.get_asyncgen_hooks()  # which a generator takes when it is asked for its first item
        sys.set_asyncgen_hooks(None, _ignore)
        try:
            return self._stream.__anext__()
        finally:
            sys.set_asyncgen_hooks(*hooks)


def _ignore(_: AsyncGenerator[Any]) -> None:
    """Stands for the loop's hook that closes what was forgotten: the generator around this one is closed so."""
