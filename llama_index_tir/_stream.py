"""The deltas of a stream to LlamaIndex's responses, each of which holds the whole answer so far. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llama_index.core.base.llms.types import ChatResponse, ContentBlock, TextBlock, ThinkingBlock, ToolCallBlock
from pydantic_core import from_json

from llama_index_tir._messages import assistant, from_completion, from_logprobs, to_block, to_told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llama_index_tir._blocks import Json
    from tir_client import ChoiceSoFar, Delta, ToolCall

SMALL = 2_000
"""Characters of arguments that are parsed anew with each piece; longer ones only when they have grown by an eighth."""


class GrowingResponse:
    """Adds up the deltas of one answer, in time that grows with the answer and not with its square.

    Args:
        names: The names of tools that were sent under other names, by those.
    """

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        self._names = names or {}
        self._thinking: list[ContentBlock] = []
        self._calls: list[ToolCallBlock] = []
        self._told: list[Json] = []
        self._arguments: dict[str, _PartialArguments] = {}

    def add(self, delta: Delta) -> ChatResponse:
        """The response that follows one delta. The last one is that of the whole answer, with the usage."""
        if delta.final:
            whole = from_completion(delta.so_far.completion(), self._names)
            whole.delta = ""
            return whole
        state = delta.so_far.choice(delta.index)
        if delta.reasoning:
            self._thinking = [ThinkingBlock(content=state.reasoning)]
        if delta.tool_calls:
            self._take_calls(state)
        return ChatResponse(
            message=assistant([*self._thinking, TextBlock(text=state.text), *self._calls], self._told),
            delta=delta.text,
            raw=delta.event,
            logprobs=from_logprobs(delta.logprobs),
            additional_kwargs=_told_of(delta),
        )

    def _take_calls(self, state: ChoiceSoFar) -> None:
        calls = state.tools.calls()
        self._calls = [to_block(call, self._names, self._parsed(call)) for call in calls]
        self._told = [to_told(call, self._names) for call in calls]

    def _parsed(self, call: ToolCall) -> Json:
        return self._arguments.setdefault(call.id, _PartialArguments()).parse(call.arguments)


class _PartialArguments:
    """The arguments of a call while they arrive: what can be known of an object that is not closed yet."""

    __slots__ = ("_known", "_size")

    def __init__(self) -> None:
        self._size = -1
        self._known: Json = {}

    def parse(self, text: str) -> Json:
        if len(text) != self._size and (len(text) <= SMALL or len(text) >= self._size * 9 / 8):
            self._size = len(text)
            self._known = _partial(text, self._known)
        return self._known


def _partial(text: str, known: Json) -> Json:
    try:
        value = from_json(text, allow_partial="trailing-strings")
    except ValueError:
        return known
    return value if isinstance(value, dict) else known


def _told_of(delta: Delta) -> Json:
    told: Json = {}
    if delta.reasoning:
        told["thinking_delta"] = delta.reasoning
    if delta.finish_reason:
        told["finish_reason"] = delta.finish_reason
    return told
