"""Converts tools that are dicts: in the form of OpenAI, Anthropic, Bedrock or MCP, or a JSON schema. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tir_client import InvalidRequestError
from tir_client.protocol.schemas import inline_references, map_schema, move_definitions, resolve_root

if TYPE_CHECKING:
    from tir_client.protocol.responses import Json

UNNAMED = "answer"
"""The name of a JSON schema without a title."""
OBJECT = {"type": "object", "properties": {}}
TEXT_INPUT = {"type": "object", "properties": {"__arg1": {"type": "string"}}, "required": ["__arg1"]}
"""The parameters of a tool that takes a string, such as LangChain's `Tool` and OpenAI's custom tools."""
VALUE = "value"
"""The name of the only argument of a tool whose input is not an object."""

_JSON_TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
_OF_SCHEMAS = frozenset(
    {"properties", "items", "prefixItems", "anyOf", "oneOf", "allOf", "$ref", "$defs", "enum", "const", "title"}
)
_INSIDE = ("toolSpec", "custom", "json_schema")
"""The fields with name and schema in Bedrock's tools, OpenAI's custom tools and OpenAI's response formats."""
_SCHEMAS = ("parameters", "input_schema", "inputSchema", "schema")
"""The fields with the schema of the arguments in the forms of OpenAI, Anthropic and MCP."""
_BESIDES = frozenset({"cache_control", "annotations", "metadata", "_meta", "outputSchema", "format"})
"""Fields of tools that are objects but not schemas of arguments."""


def function_of_dict(tool: Json) -> Json:
    """Convert a dict to a function.

    Raises:
        InvalidRequestError: It is not a tool, is a tool that only another provider runs, or its arguments have an
            unknown form.
    """
    if isinstance(tool.get("function"), dict):
        return dict(tool["function"])
    inner = next((tool[name] for name in _INSIDE if isinstance(tool.get(name), dict)), tool)
    parameters = _parameters(inner)
    if parameters is not None:
        name = inner.get("name", UNNAMED if "schema" in inner else None)
        return {"name": name, "parameters": parameters, **_only(inner, "description", "strict")}
    if tool.get("type") == "custom":
        return custom_function(inner)
    if is_json_schema(tool):
        return function_of_schema(tool)
    if "name" in tool and tool.get("type", "function") == "function":
        _check_without_arguments(tool)
        return _only(tool, "name", "description", "strict")
    raise InvalidRequestError(
        f"{label(tool)} cannot be offered as a tool: it has no name, or only another provider's servers run it."
    )


def _parameters(inner: Json) -> Json | None:
    of_bedrock = inner["inputSchema"].get("json") if isinstance(inner.get("inputSchema"), dict) else None
    schemas = [of_bedrock, *(inner.get(name) for name in _SCHEMAS)]
    return next((schema for schema in schemas if isinstance(schema, dict)), None)


def _check_without_arguments(tool: Json) -> None:
    for name, value in tool.items():
        if (name in _SCHEMAS and value is not None) or (isinstance(value, dict) and name not in _BESIDES):
            raise InvalidRequestError(
                f"{label(tool)} cannot be offered as a tool: its {name!r} is not read; the JSON schema of its "
                "arguments belongs in `parameters`."
            )


def custom_function(tool: Json) -> Json:
    """Convert OpenAI's custom tool, which takes a string, to a function with one argument.

    Raises:
        InvalidRequestError: It has a grammar, which cannot be sent.
    """
    if (tool.get("format") or {}).get("type", "text") != "text":
        raise InvalidRequestError(f"{label(tool)} is a custom tool with a grammar, which is not supported.")
    return {**_only(tool, "name", "description"), "parameters": TEXT_INPUT}


def is_json_schema(schema: Json) -> bool:
    """Whether a dict is a JSON schema, rather than a tool or a format that contains one."""
    kind = schema.get("type")
    if kind is None:
        return bool(_OF_SCHEMAS & schema.keys()) and _parameters(schema) is None
    return isinstance(kind, list) or kind in _JSON_TYPES


def function_of_schema(schema: Json, *, name: str | None = None, description: str | None = None) -> Json:
    """A function whose parameters are `schema`; name and description default to the schema's."""
    parameters = resolve_root(inline_references(schema))
    title, text = parameters.get("title") or schema.get("name"), parameters.get("description")
    parameters = {key: value for key, value in parameters.items() if key not in {"title", "description", "name"}}
    return {
        "name": name or (title if isinstance(title, str) and title else UNNAMED),
        "description": description or text or "",
        "parameters": {**OBJECT, **map_schema(parameters, _without_title)},
    }


def _without_title(schema: Json) -> Json:
    return {key: value for key, value in schema.items() if key != "title"}


def wrapped_in_object(schema: Json) -> Json:
    """The schema of an object with one property, which has `schema`."""
    inner, definitions = move_definitions(inline_references(schema), VALUE)
    whole = {"type": "object", "properties": {VALUE: inner}, "required": [VALUE], "additionalProperties": False}
    return {**whole, "$defs": definitions} if definitions else whole


def _only(fields: Json, *names: str) -> Json:
    return {name: fields[name] for name in names if name in fields}


def label(tool: Any) -> str:
    """A tool's label in error messages: its name, or the beginning of its repr."""
    name = tool.get("name") if isinstance(tool, dict) else getattr(tool, "name", getattr(tool, "__name__", None))
    return repr(name) if isinstance(name, str) else repr(tool)[:100]
