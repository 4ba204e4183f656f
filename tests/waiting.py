"""Waits for conditions that other threads or tasks fulfil."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from tir_sandbox import Sandbox

PATIENCE = 60.0
"""Seconds after which to give up. A test that passes takes far less, on any machine."""


def until(condition: Callable[[], Any], within: float = PATIENCE) -> bool:
    """Wait for a condition and return whether it came true."""
    end = time.monotonic() + within
    while not (met := condition()) and time.monotonic() < end:
        time.sleep(0.005)
    return bool(met)


async def auntil(condition: Callable[[], Any], within: float = PATIENCE) -> bool:
    """Wait for a condition while the event loop runs."""
    return await asyncio.to_thread(until, condition, within)


async def most_under_way(sandbox: Sandbox, call: Awaitable[Any], expected: int) -> int:
    """Return how many requests a call sends at once, if the sandbox answers them much later.

    The call is cancelled shortly after `expected` requests have arrived, so that one too many would be noticed.
    """
    task = asyncio.ensure_future(call)
    await auntil(lambda: len(sandbox.requests) >= expected or task.done())
    await auntil(lambda: len(sandbox.requests) > expected, within=0.2)
    assert not any(request.finished for request in sandbox.requests)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return len(sandbox.requests)
