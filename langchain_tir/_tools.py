"""Converts tools, tool choices and schemas of all forms to the wire form. Pure."""

from __future__ import annotations

from enum import Enum
from inspect import isroutine
from typing import TYPE_CHECKING, Any

from langchain_core.tools import BaseTool, Tool, create_schema_from_function

from langchain_tir._schemas import is_builtin_type, schema_of_class, with_types, without_injected
from langchain_tir._tool_forms import (
    OBJECT,
    TEXT_INPUT,
    UNNAMED,
    custom_function,
    function_of_dict,
    function_of_schema,
    is_json_schema,
    label,
)
from tir_client import InvalidRequestError
from tir_client.protocol.schemas import FAILURES, forbid_additional_properties
from tir_client.protocol.tool_choice import response_format, tool_choice

if TYPE_CHECKING:
    from tir_client.protocol.responses import Json


_FORMATS = frozenset({"json_schema", "json_object", "text", "structural_tag"})


def to_tool(tool: Any, *, strict: bool | None = None) -> Json:
    """Convert a class, a function, a `BaseTool`, a JSON schema or another provider's tool to the wire form.

    Args:
        tool: The tool.
        strict: Whether the server enforces the schema of the arguments.

    Raises:
        InvalidRequestError: It is not a tool, or is one that only another provider runs.
    """
    function = {**_function(tool)}
    if not isinstance(function.get("name"), str) or not function["name"]:
        raise InvalidRequestError(f"{label(tool)} cannot be offered as a tool: it has no name.")
    if strict is not None:
        function["strict"] = _agreed(function, strict)
        if strict and isinstance(function.get("parameters"), dict):
            function["parameters"] = forbid_additional_properties(function["parameters"])
    return {"type": "function", "function": function}


def _function(tool: Any) -> Json:
    if isinstance(tool, dict):
        return function_of_dict(tool)
    if isinstance(tool, type) and issubclass(tool, Enum):
        raise InvalidRequestError(f"{label(tool)} is neither a tool nor the schema of an object: it is an enumeration.")
    schema = schema_of_class(tool)
    if schema is not None:
        return function_of_schema(schema)
    try:
        return _function_of_tool(tool) if isinstance(tool, BaseTool) else _function_of_callable(tool)
    except FAILURES as error:
        raise InvalidRequestError(f"{label(tool)} is neither a tool nor the schema of an object: {error}") from error


def _function_of_tool(tool: BaseTool) -> Json:
    metadata = tool.metadata or {}
    if metadata.get("type") == "custom_tool":
        return custom_function({"name": tool.name, "description": tool.description, **metadata})
    if isinstance(tool, Tool) and not tool.args_schema:
        return {"name": tool.name, "description": tool.description, "parameters": TEXT_INPUT}
    arguments: Any = tool.tool_call_schema
    schema = arguments if isinstance(arguments, dict) else schema_of_class(arguments)
    if schema is None:
        raise TypeError("its arguments have no JSON schema")
    types = {name: field.annotation for name, field in getattr(arguments, "model_fields", {}).items()}
    return function_of_schema(without_injected(schema, types), name=tool.name, description=tool.description)


def _function_of_callable(function: Any) -> Json:
    if not callable(function) or not hasattr(function, "__name__"):
        raise TypeError(f"its type is {type(function).__name__}")
    if is_builtin_type(function):
        raise TypeError("it is a built-in type")
    typed = with_types(function) if isroutine(function) else function
    model: Any = create_schema_from_function(
        function.__name__,
        typed,
        parse_docstring=True,
        include_injected=False,
    )
    schema = schema_of_class(model)
    return function_of_schema(without_injected(schema or {}, getattr(typed, "__annotations__", {})))


def tool_fields(tools: Any, choice: object, *, strict: bool | None = None) -> Json:
    """Return the request fields for tools and their choice.

    Args:
        tools: The tools, or a single tool.
        choice: Whether a call is forced, and of which tool.
        strict: Whether the server enforces the schemas of the arguments.

    Raises:
        InvalidRequestError: A tool cannot be offered, or the choice names none of them.
    """
    several = not isinstance(tools, dict | BaseTool) and not callable(tools)
    wire = [to_tool(tool, strict=strict) for tool in (tools if several else [tools])]
    for tool in wire:
        _check_arguments(tool["function"])
    chosen = tool_choice(_plain_choice(choice), wire)
    return {"tools": wire} if chosen is None else {"tools": wire, "tool_choice": chosen}


def _check_arguments(function: Json) -> None:
    kinds = (function.get("parameters") or OBJECT).get("type", "object")
    if "object" not in kinds:
        raise InvalidRequestError(
            f"{function['name']!r} cannot be offered as a tool: its arguments must be an object, but its schema has "
            f"the type {kinds!r}."
        )


def _plain_choice(choice: object) -> object:
    """Return the string in a choice of Anthropic (`{"type": "any"}`) or of OpenAI's Responses API."""
    match choice:
        case {"type": "auto" | "any" | "none" | "required" as word, **rest} if not rest:
            return word
        case {"type": "tool" | "function" | "custom", "name": name, **rest} if not rest:
            return name
        case {"type": "custom", "custom": {"name": name}}:
            return name
    return choice


def to_response_format(schema: Any, *, strict: bool | None = None) -> Json:
    """Return the `response_format` for a class, a `TypedDict` or a JSON schema.

    A `response_format` is returned unchanged, except for `strict`.

    Raises:
        InvalidRequestError: It is not a schema, or it has another value of `strict`.
    """
    if isinstance(schema, dict) and str(schema.get("type")) in _FORMATS:
        return schema if strict is None else _made_strict(schema, strict)
    if isinstance(schema, dict) and isinstance(schema.get("schema"), dict):
        return response_format(schema.get("name", UNNAMED), schema["schema"], strict=_agreed(schema, strict))
    function = to_tool(schema)["function"]
    whole = whole_schema(schema, function)
    return response_format(
        function["name"], forbid_additional_properties(whole) if strict else whole, strict=_agreed(function, strict)
    )


def _made_strict(wire: Json, strict: bool) -> Json:
    inner = wire.get("json_schema")
    if not isinstance(inner, dict):
        raise InvalidRequestError(
            f"`strict` has no effect with a format of type {wire['type']!r}, which has no schema: leave it out."
        )
    return {**wire, "json_schema": {**inner, "strict": _agreed(inner, strict)}}


def _agreed(schema: Json, strict: bool | None) -> bool | None:
    own: bool | None = schema.get("strict")
    if own is not None and strict is not None and own != strict:
        raise InvalidRequestError(f"`strict` is {strict}, but {own} in the schema: use the same value.")
    return strict if own is None else own


def whole_schema(schema: Any, function: Json) -> Json:
    """Return the schema as it was passed; for a tool, the schema of its arguments."""
    if isinstance(schema, dict) and is_json_schema(schema):
        return schema
    whole = schema_of_class(schema)
    return {**OBJECT, **(function.get("parameters") or {})} if whole is None else whole
