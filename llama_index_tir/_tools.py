"""Converts LlamaIndex's tools to the wire form, and tool calls to LlamaIndex's selections. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole, ToolCallBlock
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.tools.types import BaseTool

from llama_index_tir._messages import INVALID_CALLS
from llama_index_tir._past_calls import arguments_problem, parse_arguments
from llama_index_tir._schemas import to_tool
from llama_index_tir._settings import TOOL_NAMES
from tir_client import InvalidRequestError, ResponseError
from tir_client.protocol.messages import INVALID_ARGUMENTS
from tir_client.protocol.tool_choice import tool_choice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llama_index_tir._content import Json


MOST = 200
"""Characters of what is wrong with arguments, in the name of a tool that does not exist."""


class NoToolCallError(ResponseError, ValueError):
    """A tool call was required, and the model answered without one."""


class ToolArgumentsError(ResponseError, ValueError):
    """The model called a tool with arguments that are not a JSON object."""


class UnknownToolError(ResponseError, ValueError):
    """The model called a tool that was not offered."""


def to_messages(user_msg: str | ChatMessage | None, chat_history: Sequence[ChatMessage] | None) -> list[ChatMessage]:
    """Return the messages of a call, as a new list."""
    last = ChatMessage(role=MessageRole.USER, content=user_msg) if isinstance(user_msg, str) else user_msg
    return [*(chat_history or ()), *([] if last is None else [last])]


def to_tools(tools: Sequence[BaseTool], *, strict: bool | None) -> list[Json]:
    """Convert tools to the wire form.

    Raises:
        InvalidRequestError: One cannot be sent, or two have the same name on the wire.
    """
    if isinstance(tools, BaseTool):
        raise InvalidRequestError(f"`tools` is a {type(tools).__name__}: pass a list of tools.")
    wire = [to_tool(tool) for tool in tools]
    names = [tool["function"]["name"] for tool in wire]
    if len(set(names)) < len(names):
        raise InvalidRequestError(f"Two tools have the same name in the request: {', '.join(names)}.")
    if strict is not None:
        wire = [{**tool, "function": {**tool["function"], "strict": strict}} for tool in wire]
    return wire


def to_tool_arguments(
    tools: Sequence[BaseTool],
    *,
    strict: bool | None,
    choice: Any,
    required: bool,
    parallel: bool,
) -> Json:
    """Return the arguments of `chat` for `tools`.

    Args:
        tools: The tools. Without any, nothing is sent.
        strict: Enforce the schemas of arguments strictly; None leaves that to the server.
        choice: The caller's `tool_choice`; None if it is not set.
        required: The model must call a tool.
        parallel: The model may make several calls in one answer.

    Raises:
        InvalidRequestError: `choice` names a tool that is not in `tools`.
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


def to_selections(response: ChatResponse, *, demanded: bool) -> list[ToolSelection]:
    """The tool calls of a response, in a stream also those that have only begun to arrive.

    Raises:
        NoToolCallError: There is no call, although one was demanded.
        ToolArgumentsError: A call was demanded or cut off, and its arguments are not a JSON object. Otherwise the
            selection is of a tool that does not exist, whose name says what is wrong: an agent tells the model.
    """
    blocks = [block for block in response.message.blocks if isinstance(block, ToolCallBlock)]
    if demanded and not blocks:
        raise NoToolCallError(
            f"Expected at least one tool call, but the model made none (finish_reason "
            f"{response.additional_kwargs.get('finish_reason')!r}). Its answer is {response.message.content!r}."
        )
    return [_selection(block, response, demanded=demanded) for block in blocks]


def _selection(block: ToolCallBlock, response: ChatResponse, *, demanded: bool) -> ToolSelection:
    cut = response.additional_kwargs.get("finish_reason") == "length"
    name, kwargs = block.tool_name, block.tool_kwargs
    if isinstance(kwargs, str):
        problem = arguments_problem(kwargs, cut=cut)
        if problem and (demanded or cut):
            advice = " The answer was cut off: raise `max_tokens`." if cut else ""
            raise ToolArgumentsError(
                f"The model called {name!r} with arguments that are not a JSON object: {kwargs!r}.{advice}"
            )
        # LlamaIndex would run the tool, if its function takes any arguments.
        name = f"{name} (its arguments are not a JSON object: {problem[:MOST]})" if problem else name
        kwargs = {INVALID_ARGUMENTS: kwargs} if problem else parse_arguments(kwargs) or {}
    return ToolSelection(tool_id=block.tool_call_id or "", tool_name=name, tool_kwargs=kwargs)


def first_call_only(response: ChatResponse) -> ChatResponse:
    """Return `response` with only its first tool call, for a caller without parallel calls."""
    blocks = [block for block in response.message.blocks if isinstance(block, ToolCallBlock)]
    if len(blocks) <= 1:
        return response
    kwargs = response.message.additional_kwargs
    dropped = set(map(id, blocks[1:]))
    kept = [block for block in response.message.blocks if id(block) not in dropped]
    kept_kwargs = {**kwargs, "tool_calls": kwargs.get("tool_calls", [])[:1]}
    if INVALID_CALLS in kwargs:
        kept_kwargs[INVALID_CALLS] = [call for call in kwargs[INVALID_CALLS] if call["id"] == blocks[0].tool_call_id]
    changes = {"blocks": kept, "additional_kwargs": kept_kwargs}
    return response.model_copy(update={"message": response.message.model_copy(update=changes)})


def only_offered(response: ChatResponse, tools: Sequence[BaseTool]) -> ChatResponse:
    """Return `response` unchanged, if all its calls are of tools in `tools`.

    Raises:
        ToolArgumentsError: The arguments of a call are not a JSON object.
        UnknownToolError: A call is of another tool.
    """
    offered = [tool.metadata.get_name() for tool in tools]
    for block in response.message.blocks:
        if isinstance(block, ToolCallBlock) and block.tool_name not in offered:
            raise UnknownToolError(
                f"The model called {block.tool_name!r}, which was not offered; the tools are {', '.join(offered)}.",
                body=response.raw,
            )
    to_selections(response, demanded=any(isinstance(block, ToolCallBlock) for block in response.message.blocks))
    return response
