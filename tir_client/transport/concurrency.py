"""Sends the requests of one call, such as batches of texts to embed, concurrently in threads or tasks."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

Item = TypeVar("Item")
Result = TypeVar("Result")


def _ignore(_: object) -> None:
    pass


def run_each(
    call: Callable[[Item], Result], items: Sequence[Item], limit: int, done: Callable[[Result], object] = _ignore
) -> list[Result]:
    """Call `call` with each item, in threads if there are several; return the results in the order of the items.

    Args:
        call: The function. Threads have the caller's context variables.
        items: The arguments. After a failure, no further calls are started.
        limit: Maximum number of calls at a time.
        done: Called with each result, in order, in the caller's thread.
    """
    if len(items) <= 1:
        return _noted(map(call, items), done)
    context = copy_context()
    with ThreadPoolExecutor(limit) as pool:
        return _noted(pool.map(lambda item: context.copy().run(call, item), items), done)


def _noted(results: Iterable[Result], done: Callable[[Result], object]) -> list[Result]:
    noted = []
    for result in results:
        noted.append(result)
        done(result)
    return noted


async def arun_each(
    call: Callable[[Item], Awaitable[Result]],
    items: Sequence[Item],
    limit: int,
    done: Callable[[Result], object] = _ignore,
) -> list[Result]:
    """`run_each` for async code; `done` is called as results arrive. After a failure, the other calls are cancelled."""
    free = asyncio.Semaphore(limit)

    async def run(item: Item) -> Result:
        async with free:
            result = await call(item)
        done(result)
        return result

    tasks = [asyncio.ensure_future(run(item)) for item in items]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
