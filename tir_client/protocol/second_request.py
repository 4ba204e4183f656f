"""Decides whether an answer needs a second request: after a stop word, or for a missing call. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tir_client.protocol.forced_call import ForcedCall
from tir_client.protocol.stopped_answer import StoppedAnswer

if TYPE_CHECKING:
    from tir_client.protocol.accumulator import Accumulator, Delta
    from tir_client.protocol.requests import ChatRequest


class SecondRequest:
    """Checks an answer to `request`, and merges the answer to a second request into it.

    Args:
        request: The request.
        lenient: Return an answer without a demanded call, instead of raising.

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
        """Return the request that a complete answer still needs, or None.

        Raises:
            ForcedToolError: The answer has no demanded call, and the call cannot be requested again.
        """
        failed = next((check for check in self._checks if not check.check(accumulator)), None)
        self.pending = None if failed is None else failed.second
        return self.pending

    def pass_through(self, delta: Delta) -> bool:
        """Whether to yield a delta. The end of an answer that needs a second request is held back."""
        if delta.final:
            return self.check(delta.accumulator) is None
        return self._stopped.pass_through(delta) and self._forced.pass_through(delta)

    def merge(self, accumulator: Accumulator, second: Accumulator) -> list[Delta]:
        """Add the second answer to the first one, and return its deltas. Call `check` again afterwards.

        Raises:
            ForcedToolError: The second answer has no call either.
        """
        self.pending = None
        check = next(check for check in self._checks if check.second is not None)
        return check.rescue(accumulator, second)
