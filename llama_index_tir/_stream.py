"""Converts stream deltas to LlamaIndex's responses, each with the whole answer so far. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llama_index.core.base.llms.types import ChatResponse, ContentBlock, TextBlock, ThinkingBlock

from llama_index_tir._messages import from_completion, from_logprobs, to_block, to_message
from llama_index_tir._raw import Raw, to_openai_call
from tir_client.protocol.json_text import PartialJson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tir_client.protocol.accumulator import Delta
    from tir_client.protocol.cost import Price
    from tir_client.protocol.responses import Json, ToolCall


_MESSAGE = to_message([], [])
"""A template to copy, which is faster than the constructor. Other classes are faster to construct."""


class DeltaMapper:
    """Converts the deltas of one answer to responses, in linear time.

    Args:
        names: Original tool names by the names sent, for tools that were renamed.
        price: The price of the model, for the cost in the last response.
    """

    def __init__(self, names: Mapping[str, str] | None = None, price: Price | None = None) -> None:
        self._names = names or {}
        self._price = price
        self._reasoning = ""
        self._calls: list[ToolCall] = []
        self._arguments: dict[str, PartialJson] = {}

    def map(self, delta: Delta) -> ChatResponse:
        """Return the response for one delta. The last one has the usage.

        Responses do not share blocks, so changing them does not affect later responses.
        """
        if delta.final:
            whole = from_completion(delta.accumulator.completion(), self._names, self._price)
            whole.delta = ""
            return whole
        choice = delta.accumulator.choice(delta.index)
        if delta.reasoning:
            self._reasoning = choice.reasoning
        if delta.tool_calls:
            self._calls = choice.tools.calls()
        blocks: list[ContentBlock] = [TextBlock(text=choice.text)]
        if self._reasoning:
            blocks.insert(0, ThinkingBlock(content=self._reasoning))
        kwargs: Json = {}
        if self._calls:
            blocks += [to_block(call, self._names, self._parsed(call)) for call in self._calls]
            kwargs["tool_calls"] = [to_openai_call(call, self._names) for call in self._calls]
        return ChatResponse(
            message=_MESSAGE.model_copy(update={"blocks": blocks, "additional_kwargs": kwargs}),
            delta=delta.text,
            raw=Raw(delta.event),
            logprobs=from_logprobs(delta.logprobs),
            additional_kwargs=_delta_kwargs(delta),
        )

    def _parsed(self, call: ToolCall) -> Json:
        return {**self._arguments.setdefault(call.id, PartialJson()).parse(call.arguments)}


def _delta_kwargs(delta: Delta) -> Json:
    kwargs: Json = {}
    if delta.reasoning:
        kwargs["thinking_delta"] = delta.reasoning
    if delta.finish_reason:
        kwargs["finish_reason"] = delta.finish_reason
    return kwargs
