"""StructuredTask: the request for an object, the parsing of its answers, a second request, and LlamaIndex's events."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Generic

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole
from llama_index.core.instrumentation.events.llm import (
    LLMStructuredPredictEndEvent,
    LLMStructuredPredictInProgressEvent,
    LLMStructuredPredictStartEvent,
)
from llama_index.core.program.utils import FlexibleModel, create_flexible_model
from llama_index.core.types import Model
from llama_index_instrumentation import get_dispatcher
from pydantic import BaseModel, ValidationError

from llama_index_tir._schemas import schema_of_class
from llama_index_tir._tool_calls import tool_call_blocks
from tir_client import StructuredOutputError
from tir_client.protocol.json_text import PartialJson
from tir_client.protocol.schemas import forbid_additional_properties
from tir_client.protocol.structured_output import make_object, not_the_object, problem, read_object, unusable, written
from tir_client.protocol.tool_choice import response_format

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llama_index.core.prompts import BasePromptTemplate

    from tir_client.protocol.responses import Json

dispatcher = get_dispatcher("llama_index.core.llms.llm")

Template = tuple["BasePromptTemplate", dict[str, Any]]
"""A prompt template and its arguments."""

TOOL_ARGUMENTS = ("tools", "tool_choice", "tool_required", "allow_parallel_tool_calls", "parallel_tool_calls")
"""Arguments that LlamaIndex's programs pass for tool calls. A schema does not need them."""


class StructuredTask(Generic[Model]):
    """A request for an object of a pydantic class, the parser of its answer, and a possible second request.

    Args:
        output_cls: The object's class.
        template: The prompt, for the events.
        messages: The messages to send.
        kwargs: The caller's arguments for the call.
        strict: Enforce the schema strictly. None: the server's default.

    Raises:
        InvalidRequestError: `output_cls` is not a pydantic class.

    Attributes:
        kwargs: The arguments of the call, with the schema.
        second: The messages of the second request, after an invalid answer.
    """

    def __init__(
        self,
        output_cls: type[Model],
        template: Template,
        messages: list[ChatMessage],
        kwargs: Mapping[str, Any] | None,
        *,
        strict: bool | None,
    ) -> None:
        schema = schema_of_class(output_cls)
        if strict:
            schema = forbid_additional_properties(schema)
        self._output_cls = output_cls
        self._template = template
        self._partial: PartialObject | None = None
        self._output: Model | None = None
        self.messages = messages
        self.second: list[ChatMessage] = []
        format_ = response_format(_name(output_cls), schema, strict=strict)
        caller = {name: value for name, value in (kwargs or {}).items() if name not in TOOL_ARGUMENTS}
        self.kwargs: Json = {**caller, "response_format": format_}

    def partial(self, response: ChatResponse) -> Model | FlexibleModel | None:
        """Return the object so far, or None if the response did not change it."""
        if self._partial is None:
            self._partial = PartialObject(self._output_cls)
        output: Model | FlexibleModel | None = self._partial.read(
            response.message.content or "", whole="finish_reason" in response.additional_kwargs
        )
        return output

    def accepts(self, response: ChatResponse) -> bool:
        """Parse an answer: return True if it is valid, else set `second` and return False.

        Raises:
            StructuredOutputError: The answer was truncated or refused; a second request would not help.
        """
        self._check_end(response)
        error = self._read(response)
        if error is not None:
            self.second = [
                *self.messages,
                ChatMessage(role=MessageRole.ASSISTANT, content=_written(response)),
                ChatMessage(content=f"That is invalid: {problem(error)}\nAnswer with the corrected JSON object only."),
            ]
        return error is None

    def finish(self, response: ChatResponse) -> None:
        """Parse the last answer.

        Raises:
            StructuredOutputError: It is invalid.
        """
        self._check_end(response)
        error = self._read(response)
        if error is not None:
            finish = response.additional_kwargs.get("finish_reason")
            raised = not_the_object(self._output_cls, error, _written(response), finish)
            raised.body = response.raw
            raise raised from error

    def _check_end(self, response: ChatResponse) -> None:
        """Raise an error for a truncated or refused answer, even if its text is valid."""
        kwargs = response.additional_kwargs
        error = unusable(_written(response), kwargs.get("finish_reason"), kwargs.get("refusal"))
        if error is not None:
            error.body = response.raw
            raise error

    def _read(self, response: ChatResponse) -> ValueError | None:
        """Parse an answer; return the error if it is invalid."""
        try:
            self._output = read_object(self._output_cls, response.message.content or "")
        except ValueError as error:
            return error
        return None

    @property
    def result(self) -> Model:
        """The object of a finished task."""
        if self._output is None:
            raise RuntimeError("The task has no result yet.")
        return self._output

    # Events of LlamaIndex

    def started(self) -> None:
        """Report the start of the task."""
        prompt, arguments = self._template
        dispatcher.event(
            LLMStructuredPredictStartEvent(output_cls=self._output_cls, template=prompt, template_args=arguments)
        )

    @staticmethod
    def progressed(output: BaseModel) -> None:
        """Report the object so far."""
        dispatcher.event(LLMStructuredPredictInProgressEvent(output=output))

    def ended(self) -> None:
        """Report the object."""
        dispatcher.event(LLMStructuredPredictEndEvent(output=self._output))


class PartialObject:
    """Parses an object while it arrives. Until it is valid, its class is one with optional fields.

    The final object is parsed from the whole answer.
    """

    def __init__(self, output_cls: type[BaseModel]) -> None:
        self._output_cls = output_cls
        self._flexible: type[FlexibleModel] = create_flexible_model(output_cls)
        self._json = PartialJson()
        self._last: Json = {}

    def read(self, text: str, *, whole: bool) -> Any:
        """Return the object so far, or None if `text` did not change it."""
        value = self._json.parse(text, whole=whole)
        if value == self._last:
            return None
        self._last = value
        try:
            return make_object(self._output_cls, value)
        except ValidationError:
            return self._flexible.model_validate(value)
        except Exception:  # noqa: BLE001 - a custom validator may fail on half of an object
            return None


def _written(response: ChatResponse) -> str:
    """The text of an answer, or its calls, for errors and the second request."""
    calls = [(block.tool_name, block.tool_kwargs) for block in tool_call_blocks(response)]
    return written(response.message.content or "", calls)


def check_last(last: Any, output_cls: type[BaseModel]) -> None:
    """Raise `StructuredOutputError` if the last object of a stream is not of `output_cls`."""
    if not isinstance(last, output_cls):
        raise StructuredOutputError(
            f"The stream ended before LlamaIndex's program had a valid {output_cls.__name__}; its last object is "
            f"{last!r}. If the answer was truncated, raise `max_tokens`."
        )


def _name(output_cls: type[Any]) -> str:
    """Return a name for the schema with the characters and length that servers allow."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", output_cls.__name__)[:64]
