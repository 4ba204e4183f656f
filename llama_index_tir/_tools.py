"""Converts LlamaIndex's tools, and the arguments of calls with tools, to the wire form. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.tools.types import BaseTool, ToolMetadata

from llama_index_tir._schemas import schema_of_class
from llama_index_tir._settings import TOOL_NAMES
from tir_client import InvalidRequestError
from tir_client.protocol.schemas import (
    FAILURES,
    forbid_additional_properties,
    inline_references,
    is_of_object,
    resolve_root,
)
from tir_client.protocol.tool_choice import tool_choice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tir_client.protocol.responses import Json


def to_messages(user_msg: str | ChatMessage | None, chat_history: Sequence[ChatMessage] | None) -> list[ChatMessage]:
    """Return the messages of a call, as a new list."""
    last = ChatMessage(role=MessageRole.USER, content=user_msg) if isinstance(user_msg, str) else user_msg
    return [*(chat_history or ()), *([] if last is None else [last])]


def to_tools(tools: Sequence[BaseTool], *, strict: bool | None) -> list[Json]:
    """Convert tools to the wire form.

    Raises:
        InvalidRequestError: A tool cannot be sent, or two have the same name on the wire.
    """
    if isinstance(tools, BaseTool):
        raise InvalidRequestError(f"`tools` is a {type(tools).__name__}: pass a list of tools.")
    wire = [to_tool(tool) for tool in tools]
    names = [tool["function"]["name"] for tool in wire]
    if len(set(names)) < len(names):
        raise InvalidRequestError(f"Two tools have the same name in the request: {', '.join(names)}.")
    return wire if strict is None else [_with_strict(tool, strict=strict) for tool in wire]


def _with_strict(tool: Json, *, strict: bool) -> Json:
    function: Json = {**tool["function"], "strict": strict}
    if strict:
        function["parameters"] = forbid_additional_properties(function["parameters"])
    return {**tool, "function": function}


def tool_fields(
    tools: Sequence[BaseTool],
    *,
    strict: bool | None,
    choice: Any,
    required: bool,
    parallel: bool,
) -> Json:
    """Return the arguments of `chat` for `tools`.

    Args:
        tools: The tools. Without tools, the result has at most a `tool_choice`.
        strict: Enforce the schemas of arguments strictly. None: the server's default.
        choice: The caller's `tool_choice`; None if it is not set.
        required: The model must call a tool.
        parallel: The model may make several calls in one answer.

    Raises:
        InvalidRequestError: A tool cannot be sent, `choice` names a tool that is not in `tools`, or a call is required
            and there are no tools.
    """
    wire = to_tools(tools, strict=strict)
    sent = {tool.metadata.get_name(): wired["function"]["name"] for tool, wired in zip(tools, wire, strict=True)}
    wanted = sent.get(choice, choice) if isinstance(choice, str) else choice
    arguments: Json = {"tool_choice": tool_choice("required" if wanted is None and required else wanted, wire)}
    if wire:
        arguments |= {"tools": wire, "parallel_tool_calls": parallel}
    renamed = {wire_name: name for name, wire_name in sent.items() if name != wire_name}
    if renamed:
        arguments[TOOL_NAMES] = renamed
    return {name: value for name, value in arguments.items() if value is not None}


def to_tool(tool: Any) -> Json:
    """Return the wire form of a tool.

    LlamaIndex's own conversion drops parts of a schema, such as the top-level reference of a recursive class. This
    one keeps the whole schema, with references resolved, because gpt-oss's template omits definitions.

    Raises:
        InvalidRequestError: It is not a tool, or the schema of its arguments is not that of an object.
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
            f"The tool {metadata.name!r} cannot be offered: its arguments must be an object, but its schema has "
            f"the type {resolve_root(whole).get('type', 'any')!r}."
        )
    parameters = {key: value for key, value in resolve_root(whole).items() if key not in {"title", "description"}}
    return {**wire, "function": {**wire["function"], "parameters": parameters}}


def _parameters(metadata: ToolMetadata, wire: Json) -> Json:
    makers = ("to_openai_tool", "get_parameters_dict")
    overridden = any(getattr(type(metadata), name) is not getattr(ToolMetadata, name) for name in makers)
    if overridden or metadata.fn_schema is None:
        return wire["function"].get("parameters") or {"type": "object", "properties": {}}
    return schema_of_class(metadata.fn_schema)
