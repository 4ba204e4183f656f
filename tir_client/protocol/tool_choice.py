"""Builds `tool_choice` and `response_format` for a request. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tir_client.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tir_client.protocol.responses import Json


def response_format(name: str, schema: Json, *, strict: bool | None = None) -> Json:
    """The `response_format` for a JSON schema."""
    inner: Json = {"name": name, "schema": schema}
    if strict is not None:
        inner["strict"] = strict
    return {"type": "json_schema", "json_schema": inner}


def tool_choice(choice: object, tools: Sequence[Json]) -> str | Json | None:
    """Convert a framework's tool choice to the wire form.

    Args:
        choice: None or "auto", False or "none", True (the only tool, or any of several), "any" or "required", the
            name of a tool, or a choice in wire form.
        tools: The tools that are offered, in wire form.

    Raises:
        InvalidRequestError: It names a tool that is not offered, or requires a call although no tools are offered.
    """
    if choice is None:
        return None
    if choice == "auto":
        return "auto"
    if choice is False or choice == "none":
        return "none"
    names = [tool["function"]["name"] for tool in tools]
    if not names:
        raise InvalidRequestError(f"`tool_choice` is {choice!r}, but no tools are offered.")
    if choice is True and len(names) == 1:
        return _named(names[0])
    if choice is True or choice in ("any", "required"):
        return "required"
    name = choice.get("function", {}).get("name") if isinstance(choice, dict) else choice
    if name not in names:
        raise InvalidRequestError(f"`tool_choice` is {choice!r}; the tools offered are {', '.join(names)}.")
    return choice if isinstance(choice, dict) else _named(str(name))


def _named(name: str) -> Json:
    return {"type": "function", "function": {"name": name}}
