"""StructuredTIR and ProgramTIR: LLMs that always answer with an object of one pydantic class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms.structured_llm import StructuredLLM
from llama_index.core.prompts import ChatPromptTemplate
from pydantic import SerializeAsAny  # noqa: TC002 - pydantic reads the annotation

from llama_index_tir._chat_methods import ChatMethods
from llama_index_tir._instrumentation import Instrumentation, Kind
from llama_index_tir._mapped_streams import AsyncMapped, Mapped
from llama_index_tir._messages import with_system_prompt
from llama_index_tir._settings import ChatSettings  # noqa: TC001 - pydantic reads the annotation
from llama_index_tir._structured import StructuredTask
from llama_index_tir._structured_run import Step, apredict, astream_steps, predict, stream_steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llama_index.core.base.llms.types import (
        ChatResponseAsyncGen,
        ChatResponseGen,
    )
    from llama_index.core.callbacks.base_handler import BaseCallbackHandler
    from llama_index.core.llms import LLM
    from pydantic import BaseModel


class InstrumentedStructuredLLM(ChatMethods, StructuredLLM):
    """The shared base of both structured LLMs.

    LlamaIndex's callbacks and events report two calls, this one and that of `llm`. Only the latter reports tokens, so
    handlers count them once.
    """

    llm: SerializeAsAny[ChatSettings]

    def _instrumented(self, kind: Kind, question: Any, kwargs: dict[str, Any]) -> Instrumentation:
        return Instrumentation(kind, self, question, kwargs, counted=False)

    def _reporting_llm(self) -> ChatSettings:
        """Return `llm` with the callback handlers of this LLM added, because its calls report the tokens."""
        own, others = _handlers(self.llm), _handlers(self)
        further = [handler for handler in others if handler not in own]
        if not further:
            return self.llm
        manager = CallbackManager()
        manager.set_handlers([*own, *further])
        return self.llm.model_copy(update={"callback_manager": manager})


class StructuredTIR(InstrumentedStructuredLLM):
    """The LLM that `TIR.as_structured_llm` returns.

    The text of an answer is the object's JSON, and `raw` is the object. In a stream, `raw` is the object so far, and
    the deltas are the model's text. After an invalid answer, `chat` sends a second request; a stream, which has
    already yielded deltas, raises `StructuredOutputError`.
    """

    def _task(self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> StructuredTask[BaseModel]:
        asked = with_system_prompt(self.llm.system_prompt, messages)
        return StructuredTask(self.output_cls, (_template(messages), {}), asked, kwargs, strict=self.llm.strict)

    def _chat(self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> ChatResponse:
        task = self._task(messages, kwargs)
        return _answer(predict(self._reporting_llm(), task), task.result, _to_text(task.result))

    async def _achat(self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> ChatResponse:
        task = self._task(messages, kwargs)
        return _answer(await apredict(self._reporting_llm(), task), task.result, _to_text(task.result))

    def _stream(self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> ChatResponseGen:
        task = self._task(messages, kwargs)
        growing = _GrowingObject(task)
        return Mapped(stream_steps(self._reporting_llm(), task), growing.add, growing.end)

    async def _astream(self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> ChatResponseAsyncGen:
        task = self._task(messages, kwargs)
        growing = _GrowingObject(task)
        return AsyncMapped(await astream_steps(self._reporting_llm(), task), growing.add, growing.end)


class ProgramTIR(InstrumentedStructuredLLM):
    """The LLM that `TIR.as_structured_llm` returns if `pydantic_program_mode` is not DEFAULT.

    It uses LlamaIndex's programs, whose streams have no deltas.
    """

    def _chat(self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> ChatResponse:
        prompt = _template(messages)
        return _from_program(self._reporting_llm().structured_predict(self.output_cls, prompt, kwargs))

    async def _achat(self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> ChatResponse:
        prompt = _template(messages)
        return _from_program(await self._reporting_llm().astructured_predict(self.output_cls, prompt, kwargs))

    def _stream(self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> ChatResponseGen:
        prompt = _template(messages)
        objects = self._reporting_llm().stream_structured_predict(self.output_cls, prompt, kwargs)
        return Mapped(objects, _from_program)

    async def _astream(self, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> ChatResponseAsyncGen:
        prompt = _template(messages)
        objects = await self._reporting_llm().astream_structured_predict(self.output_cls, prompt, kwargs)
        return AsyncMapped(objects, _from_program)


class _GrowingObject:
    """Converts the steps of a stream to responses, and reports them."""

    def __init__(self, task: StructuredTask[BaseModel]) -> None:
        self._task = task
        self._object: Any = None
        self._text = ""
        self._response: ChatResponse
        task.started()

    def add(self, step: Step) -> ChatResponse:
        """Return the response for a step, with the object so far."""
        self._response, output = step
        if output is not None:
            self._task.progressed(output)
            self._object, self._text = output, _to_text(output)
        return _answer(self._response, self._object, self._text)

    def end(self) -> list[ChatResponse]:
        """Return the last response, with the whole object, unless it was already yielded."""
        self._task.finish(self._response)
        self._task.ended()
        whole = self._task.result
        return [] if whole == self._object else [_answer(self._response, whole, _to_text(whole))]


def _handlers(llm: LLM) -> list[BaseCallbackHandler]:
    manager: CallbackManager | None = llm.callback_manager  # the caller may have set it to None
    return [] if manager is None else manager.handlers


def _template(messages: Sequence[ChatMessage]) -> ChatPromptTemplate:
    return ChatPromptTemplate(message_templates=list(messages))


def _to_text(output: BaseModel) -> str:
    """Return the JSON of an object with the schema's names, which its class can parse."""
    return output.model_dump_json(by_alias=True)


def _from_program(output: Any) -> ChatResponse:
    return ChatResponse(message=ChatMessage(role=MessageRole.ASSISTANT, content=_to_text(output)), raw=output)


def _answer(response: ChatResponse, output: Any, text: str) -> ChatResponse:
    message = ChatMessage(role=MessageRole.ASSISTANT, content=text)
    kwargs = dict(response.additional_kwargs)
    return ChatResponse(message=message, raw=output, delta=response.delta, additional_kwargs=kwargs)
