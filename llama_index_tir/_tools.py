"""Converts LlamaIndex's tools to the wire form, and tool calls to LlamaIndex's selections. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole, ToolCallBlock
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.tools.types import BaseTool

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

    A call whose arguments are not a JSON object becomes a selection of a tool that does not exist, whose name says what
    is wrong: an agent tells the model.

    Raises:
        NoToolCallError: There is no call, although one was demanded.
        ToolArgumentsError: A call was demanded or cut off, and none has arguments that are a JSON object.
    """
    blocks = tool_call_blocks(response)
    if demanded and not blocks:
        raise NoToolCallError(
            f"Expected at least one tool call, but the model made none (finish_reason "
            f"{response.additional_kwargs.get('finish_reason')!r}). Its answer is {response.message.content!r}."
        )
    cut = response.additional_kwargs.get("finish_reason") == "length"
    problems = [_problem(block, cut=cut) for block in blocks]
    if blocks and (demanded or cut) and all(problems):
        advice = " The answer was cut off: raise `max_tokens`." if cut else ""
        name, kwargs = blocks[0].tool_name, blocks[0].tool_kwargs
        raise ToolArgumentsError(
            f"The model called {name!r} with arguments that are not a JSON object: {kwargs!r}.{advice}"
        )
    return [_selection(block, problem) for block, problem in zip(blocks, problems, strict=True)]


def tool_call_blocks(response: ChatResponse) -> list[ToolCallBlock]:
    """Return the tool calls of a response."""
    return [block for block in response.message.blocks if isinstance(block, ToolCallBlock)]


def _problem(block: ToolCallBlock, *, cut: bool) -> str:
    """Return why the arguments of a call cannot be read; empty if they can."""
    return arguments_problem(block.tool_kwargs, cut=cut) if isinstance(block.tool_kwargs, str) else ""


def _selection(block: ToolCallBlock, problem: str) -> ToolSelection:
    name, kwargs = block.tool_name, block.tool_kwargs
    if problem:  # LlamaIndex would run the tool, if its function takes any arguments.
        name, kwargs = f"{name} (its arguments are not a JSON object: {problem[:MOST]})", {INVALID_ARGUMENTS: kwargs}
    elif isinstance(kwargs, str):
        kwargs = parse_arguments(kwargs) or {}
    return ToolSelection(tool_id=block.tool_call_id or "", tool_name=name, tool_kwargs=kwargs)


def one_call_only(response: ChatResponse) -> ChatResponse:
    """Return `response` with only one tool call, for a caller without parallel calls: the first that can be read."""
    blocks = tool_call_blocks(response)
    if len(blocks) <= 1:
        return response
    cut = response.additional_kwargs.get("finish_reason") == "length"
    place = next((place for place, block in enumerate(blocks) if not _problem(block, cut=cut)), 0)
    dropped = {id(block) for block in blocks if block is not blocks[place]}
    kwargs = response.message.additional_kwargs
    changes = {
        "blocks": [block for block in response.message.blocks if id(block) not in dropped],
        "additional_kwargs": {**kwargs, "tool_calls": kwargs.get("tool_calls", [])[place : place + 1]},
    }
    return response.model_copy(update={"message": response.message.model_copy(update=changes)})
