"""Runs several calls at a time: in threads for sync code, in tasks for async code."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

Item = TypeVar("Item")
Result = TypeVar("Result")


def _ignore() -> None:
    pass


def run_each(
    call: Callable[[Item], Result], items: Sequence[Item], limit: int, done: Callable[[], object] = _ignore
) -> list[Result]:
    """Call `call` with each item, in threads if there are several, and return the results in the order of the items.

    Args:
        call: What to call. In a thread it has the context variables of the caller.
        items: The arguments. When a call fails, those that wait are not called.
        limit: Most calls at a time.
        done: Called in the caller's thread once per result.
    """
    results = []
    if len(items) <= 1:
        for item in items:
            results.append(call(item))
            done()
        return results
    context = copy_context()
    with ThreadPoolExecutor(limit) as pool:
        for result in pool.map(lambda item: context.copy().run(call, item), items):
            results.append(result)
            done()
    return results


async def arun_each(
    call: Callable[[Item], Awaitable[Result]],
    items: Sequence[Item],
    limit: int,
    done: Callable[[], object] = _ignore,
) -> list[Result]:
    """`run_each` for async code. When a call fails, the others are cancelled."""
    free = asyncio.Semaphore(limit)

    async def run(item: Item) -> Result:
        async with free:
            result = await call(item)
        done()
        return result

    tasks = [asyncio.ensure_future(run(item)) for item in items]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
