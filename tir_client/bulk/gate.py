"""Gate: holds back the requests of a bulk run while the controller's limit is reached."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tir_client.bulk.controller import Controller


class Gate:
    """Counts the requests under way and makes others wait. Retries go before new requests."""

    def __init__(self, controller: Controller) -> None:
        self.under_way = 0
        self._controller = controller
        self._again: deque[asyncio.Future[None]] = deque()
        self._new: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def enter(self, *, again: bool = False) -> None:
        """Wait until a request may be sent. Call `leave` afterwards."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        (self._again if again else self._new).append(turn)
        self.admit()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()
            raise

    def leave(self) -> None:
        """Report that a request has ended."""
        self.under_way -= 1
        self.admit()

    def admit(self) -> None:
        """Admit as many waiting requests as the limit allows. Call it when the controller has raised its limit."""
        loop = asyncio.get_running_loop()
        while (waiting := self._again or self._new) and self._is_open(loop.time()):
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self.under_way += 1
        if waiting and self._timer is None and loop.time() < self._controller.resume_at:
            self._timer = loop.call_at(self._controller.resume_at, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self.admit()

    def _is_open(self, now: float) -> bool:
        return self.under_way < self._controller.limit and now >= self._controller.resume_at
