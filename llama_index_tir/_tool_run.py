"""ToolRun: runs the tools that a model called, for `predict_and_call`.

LlamaIndex's own function raises a `KeyError` for a call of an unknown tool, even if there are other calls, and cannot
run a tool whose schema is a reference at the top level, such as that of a recursive class.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from llama_index.core.chat_engine.types import AgentChatResponse
from llama_index.core.tools.calling import acall_tool_with_selection, call_tool_with_selection
from llama_index.core.tools.types import ToolOutput, adapt_to_async_tool

from llama_index_tir._errors import UnknownToolError
from llama_index_tir._tool_calls import to_selections, tool_call_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llama_index.core.base.llms.types import ChatResponse
    from llama_index.core.llms.llm import ToolSelection
    from llama_index.core.tools.types import BaseTool

    from tir_client.protocol.responses import Json


class ToolRun:
    """One `predict_and_call`.

    Args:
        tools: The tools that are offered.
        kwargs: The caller's arguments.

    Attributes:
        arguments: The arguments for `chat_with_tools`.
    """

    def __init__(self, tools: Sequence[BaseTool], kwargs: Json) -> None:
        options = dict(kwargs)
        self._tools = {tool.metadata.get_name(): tool for tool in tools}
        self._required = options.pop("error_on_no_tool_call", True)
        self._raises = options.pop("error_on_tool_error", False)
        self._verbose = options.get("verbose", False)
        self.arguments: Json = {"tool_required": self._required, **options}

    def run(self, response: ChatResponse) -> AgentChatResponse:
        """Run the calls of a response. The output of a call that cannot run is the reason.

        Raises:
            NoToolCallError: There is no call, although one is required.
            ToolArgumentsError: No call has arguments that are a JSON object.
            UnknownToolError: No call is of an offered tool.
            ValueError: A tool failed, and `error_on_tool_error` is set.
        """
        return self._answer(response, [self._call(call) for call in self._calls(response)])

    async def arun(self, response: ChatResponse) -> AgentChatResponse:
        """`run` for async code. The calls run concurrently."""
        outputs = await asyncio.gather(*(self._acall(call) for call in self._calls(response)))
        return self._answer(response, outputs)

    def _calls(self, response: ChatResponse) -> list[ToolSelection]:
        calls = to_selections(response, required=self._required or bool(tool_call_blocks(response)))
        if calls and not any(call.tool_name in self._tools for call in calls):
            names = ", ".join(repr(call.tool_name) for call in calls)
            raise UnknownToolError(
                f"The model called {names}, which was not offered; the tools are {', '.join(self._tools)}.",
                body=response.raw,
            )
        return calls

    def _call(self, call: ToolSelection) -> ToolOutput:
        tool = self._tools.get(call.tool_name)
        if tool is None:
            return _unknown(call)
        if _has_properties(tool):
            return call_tool_with_selection(call, [tool], verbose=self._verbose)
        try:
            return tool(**call.tool_kwargs)
        except Exception as error:  # noqa: BLE001 - a tool may raise anything, as in LlamaIndex's own function
            return _failed(call, f"Encountered error: {error}", error)

    async def _acall(self, call: ToolSelection) -> ToolOutput:
        tool = self._tools.get(call.tool_name)
        if tool is None:
            return _unknown(call)
        if _has_properties(tool):
            return await acall_tool_with_selection(call, [tool], verbose=self._verbose)
        try:
            return await adapt_to_async_tool(tool).acall(**call.tool_kwargs)
        except Exception as error:  # noqa: BLE001 - as above
            return _failed(call, f"Encountered error: {error}", error)

    def _answer(self, response: ChatResponse, outputs: list[ToolOutput]) -> AgentChatResponse:
        text = "\n\n".join(output.content for output in outputs)
        if self._raises and any(output.is_error for output in outputs):
            raise ValueError(text)
        return AgentChatResponse(response=text if outputs else response.message.content or "", sources=outputs)


def _has_properties(tool: BaseTool) -> bool:
    """Whether LlamaIndex's own function can call the tool."""
    return "properties" in tool.metadata.get_parameters_dict()


def _unknown(call: ToolSelection) -> ToolOutput:
    """Return the output for a call of an unknown tool, worded as by LlamaIndex's agents."""
    return _failed(call, f"Tool {call.tool_name} not found. Please select a tool that is available.")


def _failed(call: ToolSelection, text: str, error: Exception | None = None) -> ToolOutput:
    fields: dict[str, Any] = {"raw_input": call.tool_kwargs, "raw_output": text}
    return ToolOutput(content=text, tool_name=call.tool_name, is_error=True, exception=error, **fields)
