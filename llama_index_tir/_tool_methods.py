"""ToolMethods: the mixin with the methods of `TIR` that offer tools, and parse and run the calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llama_index_tir._messages import with_system_prompt
from llama_index_tir._settings import ChatSettings
from llama_index_tir._tool_calls import one_call_only, to_selections
from llama_index_tir._tool_run import ToolRun
from llama_index_tir._tools import to_messages, tool_fields
from tir_client import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llama_index.core.base.llms.types import ChatMessage, ChatResponse
    from llama_index.core.chat_engine.types import AgentChatResponse
    from llama_index.core.llms.llm import ToolSelection
    from llama_index.core.tools.types import BaseTool

_INSTEAD = {"parallel_tool_calls": "allow_parallel_tool_calls", "messages": "chat_history"}
"""Arguments of `chat` that `chat_with_tools` sets itself, and LlamaIndex's names for them."""


class ToolMethods(ChatSettings):
    """The methods of `TIR` for tools."""

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **_: Any
    ) -> list[ToolSelection]:
        """Return the tool calls of a response; in a stream, including partial ones.

        A call whose arguments are not a JSON object becomes a selection of an unknown tool whose name describes the
        problem, which agents report to the model.

        Raises:
            NoToolCallError: There is no call, and `error_on_no_tool_call` is set.
            ToolArgumentsError: A call was required or cut off, and no call has valid arguments.
        """
        return to_selections(response, required=error_on_no_tool_call)

    def _prepare_chat_with_tools(  # noqa: PLR0913, PLR0917 - LlamaIndex's signature
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,  # noqa: ARG002 - LlamaIndex's signature
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        *,
        tool_choice: Any = None,
        must_call: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        for name, instead in _INSTEAD.items():
            if name in kwargs:
                raise InvalidRequestError(f"`{name}` is not an argument of a call with tools: pass `{instead}`.")
        offer = tool_fields(
            tools or (),
            strict=self.strict,
            choice=tool_choice,
            required=tool_required or must_call,
            parallel=allow_parallel_tool_calls,
        )
        return {**kwargs, **offer, "messages": to_messages(user_msg, chat_history)}

    def _validate_chat_with_tools_response(
        self,
        response: ChatResponse,
        tools: Sequence[BaseTool],  # noqa: ARG002 - LlamaIndex's signature
        allow_parallel_tool_calls: bool = False,
        **_: Any,
    ) -> ChatResponse:
        return response if allow_parallel_tool_calls else one_call_only(response)

    def predict_and_call(  # type: ignore[override]  # further arguments are passed through
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        **kwargs: Any,
    ) -> AgentChatResponse:
        """Let the model call one of `tools`, and run it. `system_prompt` is added unless it is already there.

        `error_on_no_tool_call` (the default) also requires a call from the server, unless `tool_required` is False.
        With `allow_parallel_tool_calls`, `sources` has an output for each call; for calls that cannot run, it is the
        reason.

        Raises:
            NoToolCallError: There is no call, and `error_on_no_tool_call` is set.
            ToolArgumentsError: No call has arguments that are a JSON object.
            UnknownToolError: No call is of a tool in `tools`.
        """
        history = self._prompted(chat_history)
        if not self.metadata.is_function_calling_model:
            return super().predict_and_call(tools, user_msg, history, **_to_react(kwargs))
        run = ToolRun(tools, kwargs)
        return run.run(self.chat_with_tools(tools, user_msg, history, **run.arguments))

    async def apredict_and_call(  # type: ignore[override]  # as `predict_and_call`
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        **kwargs: Any,
    ) -> AgentChatResponse:
        """`predict_and_call` for async code. LlamaIndex's async program needs it to add the system prompt."""
        history = self._prompted(chat_history)
        if not self.metadata.is_function_calling_model:
            return await super().apredict_and_call(tools, user_msg, history, **_to_react(kwargs))
        run = ToolRun(tools, kwargs)
        return await run.arun(await self.achat_with_tools(tools, user_msg, history, **run.arguments))

    def _prompted(self, chat_history: list[ChatMessage] | None) -> list[ChatMessage]:
        history = chat_history or []
        extended = with_system_prompt(self.system_prompt, history)
        return history if history[:1] == extended[:1] else extended


def _to_react(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Convert the arguments of `predict_and_call` for the ReAct agent, which LlamaIndex uses without tool calls."""
    # LlamaIndex passes None for these by default, which its agent refuses. Imported here because it is slow.
    from llama_index.core.agent.react import ReActChatFormatter, ReActOutputParser  # noqa: PLC0415

    return {"react_chat_formatter": ReActChatFormatter(), "output_parser": ReActOutputParser(), **kwargs}
