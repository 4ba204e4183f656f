"""Watches over a demanded tool call on its way through a whole or streamed answer. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tir_client.protocol.tool_choice import rescue_request, rescued_call

if TYPE_CHECKING:
    from tir_client.protocol.accumulator import Accumulator, Delta
    from tir_client.protocol.requests import ChatRequest


class ForcedCall:
    """Knows whether `request` demands a call, and what to do if the server ignores that.

    Attributes:
        demanded: There is something to watch at all.
        second: The request that rescues the call, once the answer has shown that it must be.
    """

    def __init__(self, request: ChatRequest) -> None:
        self.demanded = request.tool_choice not in (None, "auto", "none")
        self.second: ChatRequest | None = None
        self._request = request

    def examine(self, so_far: Accumulator) -> bool:
        """Look at a finished answer; True if it holds the call, else `second` is set.

        Raises:
            ForcedToolError: The call cannot be rescued.
        """
        self.second = rescue_request(self._request, so_far.completion()) if self.demanded else None
        return self.second is None

    def allows(self, delta: Delta) -> bool:
        """Whether a delta may pass: an end without the call is held back until the call has been rescued."""
        if delta.final:
            return self.examine(delta.so_far)
        if delta.finish_reason and not delta.so_far.choice(delta.index).tools:
            delta.finish_reason = None
            return bool(delta.text or delta.reasoning or delta.refusal or delta.logprobs)
        return True

    def settle(self, so_far: Accumulator, rescue: Accumulator) -> list[Delta]:
        """Put the call from the answer to `second` into the first answer; return the deltas that say so."""
        answer = rescue.completion()
        call = rescued_call(self._request, so_far.completion(), answer)
        return [so_far.rescue(call, answer.usage), so_far.finish()]
