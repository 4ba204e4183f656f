"""What a script tells the sandbox to answer."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

ReasoningField = Literal["reasoning", "reasoning_content", "both", "think"]


@dataclass(frozen=True)
class ToolCall:
    """A call the model asks for.

    Args:
        name: The function's name.
        arguments: A dict is sent as JSON; a string is sent as it is, so that it may be broken JSON.
        id: The call's id; by default the sandbox counts.
    """

    name: str
    arguments: Mapping[str, Any] | str = ""
    id: str | None = None


@dataclass(frozen=True)
class Reply:
    """One scripted answer, sent whole or streamed as the request asks.

    Args:
        text: The answer. A list holds the exact pieces to stream; a string is cut into words.
        reasoning: The thinking before it, likewise.
        tool_calls: The calls asked for, streamed after the text.
        finish_reason: Sent as it is, and `max_tokens` and `stop` no longer cut the answer.
        stop_reason: vLLM's companion of the finish reason.
        refusal: The message's `refusal`, streamed after the text.
        usage: Fields that replace the counted ones; `cached_tokens` and `reasoning_tokens` find their place.
        reasoning_field: Under which name reasoning is sent; `think` puts it inline, in `<think>` tags.
        choices: One reply for each choice when the request asks for `n` of them.
        chunks: Events to stream verbatim (dicts as JSON, bytes as they are) instead of all of the above;
            `[DONE]` follows, unless one of the chunks holds it.
        body: A whole answer to send verbatim instead of all of the above.
        delay: Seconds before the headers.
        chunk_delay: Seconds before each event.
        final_delta_holds_text: Put the finish reason on the last piece, not on an empty delta behind it.
        continuous_usage: Send usage with every chunk, asked or not.
    """

    text: str | Sequence[str] | None = None
    _: KW_ONLY
    reasoning: str | Sequence[str] | None = None
    tool_calls: Sequence[ToolCall] = ()
    finish_reason: str | None = None
    stop_reason: int | str | None = None
    refusal: str | None = None
    usage: Mapping[str, Any] | None = None
    reasoning_field: ReasoningField = "reasoning"
    choices: "Sequence[Reply]" = ()
    chunks: Sequence[Mapping[str, Any] | str | bytes] | None = None
    body: Mapping[str, Any] | str | bytes | None = None
    delay: float = 0.0
    chunk_delay: float = 0.0
    final_delta_holds_text: bool = False
    continuous_usage: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be sent, where the script is written and not where it is played."""
        for name in ("text", "reasoning"):
            _check_text(name, getattr(self, name))
        _check_items("tool_calls", self.tool_calls, ToolCall)
        _check_items("choices", self.choices, Reply)


def _check_text(name: str, value: Any) -> None:
    pieces = value if isinstance(value, list | tuple) else [value]
    if value is not None and not all(isinstance(piece, str) for piece in pieces):
        raise TypeError(f"`{name}` takes a string or a list of strings, not {value!r}")


def _check_items(name: str, value: Any, kind: type) -> None:
    if not isinstance(value, list | tuple) or not all(isinstance(one, kind) for one in value):
        raise TypeError(f"`{name}` takes a list of {kind.__name__}, not {value!r}")
