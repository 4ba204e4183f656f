"""ToolMethods: the mixin with the methods of `ChatTIR` for tools and structured output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import PrivateAttr

from langchain_tir._content import Json
from langchain_tir._errors import model_errors
from langchain_tir._settings import ChatSettings
from langchain_tir._structured import Method, beside_raw, check_free, structured_call, traced_format
from langchain_tir._tools import tool_fields

if TYPE_CHECKING:
    from typing import Self

_BIND_TOOLS = ("tool_choice", "strict", "parallel_tool_calls")
_WITH_STRUCTURED_OUTPUT = ("method", "include_raw", "strict")


class ToolMethods(ChatSettings):
    """The methods of `ChatTIR` for tools and structured output."""

    _lenient: bool = PrivateAttr(default=False)
    """Return an answer without the tool call that was demanded, for a parser to judge."""

    def bind_tools(
        self,
        tools: Sequence[Json | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: Json | str | bool | None = None,
        strict: bool | None = None,
        parallel_tool_calls: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Offer tools to the model.

        Args:
            tools: Classes, functions, `BaseTool`s, JSON schemas, or tools in another provider's form.
            tool_choice: "auto", "none", "any" or "required" (a call must be made), the name of a tool (that one),
                True (the only tool, or any), or a choice in wire form.
            strict: Have the server bind arguments to their schema.
            parallel_tool_calls: Whether an answer may hold several calls.
            kwargs: Further parameters of the call.

        Raises:
            InvalidRequestError: A tool cannot be offered, `tool_choice` names none of them, or `kwargs` has a name that
                is no parameter.
        """
        with model_errors():
            self.refuse_unknown_parameters(kwargs, _BIND_TOOLS)
            fields = tool_fields(tools, tool_choice, strict=strict)
        if parallel_tool_calls is not None:
            fields["parallel_tool_calls"] = parallel_tool_calls
        return self.bind(**fields, **kwargs)

    def with_structured_output(
        self,
        schema: Json | type | None = None,
        *,
        method: Method = "json_schema",
        include_raw: bool = False,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """A chain that answers with an object.

        Args:
            schema: A pydantic class (v2 or v1) for an instance; a `TypedDict` or a JSON schema for a dict, which
                grows while it is streamed.
            method: "json_schema" binds the answer to the schema, "function_calling" demands a call of a tool with
                that schema, "json_mode" asks for any JSON object: the prompt has to say which.
            include_raw: Answer with `{"raw": message, "parsed": object, "parsing_error": error}` instead of raising;
                a stream still raises, as with LangChain's other models.
            strict: Have the server be strict about the schema.
            kwargs: Further parameters of the call.

        Raises:
            InvalidRequestError: The schema cannot be sent, or `kwargs` has what the method itself sets, or a name that
                is no parameter.
            StructuredOutputError: When called: the answer is cut off, a refusal, or no such object; it holds the text.
        """
        with model_errors():
            self.refuse_unknown_parameters(kwargs, _WITH_STRUCTURED_OUTPUT)
            fields, parser = structured_call(schema, method, strict)
            check_free(kwargs, fields, method)
        fields |= traced_format(schema, method, strict)
        caller = self._leniently() if method == "function_calling" else self
        model = caller.bind(**{**fields, **kwargs})
        return beside_raw(model, parser) if include_raw else model | parser

    def _leniently(self) -> Self:
        """A copy that returns what the model said where it did not make the call that was demanded."""
        copy = self.model_copy()
        copy._lenient = True  # noqa: SLF001 - a copy of this one
        return copy
