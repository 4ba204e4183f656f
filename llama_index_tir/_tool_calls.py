"""Converts the tool calls of a response to LlamaIndex's selections. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llama_index.core.base.llms.types import ToolCallBlock
from llama_index.core.llms.llm import ToolSelection

from llama_index_tir._errors import NoToolCallError, ToolArgumentsError
from llama_index_tir._past_calls import parse_arguments
from tir_client.protocol.messages import INVALID_ARGUMENTS
from tir_client.protocol.responses import ToolCall

if TYPE_CHECKING:
    from llama_index.core.base.llms.types import ChatResponse

MOST = 200
"""Maximum characters of the problem in the name of a selection for invalid arguments."""


def to_selections(response: ChatResponse, *, required: bool) -> list[ToolSelection]:
    """Convert the tool calls of a response to selections; in a stream, including partial ones.

    A call whose arguments are not a JSON object becomes a selection of an unknown tool whose name describes the
    problem, which agents report to the model.

    Raises:
        NoToolCallError: There is no call, although one is required.
        ToolArgumentsError: A call was required or cut off, and no call has valid arguments.
    """
    blocks = tool_call_blocks(response)
    if required and not blocks:
        raise NoToolCallError(
            f"Expected at least one tool call, but the model made none (finish_reason "
            f"{response.additional_kwargs.get('finish_reason')!r}). Its answer is {response.message.content!r}."
        )
    cut = response.additional_kwargs.get("finish_reason") == "length"
    problems = [_problem(block, cut=cut) for block in blocks]
    if blocks and (required or cut) and all(problems):
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
    """Return why the arguments of a call are invalid; empty if they are valid."""
    return ToolCall("", "", block.tool_kwargs, cut).problem() if isinstance(block.tool_kwargs, str) else ""


def _selection(block: ToolCallBlock, problem: str) -> ToolSelection:
    name, kwargs = block.tool_name, block.tool_kwargs
    if problem:  # LlamaIndex would run the tool if its function accepts any arguments.
        name, kwargs = f"{name} (its arguments are not a JSON object: {problem[:MOST]})", {INVALID_ARGUMENTS: kwargs}
    elif isinstance(kwargs, str):
        kwargs = parse_arguments(kwargs) or {}
    return ToolSelection(tool_id=block.tool_call_id or "", tool_name=name, tool_kwargs=kwargs)


def one_call_only(response: ChatResponse) -> ChatResponse:
    """Return `response` with only its first valid tool call, for callers without parallel calls."""
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
