"""Reads fields of a server's JSON answer with a check of their types; any may be null or missing. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tir_client.errors import ResponseError

if TYPE_CHECKING:
    from tir_client.protocol.responses import Json


def as_dict(value: Any, name: str) -> Json:
    """`value`, which must be an object.

    Raises:
        ResponseError: It is not; the message calls it `name`.
    """
    if not isinstance(value, dict):
        raise ResponseError(f"The answer's `{name}` must be an object, not {type(value).__name__}.")
    return value


def as_list(value: Any, name: str) -> list[Any]:
    """`value`, which must be an array; an empty list for null.

    Raises:
        ResponseError: It is not; the message calls it `name`.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise ResponseError(f"The answer's `{name}` must be an array, not {type(value).__name__}.")
    return value


def as_text(value: object) -> str:
    """Text from a string, from null (empty), or from a list of content parts, which some gateways send.

    Raises:
        ResponseError: It has another type.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list):
        return "".join(as_text(part.get("text") if isinstance(part, dict) else part) for part in value)
    raise ResponseError(f"The answer has a text that is not a string but {type(value).__name__}.")


def as_str(value: object) -> str:
    """`value` as a string; empty for null."""
    return "" if value is None else str(value)
