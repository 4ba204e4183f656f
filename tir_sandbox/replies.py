"""`Reply` and `ToolCall`: answers for a script. pydantic checks their types where a script is written."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY
from typing import Any, Literal

from pydantic.dataclasses import dataclass

Event = Mapping[str, Any] | str | bytes
"""What a script sends as it is: JSON, or a text or bytes that need not be JSON."""


@dataclass(frozen=True)
class ToolCall:
    """A tool call in a reply.

    Args:
        name: The function's name.
        arguments: A dict is sent as JSON; a string is sent unchanged and may be invalid JSON.
        id: The call's id; by default a counter.
    """

    name: str
    arguments: Mapping[str, Any] | str = ""
    id: str | None = None


@dataclass(frozen=True)
class Reply:
    """One scripted answer, sent whole or streamed.

    Args:
        text: The answer. A list holds the exact pieces to stream; a string is cut into words.
        reasoning: The reasoning before the text; a list or a string, too.
        tool_calls: The tool calls, streamed after the text.
        finish_reason: Sent unchanged; `max_tokens` and `stop` then do not cut the answer.
        stop_reason: vLLM's detail of the finish reason.
        refusal: The message's `refusal`, streamed after the text.
        usage: Fields that replace those of the counted usage, `cached_tokens` and `reasoning_tokens` included.
        reasoning_field: The name under which reasoning is sent; `think` sends it as text in `<think>` tags.
        choices: One reply for each of the request's `n` choices.
        chunks: Events to stream unchanged (dicts as JSON) instead of all of the above; `[DONE]` follows, unless one
            of the chunks contains it.
        body: A whole answer to send unchanged instead of all of the above.
        delay: Seconds before the headers.
        chunk_delay: Seconds before each event.
        final_delta_holds_text: Send the finish reason with the last piece, not with an empty delta after it.
        continuous_usage: Send usage with every chunk, even if the request does not ask for it.
    """

    text: str | Sequence[str] | None = None
    _: KW_ONLY
    reasoning: str | Sequence[str] | None = None
    tool_calls: Sequence[ToolCall] = ()
    finish_reason: str | None = None
    stop_reason: int | str | None = None
    refusal: str | None = None
    usage: Mapping[str, Any] | None = None
    reasoning_field: Literal["reasoning", "reasoning_content", "both", "think"] = "reasoning"
    choices: "Sequence[Reply]" = ()
    chunks: Sequence[Event] | None = None
    body: Event | None = None
    delay: float = 0.0
    chunk_delay: float = 0.0
    final_delta_holds_text: bool = False
    continuous_usage: bool = False
