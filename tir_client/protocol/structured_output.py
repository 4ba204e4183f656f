"""Detects answers for structured output that were cut off or refused. Pure."""

from __future__ import annotations

from tir_client.errors import RefusedOutputError, StructuredOutputError, TruncatedOutputError


def unusable(text: str, finish_reason: str | None, refusal: str | None) -> StructuredOutputError | None:
    """The error for an answer that was cut off or refused, even if its text is valid JSON; None for others.

    Args:
        text: The text of the answer.
        finish_reason: Why the answer ended.
        refusal: The text of a refusal, or None.
    """
    if refusal:
        return RefusedOutputError(f"The model refused: {refusal!r}.", text=refusal)
    if finish_reason == "content_filter":
        return RefusedOutputError(f"The server's content filter ended the answer. It begins {text[:200]!r}.", text=text)
    if finish_reason == "length":
        return TruncatedOutputError(
            f"The answer was cut off before the object was complete; raise `max_tokens`. It begins {text[:200]!r}.",
            text=text,
        )
    return None
