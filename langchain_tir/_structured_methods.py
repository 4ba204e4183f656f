"""StructuredMethods: the mixin with the method of `ChatTIR` for structured output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.language_models import LanguageModelInput
from langchain_core.runnables import Runnable
from pydantic import PrivateAttr

from langchain_tir._errors import model_errors
from langchain_tir._settings import ChatSettings
from langchain_tir._structured import Method, beside_raw, check_free, structured_call, traced_format
from tir_client.protocol.responses import Json

if TYPE_CHECKING:
    from typing import Self

_ARGUMENTS = ("method", "include_raw", "strict")


class StructuredMethods(ChatSettings):
    """The method of `ChatTIR` for structured output."""

    _lenient: bool = PrivateAttr(default=False)
    """Return an answer without the tool call that was demanded, for a parser to judge."""

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
            self._refuse_unknown_parameters(kwargs, _ARGUMENTS)
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
