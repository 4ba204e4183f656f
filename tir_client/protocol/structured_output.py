"""Tells an answer that should be an object from one that was cut off or refused. Pure."""

from __future__ import annotations

from tir_client.errors import RefusedOutputError, StructuredOutputError, TruncatedOutputError


def unusable(text: str, finish_reason: str | None, refusal: str | None) -> StructuredOutputError | None:
    """The error for an answer that was cut off or refused, even if its text is a valid object; None for others.

    Args:
        text: What the model wrote.
        finish_reason: Why the answer ended.
        refusal: The text of a refusal, if it is one.
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
