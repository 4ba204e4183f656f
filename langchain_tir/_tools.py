"""Tools and schemas, in any form LangChain knows, to their forms on the wire. Pure."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel

from tir_client import InvalidRequestError
from tir_client.protocol.tool_choice import response_format, tool_choice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_tir._content import Json

UNNAMED = "answer"
"""Name of a JSON schema that has no title."""

_OF_TOOLS = frozenset({"function", "parameters", "input_schema", "toolSpec"})
"""What only tools have, in the forms of OpenAI, Anthropic and Bedrock: the schema is inside."""


def to_tool(tool: Any, *, strict: bool | None = None) -> Json:
    """A tool in wire form: of a class, a function, a `BaseTool`, a JSON schema, or another provider's form.

    Args:
        tool: The tool.
        strict: Have the server bind the call's arguments to the schema.

    Raises:
        InvalidRequestError: It cannot be made a tool, or is one that only another provider runs.
    """
    titled = _titled(tool)
    if isinstance(tool, type) and issubclass(tool, Enum):
        raise InvalidRequestError(f"{tool!r} is neither a tool nor a schema of an object: it is one value.")
    if isinstance(titled, dict) and _is_run_elsewhere(titled):
        raise InvalidRequestError(f"{tool!r} cannot be offered as a tool: only its maker's servers run it.")
    try:
        wire: Json = convert_to_openai_tool(titled, strict=strict)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidRequestError(f"{tool!r} is neither a tool nor a schema of an object: {error}") from error
    function = wire.get("function")
    if wire.get("type") != "function" or not isinstance(function, dict) or not function.get("name"):
        raise InvalidRequestError(f"{tool!r} cannot be offered as a tool: it is no function with a name.")
    if strict is not None and "strict" not in function:
        return {**wire, "function": {**function, "strict": strict}}
    return wire


def tool_fields(tools: Sequence[Any], choice: object, *, strict: bool | None = None) -> Json:
    """The fields of a request that offers tools.

    Raises:
        InvalidRequestError: A tool cannot be offered, or the choice names none of them.
    """
    wire = [to_tool(tool, strict=strict) for tool in tools]
    chosen = tool_choice(_plain_choice(choice), wire)
    return {"tools": wire} if chosen is None else {"tools": wire, "tool_choice": chosen}


def _plain_choice(choice: object) -> object:
    """Anthropic's choices, `{"type": "any"}` and `{"type": "tool", "name": ...}`, in words that OpenAI has, too."""
    match choice:
        case {"type": "auto" | "any" | "none" as word, **rest} if not rest:
            return word
        case {"type": "tool", "name": name, **rest} if not rest:
            return name
    return choice


def to_response_format(schema: Any, *, strict: bool | None = None) -> Json:
    """The `response_format` that binds an answer to a schema: a class, a `TypedDict`, a JSON schema.

    What is in wire form already stays as it is, but for `strict`.

    Raises:
        InvalidRequestError: It is no schema, or says another `strict`.
    """
    if isinstance(schema, dict) and schema.get("type") in {"json_schema", "json_object", "text", "structural_tag"}:
        return schema if strict is None else _made_strict(schema, strict)
    if isinstance(schema, dict) and isinstance(schema.get("schema"), dict):
        return response_format(schema.get("name", UNNAMED), schema["schema"], strict=_agreed(schema, strict))
    function = to_tool(schema, strict=strict or None)["function"]
    return response_format(function["name"], json_schema(schema, function), strict=strict)


def _made_strict(wire: Json, strict: bool) -> Json:
    inner = wire.get("json_schema")
    if not isinstance(inner, dict):
        raise InvalidRequestError(f"`strict` has no meaning with a format of type {wire['type']!r}: it has no schema.")
    return {**wire, "json_schema": {**inner, "strict": _agreed(inner, strict)}}


def _agreed(schema: Json, strict: bool | None) -> bool | None:
    own: bool | None = schema.get("strict")
    if own is not None and strict is not None and own != strict:
        raise InvalidRequestError(f"`strict` is {strict}, but the schema itself says {own}.")
    return strict if own is None else own


def json_schema(schema: Any, function: Json) -> Json:
    """The schema itself. LangChain's conversion resolves references, which a recursive model does not survive."""
    if isinstance(schema, type) and issubclass(schema, BaseModel) and "strict" not in function:
        return schema.model_json_schema()
    if isinstance(schema, dict) and not _OF_TOOLS & schema.keys() and "strict" not in function:
        return schema
    return {"type": "object", "properties": {}, **function.get("parameters", {})}


def _is_run_elsewhere(tool: Json) -> bool:
    """Whether it is a tool without parameters of its own, such as Anthropic's `web_search_20250305`."""
    foreign = tool.get("type", "function") not in {"function", "object"}
    return foreign and "name" in tool and not _OF_TOOLS & tool.keys()


def _titled(tool: Any) -> Any:
    """A JSON schema with the title that LangChain wants as its name, and OpenAI's `json_schema` as a function."""
    if not isinstance(tool, dict):
        return tool
    inner = tool.get("json_schema", tool)
    if isinstance(inner.get("schema"), dict):
        optional = {name: inner[name] for name in ("description", "strict") if name in inner}
        return {"name": inner.get("name", UNNAMED), "parameters": inner["schema"], **optional}
    nameless = not {"title", "name", "function", "toolSpec"} & tool.keys()
    return {"title": UNNAMED, **tool} if nameless and "properties" in tool else tool
