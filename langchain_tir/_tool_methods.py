"""ToolMethods: the mixin with `ChatTIR.bind_tools`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool

from langchain_tir._errors import model_errors
from langchain_tir._settings import ChatSettings
from langchain_tir._tools import tool_fields
from tir_client.protocol.responses import Json

_ARGUMENTS = ("tool_choice", "strict", "parallel_tool_calls")


class ToolMethods(ChatSettings):
    """The method of `ChatTIR` for tools."""

    def bind_tools(
        self,
        tools: Sequence[Json | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: Json | str | bool | None = None,
        strict: bool | None = None,
        parallel_tool_calls: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Return a runnable that offers tools to the model.

        Args:
            tools: Classes, functions, `BaseTool`s, JSON schemas, or tools in another provider's form.
            tool_choice: "auto", "none", "any" or "required" (some call), the name of a tool (a call of that tool), True
                (the only tool, or any), or a choice in wire form.
            strict: Enforce the schemas of arguments strictly.
            parallel_tool_calls: Whether an answer may have several calls.
            kwargs: Further parameters of the call.

        Raises:
            InvalidRequestError: A tool cannot be offered, `tool_choice` names an unknown tool, or `kwargs` has unknown
                parameters.
        """
        with model_errors():
            self._refuse_unknown_parameters(kwargs, _ARGUMENTS)
            fields = tool_fields(tools, tool_choice, strict=strict)
        if parallel_tool_calls is not None:
            fields["parallel_tool_calls"] = parallel_tool_calls
        return self.bind(**fields, **kwargs)
