"""Converts stream deltas to LangChain's chunks, whose sum equals the message of a whole answer. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import invalid_tool_call, tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.utils.json import parse_partial_json

from langchain_tir._content_blocks import PROVIDER
from langchain_tir._messages import (
    additional_kwargs,
    cost_metadata,
    end_metadata,
    finish_metadata,
    other_choices,
    set_only,
    start_metadata,
    usage_metadata,
)
from langchain_tir._past_calls import CLOSED
from tir_client.protocol.responses import NO_ARGUMENTS

if TYPE_CHECKING:
    from langchain_core.messages import InvalidToolCall, ToolCallChunk
    from langchain_core.messages import ToolCall as ParsedCall

    from tir_client.protocol.accumulator import Accumulator, Delta
    from tir_client.protocol.cost import Price
    from tir_client.protocol.responses import Completion, Json, ToolCall, ToolCallDelta


class DeltaMapper:
    """Convert the deltas of one answer to chunks.

    A LangChain stream is one message, so the chunks are those of the first choice, as with `invoke`. The other choices
    are in the last chunk's `response_metadata["other_choices"]`.

    Args:
        price: The price of the model, for the cost in the last chunk's `response_metadata`.
    """

    __slots__ = ("_arguments", "_head", "_price")

    def __init__(self, price: Price | None = None) -> None:
        self._price = price
        self._head: Json = {}
        self._arguments = _Arguments()

    def map(self, delta: Delta) -> ChatGenerationChunk | None:
        """The chunk for a delta, or None if it belongs to another choice."""
        if delta.final:
            return self._last(delta.accumulator)
        if delta.index:
            return None
        metadata: Json = {"model_provider": PROVIDER}
        if not self._head:
            self._head = start_metadata(delta.accumulator.completion())
            metadata = {**self._head}
        if delta.logprobs:
            metadata["logprobs"] = {"content": delta.logprobs}
        if delta.token_ids:
            metadata["token_ids"] = delta.token_ids
        return _unchecked(
            delta.text,
            additional_kwargs(delta) if delta.reasoning or delta.refusal else {},
            metadata,
            [self._arguments.chunk(piece) for piece in delta.tool_calls],
        )

    def _last(self, accumulator: Accumulator) -> ChatGenerationChunk:
        completion = accumulator.completion()
        first = completion.choice
        calls = accumulator.choice(first.index).tools.shown(cut=first.finish_reason == "length")
        endings = {call.id: ending for call in calls if (ending := ending_for_broken_call(call))}
        rests = [self._arguments.rest(index) + endings.get(call.id, "") for index, call in enumerate(calls)]
        message = AIMessageChunk(
            content="",
            chunk_position="last",
            response_metadata={**self._end(completion), **set_only(**{CLOSED: endings or None})},
            tool_call_chunks=[tool_call_chunk(args=rest, index=index) for index, rest in enumerate(rests) if rest],
            usage_metadata=usage_metadata(completion.usage) if completion.usage else None,
        )
        return ChatGenerationChunk(message=message, generation_info=set_only(finish_reason=first.finish_reason))

    def _end(self, completion: Completion) -> Json:
        """The metadata of the last chunk, including fields of `head` that arrived after the first chunk."""
        late = {name: value for name, value in start_metadata(completion).items() if not self._head.get(name)}
        paid = cost_metadata(completion, self._price)
        last = {**finish_metadata(completion.choice), **end_metadata(completion), **other_choices(completion), **paid}
        return {"model_provider": PROVIDER, **late, **last}


# Templates to copy: LangChain's constructors would cost more than all other work on a chunk.
_MESSAGE = AIMessageChunk(content="", response_metadata={})
_CHUNK = ChatGenerationChunk(message=_MESSAGE)


def _unchecked(text: str, extra: Json, metadata: Json, pieces: list[ToolCallChunk]) -> ChatGenerationChunk:
    """Build a chunk without validation, equal to one that LangChain's constructors build."""
    valid, invalid = _calls_of(pieces)
    message = _MESSAGE.model_copy(
        update={
            "content": text,
            "response_metadata": metadata,
            "additional_kwargs": extra,
            "tool_call_chunks": pieces,
            "tool_calls": valid,
            "invalid_tool_calls": invalid,
        }
    )
    return _CHUNK.model_copy(update={"text": text, "message": message})


def _calls_of(pieces: list[ToolCallChunk]) -> tuple[list[ParsedCall], list[InvalidToolCall]]:
    """Return the calls that LangChain would parse from pieces: valid for an empty text or an object's beginning.

    Other pieces are not parsed, because LangChain would try again with one character less each time.
    """
    calls: list[ParsedCall] = []
    invalid: list[InvalidToolCall] = []
    for piece in pieces:
        if (piece["args"] or "{").lstrip().startswith("{"):
            parsed = AIMessageChunk(content="", tool_call_chunks=[piece])
            calls += parsed.tool_calls
            invalid += parsed.invalid_tool_calls
        else:
            invalid.append(invalid_tool_call(name=piece["name"], args=piece["args"], id=piece["id"], error=None))
    return calls, invalid


class _Arguments:
    """Forwards the arguments of tool calls, except for texts that mean no arguments, such as `null` or `[]`.

    LangChain treats such a text as broken in a stream, but as an empty object in a whole answer.
    """

    __slots__ = ("_held", "_passed", "_words")

    def __init__(self) -> None:
        self._held: dict[int, list[str]] = {}
        self._words: dict[int, str] = {}
        self._passed: set[int] = set()

    def chunk(self, piece: ToolCallDelta) -> ToolCallChunk:
        return tool_call_chunk(name=piece.name, args=self._cleared(piece), id=piece.id, index=piece.index)

    def rest(self, index: int) -> str:
        """The held-back end of arguments that turned out not to be such a text."""
        is_word = self._words.get(index, "").rstrip() in NO_ARGUMENTS
        return "" if is_word else "".join(self._held.pop(index, ()))

    def _cleared(self, piece: ToolCallDelta) -> str:
        if piece.index in self._passed:
            return piece.arguments
        held = self._held.setdefault(piece.index, [])
        held.append(piece.arguments)
        word = self._words.get(piece.index, "")
        if piece.arguments.strip() or not word[-1:].isspace():  # more white space after white space changes nothing
            word = (word + piece.arguments).lstrip()
        if any(known.startswith(word.rstrip()) for known in NO_ARGUMENTS):
            self._words[piece.index] = word
            return ""
        self._passed.add(piece.index)
        return "".join(self._held.pop(piece.index))


def ending_for_broken_call(call: ToolCall) -> str:
    """Return what to append to broken arguments to keep LangChain from repairing them; empty for valid arguments.

    LangChain closes open brackets and drops what it cannot parse, so a call that was cut off would look complete and be
    executed with half its arguments. Only an unmatched bracket makes it report an invalid call, as `invoke` does.

    With `output_version="v1"` the content has a `tool_call_chunk` for such a call, but an `invalid_tool_call` with
    `invoke`: `AIMessageChunk.init_tool_calls` replaces only the blocks of valid calls, `merge_lists` keeps the first
    type of a block, and an own chunk class would break `message_chunk_to_message`.
    """
    if not call.problem():
        return ""
    return next(end for end in ("", "]", "}", '"]', '"}', '""]', '""}') if not _mended(call.arguments + end))


def _mended(arguments: str) -> bool:
    if not arguments.strip():
        return True  # LangChain parses an object
    try:
        return isinstance(parse_partial_json(arguments), dict)
    except (ValueError, RecursionError):
        return False
