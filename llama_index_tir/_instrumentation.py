"""Instrumentation: reports a call through LlamaIndex's callbacks and events, and applies its rate limiter.

All calls use it instead of LlamaIndex's decorators, which send the same callbacks and events with three faults: closing
their stream does not close the one inside, so that the server keeps generating (and billing) until the garbage
collector runs; they validate the whole history again for each chunk; and they report the tokens of nested calls twice.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

from llama_index.core.base.llms.types import ChatResponse, CompletionResponse
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload
from llama_index.core.instrumentation.events.exception import ExceptionEvent
from llama_index.core.instrumentation.events.llm import (
    LLMChatEndEvent,
    LLMChatInProgressEvent,
    LLMChatStartEvent,
    LLMCompletionEndEvent,
    LLMCompletionInProgressEvent,
    LLMCompletionStartEvent,
)
from llama_index.core.instrumentation.span import active_span_id
from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.event_handlers import NullEventHandler

from llama_index_tir._mapped_streams import AsyncMapped, Mapped
from llama_index_tir._messages import check_messages
from llama_index_tir._settings import TOOL_NAMES
from tir_client.protocol.responses import Usage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator

    from llama_index.core.llms import LLM

dispatcher = get_dispatcher("llama_index.core.llms.callbacks")


TOKEN_COUNTS = frozenset(field.name for field in fields(Usage))
"""The token counts in the `additional_kwargs` of a response."""

Response = TypeVar("Response", ChatResponse, CompletionResponse)


@dataclass(frozen=True)
class Kind:
    """The differences between chats and completions: payload keys and event classes."""

    trace: str
    field: str
    question: EventPayload
    answer: EventPayload
    start_event: type[Any]
    progress_event: type[Any]
    end_event: type[Any]


CHAT = Kind(
    trace="chat",
    field="messages",
    question=EventPayload.MESSAGES,
    answer=EventPayload.RESPONSE,
    start_event=LLMChatStartEvent,
    progress_event=LLMChatInProgressEvent,
    end_event=LLMChatEndEvent,
)
COMPLETION = Kind(
    trace="completion",
    field="prompt",
    question=EventPayload.PROMPT,
    answer=EventPayload.COMPLETION,
    start_event=LLMCompletionStartEvent,
    progress_event=LLMCompletionInProgressEvent,
    end_event=LLMCompletionEndEvent,
)


class Instrumentation:
    """Reports one call of `llm`: its start, each response of a stream, and its end or error.

    Args:
        kind: A chat or a completion.
        llm: The LLM that is called.
        question: The messages or the prompt.
        kwargs: The arguments of the call.
        counted: Report token counts. False if the call makes another call, which reports the tokens: then the events
            have no token counts, and the last callback has no question, so that `TokenCountingHandler` does not count.

    Raises:
        InvalidRequestError: The messages of a chat are not a list of `ChatMessage` objects.
    """

    def __init__(self, kind: Kind, llm: LLM, question: Any, kwargs: dict[str, Any], *, counted: bool = True) -> None:
        if not isinstance(llm.callback_manager, CallbackManager):
            llm.callback_manager = CallbackManager()
        if kind is CHAT:
            check_messages(question)
        self._kind = kind
        self._llm = llm
        self._question = question
        self._kwargs = {name: value for name, value in kwargs.items() if name != TOOL_NAMES}
        self._counted = counted
        self._callbacks = llm.callback_manager
        self._span_id = active_span_id.get()
        self._event_id = ""
        self._last: Any = None
        self._is_over = False

    def call(self, get: Callable[[], Response]) -> Response:
        """Get a whole answer and report it."""
        with self._callbacks.as_trace(self._kind.trace):
            with self._begun():
                if self._llm.rate_limiter is not None:
                    self._llm.rate_limiter.acquire()
                response = get()
            self._ended(response)
        return response

    async def acall(self, get: Callable[[], Awaitable[Response]]) -> Response:
        """`call` for async code."""
        with self._callbacks.as_trace(self._kind.trace):
            with self._begun():
                if self._llm.rate_limiter is not None:
                    await self._llm.rate_limiter.async_acquire()
                response = await get()
            self._ended(response)
        return response

    def stream(self, begin: Callable[[], Generator[Response]]) -> Generator[Response]:
        """Begin a stream and report it. Closing the returned stream closes the one that `begin` returned."""
        with self._callbacks.as_trace(self._kind.trace), self._begun():
            if self._llm.rate_limiter is not None:
                self._llm.rate_limiter.acquire()
            responses = begin()
        return _Reported(responses, self)

    async def astream(self, begin: Callable[[], Awaitable[AsyncGenerator[Response]]]) -> AsyncGenerator[Response]:
        """`stream` for async code."""
        with self._callbacks.as_trace(self._kind.trace), self._begun():
            if self._llm.rate_limiter is not None:
                await self._llm.rate_limiter.async_acquire()
            responses = await begin()
        return _AsyncReported(responses, self)

    def progressed(self, response: Response) -> Response:
        """Report a response of a stream."""
        self._last = response
        if _has_listener():
            question = {self._kind.field: type(self._question)()}
            event = self._kind.progress_event(response=self._to_report(response), span_id=self._span_id, **question)
            setattr(event, self._kind.field, self._question)
            dispatcher.event(event)
        return response

    def stream_ended(self) -> tuple[()]:
        """Report that a stream has ended."""
        self._is_over = True
        self._ended(self._last)
        return ()

    def stream_failed(self, error: BaseException) -> None:
        """Report that a stream was closed early or failed, unless its end has been reported."""
        if not self._is_over:
            self._is_over = True
            self._report({EventPayload.EXCEPTION: error})
            dispatcher.event(ExceptionEvent(exception=error, span_id=self._span_id))

    @contextmanager
    def _begun(self) -> Iterator[None]:
        self._event_id = self._callbacks.on_event_start(CBEventType.LLM, payload=self._start())
        try:
            yield
        except BaseException as error:
            self._report({EventPayload.EXCEPTION: error})
            raise

    def _start(self) -> dict[str, Any]:
        """Send the first event, and return the payload of the first callback. Without receivers, neither is built."""
        has_listener = _has_listener()
        if not has_listener and not self._callbacks.handlers:
            return {}
        model, question = self._llm.to_payload(), self._question
        if has_listener:
            event = self._kind.start_event(
                model_dict=model,
                additional_kwargs=self._kwargs,
                span_id=self._span_id,
                **{self._kind.field: question},
            )
            dispatcher.event(event)
            # Reuse the validated messages: validating them again for each chunk is slow.
            self._question = getattr(event, self._kind.field)
        return {
            self._kind.question: question,
            EventPayload.ADDITIONAL_KWARGS: self._kwargs,
            EventPayload.SERIALIZED: model,
        }

    def _ended(self, last: Response | None) -> None:
        payload: dict[str, Any] = {self._kind.answer: last}
        self._report(payload | ({self._kind.question: self._question} if self._counted else {}))
        if _has_listener():
            question = {self._kind.field: self._question}
            reported = None if last is None else self._to_report(last)
            dispatcher.event(self._kind.end_event(response=reported, span_id=self._span_id, **question))

    def _to_report(self, response: Response) -> Response:
        """Return the response for an event: without token counts, unless this call reports them."""
        if self._counted:
            return response
        kwargs = {name: value for name, value in response.additional_kwargs.items() if name not in TOKEN_COUNTS}
        return response.model_copy(update={"additional_kwargs": kwargs})

    def _report(self, payload: dict[str, Any]) -> None:
        self._callbacks.on_event_end(CBEventType.LLM, payload=payload, event_id=self._event_id)


def _has_listener() -> bool:
    """Whether an event handler is registered: building an event costs more than building the response."""
    node = dispatcher
    while all(type(handler) is NullEventHandler for handler in node.event_handlers):
        if not node.propagate:
            return False
        node = node.parent
    return True


class _Reported(Mapped[Any, Any]):
    """A stream that is reported as it is read. If it is garbage-collected early, that is reported as closed early."""

    def __init__(self, responses: Generator[Any], call: Instrumentation) -> None:
        super().__init__(responses, call.progressed, call.stream_ended)
        self._call = call

    def _fail(self, error: BaseException) -> None:
        try:
            super()._fail(error)
        finally:
            self._call.stream_failed(error)

    def close(self) -> None:
        """Close the stream, and report it as closed early if it has not ended."""
        super().close()
        self._call.stream_failed(GeneratorExit())

    def __del__(self) -> None:
        self._call.stream_failed(GeneratorExit())


class _AsyncReported(AsyncMapped[Any, Any]):
    """`_Reported` for async code."""

    def __init__(self, responses: AsyncGenerator[Any], call: Instrumentation) -> None:
        super().__init__(responses, call.progressed, call.stream_ended)
        self._call = call

    async def _fail(self, error: BaseException) -> None:
        try:
            await super()._fail(error)
        finally:
            self._call.stream_failed(error)

    async def aclose(self) -> None:
        """Close the stream, and report it as closed early if it has not ended."""
        await super().aclose()
        self._call.stream_failed(GeneratorExit())

    def __del__(self) -> None:
        self._call.stream_failed(GeneratorExit())
