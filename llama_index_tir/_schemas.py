"""JSON schemas of pydantic classes and of LlamaIndex's tools. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llama_index.core.tools.types import ToolMetadata
from pydantic.errors import PydanticUserError

from tir_client import InvalidRequestError
from tir_client.protocol.schemas import inline_references, is_of_object, resolve_root

if TYPE_CHECKING:
    from llama_index_tir._content import Json

FAILURES = (PydanticUserError, ValueError, TypeError, KeyError, AttributeError, NameError, RecursionError)
"""What pydantic and LlamaIndex raise for a class or a tool without a JSON schema."""


def schema_of_class(cls: Any) -> Json:
    """Return the JSON schema of a pydantic class.

    Raises:
        InvalidRequestError: It is not a pydantic class, or has a field of a type that JSON has no schema for.
    """
    if not isinstance(cls, type) or not hasattr(cls, "model_json_schema"):
        raise InvalidRequestError(f"{cls!r} is not a pydantic class. Define a pydantic class that has it as a field.")
    try:
        schema: Json = cls.model_json_schema()
    except FAILURES as error:
        raise InvalidRequestError(f"{cls.__name__} has no JSON schema: {error}") from error
    return schema


def to_tool(tool: Any) -> Json:
    """Return the wire form of a tool.

    LlamaIndex drops what is next to `properties` in a schema, such as the reference at the top of that of a
    recursive class. The whole schema is sent, without references, which gpt-oss's prompt would not have.

    Raises:
        InvalidRequestError: It is not a tool, or its arguments are not described by the schema of an object.
    """
    metadata = getattr(tool, "metadata", None)
    if not isinstance(metadata, ToolMetadata):
        raise InvalidRequestError(f"{tool!r} is not a tool of LlamaIndex: wrap it in `FunctionTool.from_defaults`.")
    try:
        wire: Json = metadata.to_openai_tool(skip_length_check=True)
    except FAILURES as error:
        raise InvalidRequestError(f"The tool {metadata.name!r} cannot be offered: {error}") from error
    whole = inline_references(_parameters(metadata, wire))
    if not is_of_object(whole):
        raise InvalidRequestError(
            f"The tool {metadata.name!r} cannot be offered: arguments are an object, but its schema has the type "
            f"{resolve_root(whole).get('type', 'any')!r}."
        )
    parameters = {key: value for key, value in resolve_root(whole).items() if key not in {"title", "description"}}
    return {**wire, "function": {**wire["function"], "parameters": parameters}}


def _parameters(metadata: ToolMetadata, wire: Json) -> Json:
    makers = ("to_openai_tool", "get_parameters_dict")
    overridden = any(getattr(type(metadata), name) is not getattr(ToolMetadata, name) for name in makers)
    if overridden or metadata.fn_schema is None:
        return wire["function"].get("parameters") or {"type": "object", "properties": {}}
    return schema_of_class(metadata.fn_schema)
