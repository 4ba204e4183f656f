"""StructuredMethods: the mixin with `ChatTIR.with_structured_output`."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import LanguageModelInput
from langchain_core.runnables import Runnable
from pydantic import PrivateAttr

from langchain_tir._errors import model_errors
from langchain_tir._settings import ChatSettings
from langchain_tir._structured import Method, check_parameters, structured_call, traced_format, with_raw
from tir_client.protocol.responses import Json

_ARGUMENTS = ("method", "include_raw", "strict")


class StructuredMethods(ChatSettings):
    """The method of `ChatTIR` for structured output."""

    _lenient: bool = PrivateAttr(default=False)
    """Accept answers without the required tool call; the parser then raises the error."""

    def with_structured_output(
        self,
        schema: Json | type | None = None,
        *,
        method: Method = "json_schema",
        include_raw: bool = False,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Return a runnable that answers with an object.

        Args:
            schema: A pydantic class (v2 or v1), which returns instances, or a `TypedDict` or JSON schema, which returns
                dicts; a stream yields growing dicts.
            method: "json_schema" makes the server enforce the schema, "function_calling" requires a call of a tool with
                the schema, and "json_mode" requests any JSON object, which the prompt must describe.
            include_raw: Return `{"raw": message, "parsed": object, "parsing_error": error}` instead of raising. Streams
                still raise, as with LangChain's other models.
            strict: Enforce the schema strictly.
            kwargs: Further parameters of the call.

        Raises:
            InvalidRequestError: The schema cannot be sent, or `kwargs` has an unknown parameter or one that the method
                sets.
            StructuredOutputError: When called: the answer is truncated, a refusal, or not the object. It has the text.
        """
        with model_errors():
            self._refuse_unknown_parameters(kwargs, _ARGUMENTS)
            fields, parser = structured_call(schema, method, strict)
            check_parameters(kwargs, fields, method)
        fields |= traced_format(schema, method, strict)
        caller = self
        if method == "function_calling":
            caller = self.model_copy()
            caller._lenient = True  # noqa: SLF001 - a copy of this model
        model = caller.bind(**{**fields, **kwargs})
        return with_raw(model, parser) if include_raw else model | parser
