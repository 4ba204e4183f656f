"""Reads fields of a server's JSON and checks their types; texts and arrays may be null. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tir_client.errors import ResponseError

if TYPE_CHECKING:
    from tir_client.protocol.responses import Json


def as_dict(value: Any, name: str) -> Json:
    """Return `value` if it is an object.

    Raises:
        ResponseError: It is not an object; the message contains `name`.
    """
    if not isinstance(value, dict):
        raise ResponseError(f"The answer's `{name}` must be an object, not {type(value).__name__}.")
    return value


def as_list(value: Any, name: str) -> list[Any]:
    """Return `value` if it is an array; an empty list for null.

    Raises:
        ResponseError: It is not an array; the message contains `name`.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise ResponseError(f"The answer's `{name}` must be an array, not {type(value).__name__}.")
    return value


def as_text(value: object) -> str:
    """The text of a string, of null (empty), or of a list of content parts, which some gateways send.

    Raises:
        ResponseError: `value` has another type.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list):
        return "".join(as_text(part.get("text") if isinstance(part, dict) else part) for part in value)
    raise ResponseError(f"A text in the answer must be a string, not {type(value).__name__}.")


def as_str(value: object) -> str:
    """`value` as a string; empty for null."""
    return "" if value is None else str(value)
