"""`Reply`, `ToolCall` and `Fault`: the scripted answers, whose types pydantic checks."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, field
from http import HTTPStatus
from typing import Any, Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from tir_sandbox.errors import error

Event = Mapping[str, Any] | str | bytes
"""Data that a script sends unchanged: JSON, or text or bytes of any kind."""

_ENGINE_DEATH = "EngineCore encountered an issue. See stack trace (above) for the root cause."
_FOREVER = 3600.0

_NO_OTHERS = ConfigDict(extra="forbid")
"""A misspelt field is an error."""


@dataclass(frozen=True, config=_NO_OTHERS)
class ToolCall:
    """A tool call in a reply.

    Args:
        name: The function's name.
        arguments: A string is sent unchanged and may be invalid JSON; anything else, such as a dict, is sent as JSON.
        id: The call's id. Default: a counter.
    """

    name: str
    arguments: Any = ""
    id: str | None = None


@dataclass(frozen=True, config=_NO_OTHERS)
class Reply:
    """One scripted answer, sent whole or streamed.

    Args:
        text: The answer. A list has the exact pieces to stream; a string is split into words.
        reasoning: The reasoning before the text; also a list or a string.
        tool_calls: The tool calls, streamed after the text.
        finish_reason: Sent unchanged; `max_tokens` and `stop` then do not cut the answer.
        stop_reason: vLLM's `stop_reason`.
        refusal: The message's `refusal`, streamed after the text.
        usage: Fields that replace counted ones in the usage; also `cached_tokens` and `reasoning_tokens`.
        reasoning_field: The name of the field for reasoning; `think` sends it as text in `<think>` tags.
        choices: One reply for each of the request's `n` choices.
        chunks: Events to stream unchanged (dicts as JSON) instead of all of the above; `[DONE]` follows, unless one
            of the chunks contains it.
        body: A whole answer to send unchanged instead of all of the above.
        delay: Seconds before the headers.
        chunk_delay: Seconds before each event.
        final_delta_holds_text: Send the finish reason with the last piece, not with an empty delta after it.
        continuous_usage: Send usage with every chunk, even if the request does not set it.
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


@dataclass(frozen=True, kw_only=True, config=_NO_OTHERS)
class Fault:
    """A failure. Without `after`, it applies to the answer of the rules.

    Args:
        status: Answer with this HTTP status and an error body.
        body: The body of that error. Default: one in vLLM's form.
        headers: Additional response headers, such as `Retry-After`.
        content_type: The response's content type.
        after: The answer to which the fault applies.
        delay: Seconds before the headers.
        reset_before_headers: Reset the connection instead of answering.
        cut_after: Close the connection after this many events (bytes, in a whole answer).
        stall_after: Pause after this many events (bytes, in a whole answer).
        stall: The length of the pause in seconds.
        error_chunk: End the stream with an error event and `[DONE]`. True is the error of a crashed vLLM engine.
        garbage: Text to send as an event that is not JSON, or bytes to send unchanged.
        at: The number of events before `error_chunk` or `garbage`.
        no_finish: Omit the finish reason.
        no_done: Omit `[DONE]`.
    """

    status: int | None = None
    body: Event | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None
    after: Reply | None = None
    delay: float = 0.0
    reset_before_headers: bool = False
    cut_after: int | None = None
    stall_after: int | None = None
    stall: float = _FOREVER
    error_chunk: bool | str | Mapping[str, Any] | None = None
    garbage: str | bytes | None = None
    at: int = 2
    no_finish: bool = False
    no_done: bool = False

    def error_body(self) -> Mapping[str, Any]:
        """Return an error in vLLM's form for `status` or `error_chunk`."""
        if self.status is not None:
            reason = HTTPStatus(self.status).phrase if self.status in set(HTTPStatus) else "Unknown"
            return error(self.status, reason, reason.replace(" ", "") + "Error").body
        if isinstance(self.error_chunk, Mapping):
            return self.error_chunk
        message = self.error_chunk if isinstance(self.error_chunk, str) else _ENGINE_DEATH
        return error(500, message, "InternalServerError").body


Answer = Reply | Fault
