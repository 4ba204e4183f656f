"""Structured output: answers that are objects of a pydantic class, by its JSON schema, read and once repaired. Pure."""

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
from pydantic_core import to_json

from tir_client import (
    InvalidRequestError,
    RefusedOutputError,
    StructuredOutputError,
    TruncatedOutputError,
)
from tir_client.protocol.json_text import PartialJson, extract_json
from tir_client.protocol.tool_choice import response_format

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llama_index.core.prompts import BasePromptTemplate

    from llama_index_tir._content import Json

dispatcher = get_dispatcher("llama_index.core.llms.llm")

Template = tuple["BasePromptTemplate", dict[str, Any]]
"""A prompt and the arguments that it was filled with."""

TOOL_ARGUMENTS = ("tools", "tool_choice", "tool_required", "allow_parallel_tool_calls", "parallel_tool_calls")
"""Arguments that LlamaIndex's programs pass for their way, which is through tools: a schema does not need them."""


class StructuredTask(Generic[Model]):
    """One object to get out of the model.

    Args:
        output_cls: The object's class.
        template: The prompt, for the events.
        messages: What to ask.
        kwargs: The caller's arguments for the call.
        strict: Hold the answer to the schema strictly; None leaves that to the server.

    Raises:
        InvalidRequestError: It is no pydantic class.

    Attributes:
        kwargs: The arguments of the call, with the schema.
        second: The messages that ask again, once an answer could not be read.
        output: The object, once an answer could be.
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
        if not hasattr(output_cls, "model_json_schema"):
            raise InvalidRequestError(f"{output_cls!r} is no pydantic class: put it into a field of one.")
        self._output_cls = output_cls
        self._template = template
        self._partial: PartialObject | None = None
        self.messages = messages
        self.second: list[ChatMessage] = []
        self.output: Model | None = None
        format_ = response_format(_name(output_cls), output_cls.model_json_schema(), strict=strict)
        caller = {name: value for name, value in (kwargs or {}).items() if name not in TOOL_ARGUMENTS}
        self.kwargs: Json = {**caller, "response_format": format_}

    def partial(self, response: ChatResponse) -> Model | FlexibleModel | None:
        """The object so far, or None if a response of the stream adds nothing to it."""
        if self._partial is None:
            self._partial = PartialObject(self._output_cls)
        output: Model | FlexibleModel | None = self._partial.read(
            _text(response), whole="finish_reason" in response.additional_kwargs
        )
        return output

    def accepts(self, response: ChatResponse) -> bool:
        """Read an answer: True if it is the object, else `second` is set.

        Raises:
            StructuredOutputError: The answer was cut off or refused, which asking again would not change.
        """
        self._check_end(response)
        problem = self._read(response)
        if problem:
            self.second = [
                *self.messages,
                ChatMessage(role=MessageRole.ASSISTANT, content=_text(response)),
                ChatMessage(content=f"That cannot be read: {problem}\nAnswer with the corrected JSON object only."),
            ]
        return not problem

    def finish(self, response: ChatResponse) -> None:
        """Read the last answer that there will be.

        Raises:
            StructuredOutputError: It is not the object.
        """
        self._check_end(response)
        problem = self._read(response)
        if problem:
            raise self._error(response, StructuredOutputError, problem)

    def _check_end(self, response: ChatResponse) -> None:
        """Raise an error for an answer that was not written to its end, even if what there is can be read."""
        if refusal := response.additional_kwargs.get("refusal"):
            raise self._error(response, RefusedOutputError, f"the model refused: {refusal!r}")
        match response.additional_kwargs.get("finish_reason"):
            case "length":
                raise self._error(response, TruncatedOutputError, "it was cut off; raise `max_tokens`")
            case "content_filter":
                raise self._error(response, RefusedOutputError, "a filter of the server stopped it")

    def _read(self, response: ChatResponse) -> str:
        """Read an answer; return what is wrong with it."""
        try:
            self.output = self._output_cls.model_validate_json(extract_json(_text(response)))
        except ValidationError as error:
            details = error.errors(include_url=False, include_context=False, include_input=False)
            return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'the text'}: {e['msg']}" for e in details)
        except ValueError as error:
            return f"the text is not JSON: {error}"
        return ""

    def _error(self, response: ChatResponse, cls: type[StructuredOutputError], problem: str) -> StructuredOutputError:
        finish = response.additional_kwargs.get("finish_reason")
        return cls(
            f"The answer is not a {self._output_cls.__name__}: {problem} (finish_reason {finish!r}). "
            f"It is {_text(response)!r}.",
            text=response.additional_kwargs.get("refusal") or _text(response),
            body=response.raw,
        )

    @property
    def result(self) -> Model:
        """The object, of a task that is done."""
        if self.output is None:
            raise RuntimeError("The task is not done.")
        return self.output

    # LlamaIndex's events of such a task

    def started(self) -> None:
        """Report that the task begins."""
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
        dispatcher.event(LLMStructuredPredictEndEvent(output=self.output))


class PartialObject:
    """Reads an object while it arrives: of its own class as soon as it fits, until then one with anything missing.

    This is a preview: what the object is in the end is read from the whole answer.
    """

    def __init__(self, output_cls: type[BaseModel]) -> None:
        self._output_cls = output_cls
        self._flexible: type[FlexibleModel] = create_flexible_model(output_cls)
        self._json = PartialJson()
        self._last: Json = {}

    def read(self, text: str, *, whole: bool) -> Any:
        """The object so far, or None if `text` adds nothing to it."""
        value = self._json.parse(text, whole=whole)
        if value == self._last:
            return None
        self._last = value
        try:
            return self._output_cls.model_validate_json(to_json(value))
        except ValidationError:
            return self._flexible.model_validate(value)
        except Exception:  # noqa: BLE001 - the class's own validator may not expect half of an object
            return None


def _text(response: ChatResponse) -> str:
    return response.message.content or ""


def check_last(last: Any, output_cls: type[BaseModel]) -> None:
    """Raise `StructuredOutputError` if what a stream ended with is not an object of `output_cls`."""
    if not isinstance(last, output_cls):
        raise StructuredOutputError(
            f"The stream ended before LlamaIndex's program had read a {output_cls.__name__}; it got as far as "
            f"{last!r}. If the answer was cut off, raise `max_tokens`."
        )


def _name(output_cls: type[Any]) -> str:
    """A name for the schema, of the characters and the length that servers allow."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", output_cls.__name__)[:64]
