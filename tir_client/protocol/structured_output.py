"""Parses answers for structured output, and makes the errors of those that are not the object. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tir_client.errors import RefusedOutputError, StructuredOutputError, TruncatedOutputError
from tir_client.protocol.json_text import find_json_source, replace_half_escapes

if TYPE_CHECKING:
    from collections.abc import Iterable


def written(text: str, calls: Iterable[tuple[str | None, object]]) -> str:
    """What a model wrote: the text of an answer, or its tool calls if it has no text.

    Args:
        text: The text of the answer.
        calls: The name and arguments of each call. Arguments that are not an object are text, and come last.
    """
    ordered = sorted(calls, key=lambda call: not isinstance(call[1], dict))
    return text or "\n".join(f"{name}({arguments})" for name, arguments in ordered)


def read_object(cls: Any, text: str) -> Any:
    """Parse the object of a pydantic class (v2 or v1) in an answer.

    Raises:
        ValueError: The answer has no JSON, or it does not fit the class.
    """
    return _validated(cls, find_json_source(text))


def make_object(cls: Any, value: object) -> Any:
    """Make an object of a pydantic class (v2 or v1) from a JSON value, validated as JSON.

    A strict class accepts JSON's form of a date or an enum only from JSON, not from Python's types.

    Raises:
        ValueError: The value does not fit the class.
    """
    return _validated(cls, replace_half_escapes(json.dumps(value)))


def _validated(cls: Any, source: str) -> Any:
    return cls.model_validate_json(source) if hasattr(cls, "model_validate_json") else cls.parse_raw(source)


def problem(error: ValueError) -> str:
    """Why an answer is not the object: the fields that do not fit, or the text that cannot be parsed."""
    if hasattr(error, "errors"):  # pydantic's, v2 or v1
        return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'the text'}: {e['msg']}" for e in error.errors())
    return f"the text is not JSON: {error}" if isinstance(error, json.JSONDecodeError) else str(error)


def not_the_object(cls: Any, error: ValueError, text: str, finish_reason: str | None) -> StructuredOutputError:
    """The error for an answer that is not the object.

    Args:
        cls: The class of the object, or None.
        error: Why it is not.
        text: What the model wrote.
        finish_reason: Why the answer ended.
    """
    wanted = "an object" if cls is None else f"a {cls.__name__}"
    return StructuredOutputError(
        f"The answer is not {wanted}: {problem(error)} (finish_reason {finish_reason!r}). Its text is {text!r}.",
        text=text,
    )


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
