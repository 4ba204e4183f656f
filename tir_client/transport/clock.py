"""Clock: the timeouts of an async call, which apply with any HTTP client."""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable

Result = TypeVar("Result")


class Clock:
    """Limits each wait of one call, and their total time.

    It has one timer for the whole call, which is reset only when it fires, so a wait that ends in time costs little.
    `asyncio.timeout` would set a timer for each wait.

    Args:
        seconds: How long the whole call may take from now on.
    """

    __slots__ = ("_cancelling", "_deadline", "_ends", "_expired", "_loop", "_task", "_timer")

    def __init__(self, seconds: float = inf) -> None:
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + seconds
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._ends = inf
        self._expired = False

    async def wait(self, work: Awaitable[Result], seconds: float | None) -> Result:
        """Await `work` for at most `seconds`, and no longer than the whole call may take.

        Raises:
            TimeoutError: The time was over; `work` was cancelled.
        """
        self._begin(seconds)
        try:
            return await work
        except BaseException:
            if not self._is_expired():
                raise
        finally:
            self._is_expired()
            self._task = None
        raise TimeoutError  # outside `except`, to keep no reference to the CancelledError

    @property
    def is_loop_closed(self) -> bool:
        """Whether the event loop is closed."""
        return self._loop.is_closed()

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin(self, seconds: float | None) -> None:
        self._ends = self._deadline if seconds is None else min(self._loop.time() + seconds, self._deadline)
        if self._ends == inf:
            return
        self._task = task = asyncio.current_task()
        if task is not None:
            self._cancelling = task.cancelling()
        if self._timer is None:
            self._timer = self._loop.call_at(self._ends, self._ring)
        elif self._ends < self._timer.when():
            self._timer.cancel()
            self._timer = self._loop.call_at(self._ends, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._task is None:
            return  # no wait is running; the next one sets the timer
        if self._loop.time() < self._ends:
            self._timer = self._loop.call_at(self._ends, self._ring)
        else:
            self._expired = True
            self._task.cancel()

    def _is_expired(self) -> bool:
        """Whether this clock, and nothing else, cancelled the wait."""
        if not self._expired or self._task is None:
            return False
        self._expired = False
        return self._task.uncancel() <= self._cancelling
