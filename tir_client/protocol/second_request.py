"""Decides whether an answer needs a second request: after a stop word, or for a missing call. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tir_client.protocol.forced_call import ForcedCall
from tir_client.protocol.stopped_answer import StoppedAnswer

if TYPE_CHECKING:
    from tir_client.protocol.accumulator import Accumulator, Delta
    from tir_client.protocol.requests import ChatRequest


class SecondRequest:
    """Checks the answer to `request`, and merges the answer to a second request into it.

    Args:
        request: The request.
        lenient: Accept an answer without a required call, instead of raising.

    Attributes:
        request: The request.
        pending: The second request, set by `check`.
    """

    def __init__(self, request: ChatRequest, *, lenient: bool) -> None:
        self.request = request
        self.pending: ChatRequest | None = None
        self._stopped = StoppedAnswer(request)
        self._forced = ForcedCall(request, lenient=lenient)
        self._checks: tuple[StoppedAnswer | ForcedCall, ...] = (self._stopped, self._forced)

    def check(self, accumulator: Accumulator) -> ChatRequest | None:
        """Return the second request that a complete answer needs, or None.

        Raises:
            ForcedToolError: The required call is missing and cannot be requested again.
        """
        failed = next((check for check in self._checks if not check.accepts(accumulator)), None)
        self.pending = None if failed is None else failed.second
        return self.pending

    def pass_through(self, delta: Delta) -> bool:
        """Whether to yield a delta. The end of an answer that needs a second request is held back.

        The finish reason of such an answer is removed from the delta.
        """
        if delta.final:
            return self.check(delta.accumulator) is None
        return self._stopped.pass_through(delta) and self._forced.pass_through(delta)

    def merge(self, accumulator: Accumulator, second: Accumulator) -> list[Delta]:
        """Merge the second answer into the first one, and return its deltas. Call `check` again afterwards.

        Raises:
            ForcedToolError: The second answer has no call either.
        """
        self.pending = None
        check = next(check for check in self._checks if check.second is not None)
        return check.merge(accumulator, second)
