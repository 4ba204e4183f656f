"""Structured output: the request fields for an object, and the parser for the answer."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal

from langchain_core.messages import AIMessage
from langchain_core.output_parsers import BaseCumulativeTransformOutputParser
from langchain_core.outputs import ChatGeneration, Generation
from langchain_core.runnables import RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_json_schema
from langchain_core.utils.pydantic import is_basemodel_subclass

from langchain_tir._errors import RefusedOutputError, to_model_error
from langchain_tir._tool_forms import VALUE, wrapped_in_object
from langchain_tir._tools import to_response_format, to_tool, tool_fields, whole_schema
from tir_client import InvalidRequestError
from tir_client.protocol.json_text import find_json, find_partial_json
from tir_client.protocol.schemas import FAILURES, forbid_additional_properties, is_of_object, may_fit
from tir_client.protocol.structured_output import make_object, not_the_object, read_object, unusable, written

if TYPE_CHECKING:
    from langchain_core.language_models import LanguageModelInput
    from langchain_core.runnables import Runnable

    from tir_client.protocol.responses import Json

Method = Literal["json_schema", "function_calling", "json_mode"]


class StructuredParser(BaseCumulativeTransformOutputParser[Any]):
    """Parses a message as an object; in a stream, the part that has arrived.

    Args:
        target: The pydantic class (v2 or v1) of the object; None returns a dict.
        tool: The tool whose arguments are the object; None parses the text of the message.
        of_object: Whether the schema describes an object; otherwise any JSON value is accepted, such as an array, and a
            tool has it as its only argument.
        schema_of_tool: The schema of the tool's arguments, to choose one of several calls.
    """

    target: Any = None
    tool: str | None = None
    of_object: bool = True
    schema_of_tool: Any = None

    def parse(self, text: str) -> Any:
        """Parse a text."""
        return self.parse_result([Generation(text=text)])

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        """Parse an answer.

        Args:
            result: The answer, or what has arrived of it.
            partial: Whether more may arrive.

        Raises:
            TruncatedOutputError: The answer was cut off.
            RefusedOutputError: The model refused.
            StructuredOutputError: The answer is not the requested object.
        """
        generation = result[0]
        message = generation.message if isinstance(generation, ChatGeneration) else AIMessage(generation.text)
        if partial and "finish_reason" not in message.response_metadata:
            return self._partial(message)
        text = _written(message)
        _check_end(message, text)
        try:
            if self.target is not None and self.tool is None:
                return read_object(self.target, str(message.text))
            return self._made(self._value(message, partial=False))
        except ValueError as error:
            finish = message.response_metadata.get("finish_reason")
            raise to_model_error(not_the_object(self.target, error, text, finish)) from error

    def _partial(self, message: Any) -> Any:
        """The object so far, or None if it is not valid yet."""
        try:
            return self._made(self._value(message, partial=True))
        except Exception:  # noqa: BLE001 - a custom validator may fail on half of an object
            return None

    def _value(self, message: Any, *, partial: bool) -> Any:
        if self.tool is not None:
            broken = [call for call in message.invalid_tool_calls if call["name"] == self.tool]
            arguments = [call["args"] for call in message.tool_calls if call["name"] == self.tool]
            if broken and not arguments and not partial:
                raise ValueError(f"the arguments of {self.tool!r} are not JSON")
            fitting = [value for value in arguments if may_fit(value, self.schema_of_tool)]
            value = next(iter(fitting or arguments[-1 if partial else 0 :]), None)
            return value if self.of_object else (value or {}).get(VALUE)
        text = str(message.text)
        return find_partial_json(text) if partial else find_json(text)

    def _made(self, value: Any) -> Any:
        if value is None or (self.target is None and self.of_object and not isinstance(value, dict)):
            raise ValueError(f"no call of {self.tool!r} has a value" if self.tool else "the text is another JSON value")
        if self.target is None:
            return value
        return make_object(self.target, value)


def _written(message: Any) -> str:
    """The text of an answer, or its calls, for errors."""
    calls = [*message.tool_calls, *message.invalid_tool_calls] if isinstance(message, AIMessage) else []
    return written(str(message.text), [(call["name"], call["args"]) for call in calls])


def _check_end(message: Any, text: str) -> None:
    problem = unusable(text, message.response_metadata.get("finish_reason"), message.additional_kwargs.get("refusal"))
    if problem is not None:
        error = to_model_error(problem)
        if isinstance(error, RefusedOutputError):
            error.raw_message = message
        raise error


def structured_call(schema: Any, method: Method, strict: bool | None) -> tuple[Json, StructuredParser]:
    """Return the request fields for an object, and the parser for the answer.

    Args:
        schema: The schema of the object; None, with `json_mode` only, accepts any object.
        method: How the object is requested.
        strict: Whether the server enforces the schema strictly; not with `json_mode`.

    Raises:
        InvalidRequestError: The schema is missing or cannot be sent, or the method is unknown.
    """
    target = schema if isinstance(schema, type) and is_basemodel_subclass(schema) else None
    if method == "json_mode":
        if strict is not None:
            raise InvalidRequestError(
                "`strict` has no effect with `method='json_mode'`, which sends no schema: leave it out."
            )
        return {"response_format": {"type": "json_object"}}, StructuredParser(target=target)
    if schema is None:
        raise InvalidRequestError(f"`schema` is missing: `method={method!r}` needs one.")
    if method == "json_schema":
        wire = to_response_format(schema, strict=strict)
        inner = wire.get("json_schema", {}).get("schema", {})
        return {"response_format": wire}, StructuredParser(target=target, of_object=is_of_object(inner))
    if method == "function_calling":
        return _call_of_schema(schema, strict, target)
    raise InvalidRequestError(f"`method` must be 'json_schema', 'function_calling' or 'json_mode', not {method!r}.")


def _call_of_schema(schema: Any, strict: bool | None, target: Any) -> tuple[Json, StructuredParser]:
    """A forced tool call whose arguments are the object; `strict` by default.

    Tool arguments are always an object, so another value, such as an array, becomes the only argument.
    """
    tool = to_tool(schema, strict=strict)
    function = {"strict": True, **tool["function"]}
    whole = whole_schema(schema, function)
    of_object = is_of_object(whole)
    if not of_object:
        parameters = wrapped_in_object(whole)
        function["parameters"] = forbid_additional_properties(parameters) if strict else parameters
    fields = tool_fields([{**tool, "function": function}], function["name"])
    fields["parallel_tool_calls"] = False
    return fields, StructuredParser(
        target=target, tool=function["name"], of_object=of_object, schema_of_tool=function.get("parameters")
    )


def traced_format(schema: Any, method: Method, strict: bool | None) -> Json:
    """The argument that makes LangChain's tracers show the schema; empty if LangChain cannot convert it."""
    try:
        convert_to_json_schema(schema)
    except FAILURES:
        return {}
    return {"ls_structured_output_format": {"kwargs": {"method": method, "strict": strict}, "schema": schema}}


def check_parameters(kwargs: Json, fields: Json, method: Method) -> None:
    """Check that the caller's parameters do not replace those of the method.

    Raises:
        InvalidRequestError: A parameter is set by the method.
    """
    for name in kwargs:
        if name in fields and name != "parallel_tool_calls":
            raise InvalidRequestError(f"`{name}` cannot be passed: `method={method!r}` sets it itself.")


def with_raw(
    model: Runnable[LanguageModelInput, AIMessage], parser: StructuredParser
) -> Runnable[LanguageModelInput, Any]:
    """A chain that returns the message (`raw`), the object (`parsed`) and the error of parsing (`parsing_error`)."""
    parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=model) | parsed.with_fallbacks([failed], exception_key="parsing_error")
